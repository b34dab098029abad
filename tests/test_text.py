"""Words to embeddings: a tokenizer of whole words, and padding that changes nothing."""

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from sgen_ray.models.text import encode_text, tiny_text_encoder, word_tokenizer

TOKENIZER = word_tokenizer(["a", "red", "car", "the", "walking", "astronaut", "earth", "slow", "motion"], 12)


def words(text: str) -> list[str]:
    return TOKENIZER.convert_ids_to_tokens(TOKENIZER.encode(text, add_special_tokens=False))


def test_punctuation_case_and_possessives_part_words() -> None:
    assert words("A RED car, walking; the Earth's slow-motion.") == [
        "a", "red", "car", "walking", "the", "earth", "slow", "motion",
    ]  # fmt: skip
    assert words("a zebra") == ["a", "<unk>"]
    assert words("") == [] == words(" ,. ")


def test_tokenizer_survives_its_folder(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    text = "the astronaut, walking"
    assert again.encode(text, add_special_tokens=False) == TOKENIZER.encode(text, add_special_tokens=False)
    assert (again.pad_token_id, again.eos_token_id, again.model_max_length) == (0, 1, 12)


def test_null_prompt_is_one_end_token() -> None:
    encoder = tiny_text_encoder(len(TOKENIZER), 16, 1, 2).eval().requires_grad_(False)
    text, mask = encode_text(encoder, TOKENIZER, [""])
    assert mask[0].tolist() == [True] + [False] * 11
    assert text.shape == (1, 12, 16) and text[0, 0].abs().sum() > 0 and text[0, 1:].abs().sum() == 0


def test_padding_and_company_do_not_change_embeddings() -> None:
    torch.manual_seed(0)
    encoder = tiny_text_encoder(len(TOKENIZER), 16, 2, 2).eval().requires_grad_(False)
    short = word_tokenizer(set(TOKENIZER.get_vocab()) - {"<pad>", "</s>", "<unk>"}, 5)
    alone, _ = encode_text(encoder, short, ["a red car"])
    padded, mask = encode_text(encoder, TOKENIZER, ["the astronaut walking the earth", "a red car"])
    torch.testing.assert_close(padded[1, :4], alone[0, :4])
    assert mask.sum(1).tolist() == [6, 4]


def test_long_prompts_are_cut_and_still_end() -> None:
    encoder = tiny_text_encoder(len(TOKENIZER), 16, 1, 2).eval().requires_grad_(False)
    _, mask = encode_text(encoder, TOKENIZER, ["red " * 40])
    assert mask.all()
