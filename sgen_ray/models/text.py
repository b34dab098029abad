"""Text to token embeddings: a UMT5 encoder at every scale, with a word-level tokenizer for the tiny one.

The tiny encoder is transformers' own UMT5EncoderModel, small, trained on the demo world's captions; Wan2.1's is the
same class with the public weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"


def word_tokenizer(words: Iterable[str], max_length: int = 32) -> PreTrainedTokenizerFast:
    """A tokenizer of whole lower-case words; punctuation parts words and is dropped."""
    vocabulary = {word: i for i, word in enumerate([PAD, EOS, UNKNOWN, *sorted(set(words))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("'s", ""), normalizers.Replace("-", " ")]
    )
    from tokenizers import Regex

    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[^\p{L}\p{N}]+"), "removed")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN, model_max_length=max_length
    )


def tiny_text_encoder(vocabulary: int, width: int = 96, layers: int = 2, heads: int = 4) -> UMT5EncoderModel:
    """A UMT5 encoder of a few hundred thousand weights."""
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocabulary, d_model=width, d_kv=width // heads, d_ff=2 * width, num_layers=layers,
            num_heads=heads, dropout_rate=0.0, relative_attention_num_buckets=16, relative_attention_max_distance=32,
            pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
        )
    )  # fmt: skip


def token_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """A text's tokens and the end token, cut to the tokenizer's length."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    return [*ids[: tokenizer.model_max_length - 1], tokenizer.eos_token_id]


def padded_ids(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> Tensor:
    """Tokens [N, L] of N prompts, padded to the tokenizer's length."""
    ids = torch.full((len(prompts), tokenizer.model_max_length), tokenizer.pad_token_id)
    for row, prompt in enumerate(prompts):
        tokens = token_ids(tokenizer, prompt)
        ids[row, : len(tokens)] = torch.tensor(tokens)
    return ids


def encode_text(
    encoder: nn.Module, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Embeddings [N, L, D] and mask [N, L] (True: a token) of N prompts, padded to the tokenizer's length.

    The empty prompt is a single end token: the null text of guidance and of dropout.
    """
    return encode_ids(encoder, padded_ids(tokenizer, prompts).to(device), tokenizer.pad_token_id)


def encode_ids(encoder: nn.Module, ids: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """Embeddings [..., L, D] and mask [..., L] of padded tokens [..., L]."""
    mask = ids != padding
    flat = encoder(input_ids=ids.flatten(0, -2), attention_mask=mask.flatten(0, -2).long()).last_hidden_state
    return flat.unflatten(0, ids.shape[:-1]) * mask.unsqueeze(-1), mask
