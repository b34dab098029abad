"""Stage `encoder`: the semantic encoder, the text encoder, the first compressor and the preview, together.

Frames and captions meet in a contrastive loss; dense labels of the world (what stands in which token, where, facing
which way) teach what a contrastive loss alone leaves at chance. The same labels are read through the 8-channel
bottleneck, which later goes on training with the renderer.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray import world
from sgen_ray.models.folder import save_facts
from sgen_ray.models.parts import save_part
from sgen_ray.models.semantic import PreviewDecoder, SemanticCompressor, SemanticEncoder, kl_divergence, thumbnails
from sgen_ray.models.text import padded_ids, tiny_text_encoder, word_tokenizer
from sgen_ray.training.data import from_bytes, seeds, step_frames, to_bytes
from sgen_ray.training.recipes import Recipe
from sgen_ray.training.replay import Drawing, Items, normal
from sgen_ray.training.sheets import save_rows

SUBJECT_BOUND = ("subject", "colour", "action", "direction")
"""Attributes that are read at the token where the subject stands; the others are read everywhere."""
IN_MOTION = ("action", "direction", "camera")
"""Attributes that a still cannot show."""
EMPHASIS = {"subject": 2.0, "action": 1.5, "direction": 2.0, "camera": 2.0}
"""How much more than the others these count: they are learned last."""
SQUEEZED_EMPHASIS = EMPHASIS | {"camera": 6.0}
"""The same through the bottleneck, which lets go of pans and zooms first."""
STILLS = 0.15
STEPS_A_FILM = 4
CAPTIONS = 4


class Heads(nn.Module):
    """Reads attributes and the subject's place from features [N, D, h, w]; used in training only."""

    def __init__(self, channels: int, hidden: int = 96) -> None:
        super().__init__()
        self.sizes = {name: len(classes) for name, classes in world.ATTRIBUTES.items()}
        self.net = nn.Sequential(
            nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, sum(self.sizes.values()) + 5)
        )

    def forward(self, tokens: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Logits per token and attribute, and [N, h w, 5]: presence, centre, size of the subject."""
        out = self.net(tokens)
        *logits, where = out.split([*self.sizes.values(), 5], -1)
        return dict(zip(self.sizes, logits, strict=True)), where


class EncoderStage(Drawing):
    """Trains what turns frames and words into meaning."""

    name = "encoder"

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        self.recipe, self.grid, self.device = recipe, recipe.grid.coarse, torch.device(device)
        self.tokenizer = word_tokenizer(world.words(), recipe.text_length)
        text = tiny_text_encoder(len(self.tokenizer), **recipe.text)
        width = recipe.text["width"]
        self.frames = recipe.semantic_encoder.get("frames", 2)
        features = recipe.semantic_encoder["feature_channels"]
        self.trained = nn.ModuleDict(
            {
                "semantic_encoder": SemanticEncoder(**recipe.semantic_encoder),
                "compressor": SemanticCompressor(**recipe.compressor),
                "preview": PreviewDecoder(**recipe.preview),
                "text_encoder": text,
                "heads": Heads(features),
                "bottleneck_heads": Heads(self.grid.semantic_channels),
                "text_heads": nn.Linear(width, sum(len(c) for c in world.ATTRIBUTES.values())),
                "image_projection": nn.Linear(features, width),
            }
        ).to(self.device)

    def prepare(self) -> None:
        pass

    def sketch(self, seed: int, count: int, split: str = "train") -> Items:
        """Some steps of `count` films with labels and each step's caption; more captions without frames."""
        generator = torch.Generator().manual_seed(seed)
        own = seeds(seed, count)
        films = [world.sample_film(s, 16, split=split) for s in own]
        steps = torch.rand(count, 16, generator=generator).argsort(1)[:, :STEPS_A_FILM]
        frames = step_frames(films, steps, self.grid, self.frames, self.device)
        middle = (steps + 0.5) * self.grid.frames_per_step / self.grid.fps
        labels = world.attribute_indices(films, middle)
        ids = []
        for film, s, row in zip(films, own, middle, strict=True):
            texts = world.captions_with_mentions(film, s, split)
            for t in row:
                ids.append(texts[film.shot_at(float(t))])
        shown = self._captions(ids, torch.stack([labels[a].flatten() for a in world.ATTRIBUTES], 1))
        extra_films = [world.sample_film(s, 4, 1, split) for s in seeds(seed + 1, count * CAPTIONS)]
        # As a pretrained text encoder does, this one knows more words than the networks it speaks to will hear.
        wordings = ("train", "heldout")
        texts = [
            world.captions_with_mentions(f, s, wordings[i % 2])[0]
            for i, (f, s) in enumerate(zip(extra_films, seeds(seed + 2, len(extra_films)), strict=True))
        ]
        truth = world.attribute_indices(extra_films, torch.full((len(extra_films), 1), 1.0))
        said = self._captions(texts, torch.stack([truth[a].flatten() for a in world.ATTRIBUTES], 1))
        return {
            "frames": to_bytes(frames),
            "labels": torch.stack([labels[a] for a in world.ATTRIBUTES], -1).to(self.device),
            "boxes": world.geometry(films, middle).to(self.device),
            "caption": shown[0].unflatten(0, (count, -1)),
            "said_caption": said[0].unflatten(0, (count, -1)),
            "said": said[1].unflatten(0, (count, -1)),
        }

    def _captions(self, texts: list[tuple[str, frozenset[str]]], truth: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids [N, L], and the class of each attribute where the caption states it, else -100."""
        ids = padded_ids(self.tokenizer, [text for text, _ in texts])
        stated = torch.tensor([[a in mentions for a in world.ATTRIBUTES] for _, mentions in texts])
        return ids.to(self.device), torch.where(stated, truth, -100).to(self.device)

    def _text(self, ids: Tensor) -> Tensor:
        mask = ids != 0
        hidden = self.trained["text_encoder"](input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        frames = from_bytes(items["frames"].flatten(0, 1))
        still = torch.rand(len(frames), generator=generator).to(self.device) < STILLS
        frames = torch.where(still.reshape(-1, 1, 1, 1, 1), frames[:, :1], frames)
        labels, boxes = items["labels"].flatten(0, 1), items["boxes"].flatten(0, 1)
        features = self.trained["semantic_encoder"](frames)
        tokens = features.flatten(2).transpose(1, 2)
        mean, log_variance = self.trained["compressor"](tokens)
        z = mean + normal(mean, generator) * (0.5 * log_variance).exp()
        # As noisy as the renderer will see it and a planner will make it: meaning must not hide in fine differences.
        level = self.recipe.semantic_noise * torch.rand(len(z), 1, 1, generator=generator).to(z)
        spread = mean.detach().flatten(0, 1).std(0)
        z = z + level * spread * normal(z, generator)
        direct, hits = self._read("heads", tokens, labels, boxes, still)
        squeezed, squeezed_hits = self._read("bottleneck_heads", z, labels, boxes, still)
        picture = self.trained["preview"](z.transpose(1, 2).unflatten(2, features.shape[2:]))
        seen = functional.mse_loss(picture, thumbnails(frames.mean(1), *picture.shape[2:]))
        kl = kl_divergence(mean, log_variance)
        image = functional.normalize(self.trained["image_projection"](tokens.mean(1)), dim=-1)
        text = functional.normalize(self._text(items["caption"].flatten(0, 1)), dim=-1)
        # One step a film: steps of one film share a caption and would be false negatives.
        keep = torch.arange(0, len(image), STEPS_A_FILM, device=self.device)
        logits = image[keep] @ text[keep].T / 0.07
        target = torch.arange(len(keep), device=self.device)
        contrast = 0.5 * (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target))
        spoken = self._text(items["said_caption"].flatten(0, 1))
        words = self.trained["text_heads"](spoken).split([len(c) for c in world.ATTRIBUTES.values()], -1)
        said = items["said"].flatten(0, 1)
        stated = sum(
            functional.cross_entropy(w, said[:, i], ignore_index=-100, reduction="sum") for i, w in enumerate(words)
        ) / (said >= 0).sum().clamp_min(1)
        total = direct + squeezed + 4 * seen + self.recipe.kl_weight * kl + 0.3 * contrast + 2 * stated
        told = {"kl": kl, "preview": seen, "contrast": contrast, "text": stated}
        told |= hits | {f"z_{k}": v for k, v in squeezed_hits.items()}
        return total, {name: value.detach() for name, value in told.items()}

    def _read(
        self, heads: str, tokens: Tensor, labels: Tensor, boxes: Tensor, still: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Dense attribute loss and accuracy; subject-bound attributes count at the subject's token."""
        logits, where = self.trained[heads](tokens)
        emphasis = SQUEEZED_EMPHASIS if heads == "bottleneck_heads" else EMPHASIS
        rows, columns = self.grid.semantic_height, self.grid.semantic_width
        there = boxes[:, 2] > 0
        column = (boxes[:, 0] * columns).long().clamp(0, columns - 1)
        row = (boxes[:, 1] * rows).long().clamp(0, rows - 1)
        at = row * columns + column
        pick = torch.arange(len(at), device=at.device)
        losses, hits = [], {}
        for i, (name, logit) in enumerate(logits.items()):
            target = labels[:, i]
            use = ~still if name in IN_MOTION else torch.ones_like(still)
            bound = name in SUBJECT_BOUND
            pooled = torch.where(there[:, None], logit[pick, at], logit.mean(1)) if bound else logit.mean(1)
            each = functional.cross_entropy(pooled, target, reduction="none")
            if not bound:
                each = 0.5 * each + 0.5 * functional.cross_entropy(
                    logit.flatten(0, 1), target.repeat_interleave(logit.shape[1]), reduction="none"
                ).unflatten(0, logit.shape[:2]).mean(1)
            losses.append(emphasis.get(name, 1.0) * (each * use).sum() / use.sum().clamp_min(1))
            hits[name] = ((pooled.argmax(1) == target) & use).sum() / use.sum().clamp_min(1)
        present = functional.one_hot(at, rows * columns).float() * there[:, None]
        losses.append(functional.binary_cross_entropy_with_logits(where[..., 0], present))
        centre = torch.stack((boxes[:, 0] * columns - column, boxes[:, 1] * rows - row, boxes[:, 2], boxes[:, 3]), 1)
        offset = (where[pick, at, 1:] - centre).square().mean(1)
        losses.append(2 * (offset * there).sum() / there.sum().clamp_min(1))
        return torch.stack(losses).sum(), hits

    def averaged(self, step: int) -> None:
        """Measure the compressor's normalisation on the world."""
        means = []
        for i in range(4):
            frames = from_bytes(self.draw(77_000 + i, 32)["frames"].flatten(0, 1))
            tokens = self.trained["semantic_encoder"](frames).permute(0, 2, 3, 1)
            means.append(self.trained["compressor"](tokens)[0].flatten(0, 2))
        compressor = self.trained["compressor"]
        assert isinstance(compressor, SemanticCompressor)
        set_normalisation(compressor, torch.cat(means))

    def evaluate(self) -> dict[str, float]:
        items = self.draw(1, 64, "heldout")
        total, figures = self.loss(items, torch.Generator().manual_seed(1), 0)
        return {"loss": total.item(), **{name: value.item() for name, value in figures.items()}}

    def sheet(self, path: Path) -> None:
        frames = from_bytes(self.draw(2, 12, "heldout")["frames"].flatten(0, 1))
        features = self.trained["semantic_encoder"](frames)
        mean, _ = self.trained["compressor"](features.permute(0, 2, 3, 1))
        picture = self.trained["preview"](mean.permute(0, 3, 1, 2))
        rows = []
        for i in range(0, 48, 8):
            rows += [frames[i : i + 8, 0].transpose(0, 1), picture[i : i + 8].transpose(0, 1)]
        save_rows(path, rows)

    def export(self, folder: Path) -> None:
        for name in ("semantic_encoder", "compressor", "preview", "text_encoder"):
            save_part(folder, name, self.trained[name])
        save_part(folder, "tokenizer", self.tokenizer)
        facts = {"name": self.recipe.name, "recipe": self.recipe.name, "max_seconds": self.recipe.max_seconds,
                 "known": {k: list(v) for k, v in world.ATTRIBUTES.items()}}  # fmt: skip
        save_facts(folder, self.recipe.grid, facts)


@torch.no_grad()
def set_normalisation(compressor: SemanticCompressor, means: Tensor) -> None:
    """Zero mean and unit variance of each channel over tokens [N, C]."""
    compressor.shift.copy_(means.mean(0))
    compressor.gain.copy_(1 / means.std(0).clamp_min(1e-3))
