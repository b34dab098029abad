"""Stage `renderer`: latents of a clip, given its plan; the compressor trains along, then is frozen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from sgen_ray.diffusion.flow import Flow, Network, times
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.dit import RendererDiT
from sgen_ray.models.guidance import painted
from sgen_ray.models.parts import load_part, save_part
from sgen_ray.models.semantic import SemanticCompressor, kl_divergence
from sgen_ray.models.text import encode_text
from sgen_ray.training.clips import ANCHORS, Clips
from sgen_ray.training.encoder import set_normalisation
from sgen_ray.training.holding import (
    RENDERER_MODES,
    RENDERER_WEIGHTS,
    SHORT_WEIGHTS,
    draw_time,
    held_frames,
    pick_modes,
)
from sgen_ray.training.recipes import Recipe
from sgen_ray.training.replay import Drawing, Items, normal
from sgen_ray.training.sheets import save_rows
from sgen_ray.types import VideoRequest

TEXT_DROPOUT, PLAN_DROPOUT, ANCHOR_SHARE, SHORT_ANCHOR_SHARE = 0.3, 0.08, 0.3, 0.1
FINE_SHARE, FINE_SHIFT = 0.35, 2.5
"""Share of examples whose times lean less towards the noise: legs, windows and stars are decided late."""
SUBJECT_WEIGHT = 3.0
"""How much more than the landscape the subject's place counts in the loss; people look there, and it is small."""
CHANGE_WEIGHT = 2.0
"""How much the error of changes between frames counts beside that of frames: steps, pans and tracking shots."""


class RendererStage(Drawing):
    """Trains RendererDiT on world clips with their true plan, noised, and frames held in every way."""

    name = "renderer"

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        self.recipe, self.grid, self.device = recipe, recipe.grid.coarse, torch.device(device)
        self.autoencoder = load_part(folder, "autoencoder", device)
        encoder = load_part(folder, "semantic_encoder", device)
        compressor = load_part(folder, "compressor", device).requires_grad_(True)
        self.flow = Flow(self.autoencoder.sigma_data.clone())
        self.trained = nn.ModuleDict({"renderer": RendererDiT(**recipe.renderer), "compressor": compressor})
        self.trained.to(self.device)
        words = load_part(folder, "text_encoder", device), load_part(folder, "tokenizer")
        self.clips = Clips(self.grid, recipe.clip, self.autoencoder, encoder, *words, self.device)
        self.null_text = encode_text(*words, [""], self.device)[0][0]
        if count := self.network.config.null_tokens:
            self.network.null_text.copy_(self.null_text[:count])
        self.levels = torch.tensor(times(24, recipe.renderer_shift)[:24])

    @property
    def network(self) -> RendererDiT:
        return cast(RendererDiT, self.trained["renderer"])

    @property
    def compressor(self) -> SemanticCompressor:
        return cast(SemanticCompressor, self.trained["compressor"])

    def prepare(self) -> None:
        pass

    def sketch(self, seed: int, count: int, split: str = "train") -> Items:
        return self.clips.sketch(seed, count, split)

    def encode(self, items: Items) -> Items:
        return self.clips.encode(items)

    def _plan(self, items: Items, generator: torch.Generator, joint: bool) -> tuple[Tensor, Tensor]:
        """Noised plan tokens [B, C, S, h, w] and the KL term."""
        compressor = self.compressor
        features = items["features"].permute(0, 1, 3, 4, 2)
        with torch.set_grad_enabled(joint and torch.is_grad_enabled()):
            mean, log_variance = compressor(features)
            z = mean
            if joint:
                z = mean + normal(mean, generator) * (0.5 * log_variance).exp()
            z = (z - compressor.shift) * compressor.gain
            kl = kl_divergence(mean, log_variance)
        return z.permute(0, 4, 1, 2, 3), kl

    def conditioning(self, items: Items, plan: Tensor, first: int, anchors: int = 0) -> Conditioning:
        return Conditioning(
            text=items["text"], text_mask=items["text_mask"], shot=items["shot"], first=first, semantic=plan,
            anchors=self.flow.clean(items["anchors"][:, :, :anchors]) if anchors else None,
            anchor_times=items["anchor_times"][:, :anchors] if anchors else None,
            anchor_shot=items["anchor_shot"][:, :anchors] if anchors else None,
        )  # fmt: skip

    def target(self, c: Conditioning) -> Network | None:
        """Whose velocity the network learns of those that are `taught`; None: that of the clips, of all."""
        return None

    def taught(self, t: Tensor) -> Tensor | None:
        """Which examples, at these times [B], learn from `target`: bool [B]; None: all."""
        return None

    def draw_times(self, count: int, generator: torch.Generator) -> Tensor:
        """Of each example, [count]."""
        fine = torch.rand(count, generator=generator) < FINE_SHARE
        return draw_time(count, generator, torch.where(fine, FINE_SHIFT, self.recipe.renderer_shift))

    def importance(self, items: Items) -> Tensor:
        """How much each example counts, [B]."""
        return torch.ones(len(items["latents"]), device=self.device)

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        short = step < self.recipe.short_steps
        items = self._half(items, generator) if short else dict(items)
        count, frames = items["latents"].shape[0], items["latents"].shape[2]
        begin, end = self.recipe.joint_start, self.recipe.joint_start + self.recipe.joint_steps
        joint = begin <= step < end
        if step == end > begin:
            self._normalise()
        plan, kl = self._plan(items, generator, joint)

        def random(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator).to(plan)

        noise = normal(plan, generator)
        plan = plan + self.recipe.renderer_noise * random(count, 1, 1, 1, 1) * noise
        plan = plan * (random(count, 1, 1, 1, 1) >= PLAN_DROPOUT)
        drop = random(count) < TEXT_DROPOUT
        items["text"], items["text_mask"] = self._without_text(items, drop)
        anchors = (1, ANCHORS)[int(torch.randint(2, (), generator=generator))]  # few shapes: each is compiled
        share = SHORT_ANCHOR_SHARE if short else ANCHOR_SHARE
        anchors = anchors if float(torch.rand(1, generator=generator)) < share else 0
        modes = pick_modes(RENDERER_MODES, SHORT_WEIGHTS if short else RENDERER_WEIGHTS, count, generator)
        held = torch.stack([held_frames(mode, frames, generator) for mode in modes]).to(self.device)
        drawn = self.draw_times(count, generator)
        taught = self.taught(drawn)  # where the times were drawn: a GPU would be waited for
        t = drawn.to(self.device)[:, None].expand(-1, frames).masked_fill(held, 0.0)
        first = self.grid.unit * int(torch.randint(2, (), generator=generator))
        c = self.conditioning(items, plan, first, anchors)
        eps = normal(items["latents"], generator)
        weight = 1 + (SUBJECT_WEIGHT - 1) * items["subject"]
        weight = weight / weight.mean() * self.importance(items)[:, None, None, None]
        told = c if taught is None else c.rows(taught)
        teacher = self.target(told) if len(told.text) else None
        each = self.flow.loss(self.network.given(c), items["latents"], eps, t, weight, CHANGE_WEIGHT, teacher, taught)
        flow = each.sum() / (~held).sum()
        total = flow + (self.recipe.kl_weight * 0.1 * kl if joint else 0.0)
        return total, {"flow": flow.detach(), "kl": kl.detach()}

    def _half(self, items: Items, generator: torch.Generator) -> Items:
        """Either half of the clips. Halves begin on `Grid.unit`, and so do their spans and plan steps."""
        half = self.recipe.clip // 2
        steps = half // self.grid.semantic_stride
        k = int(torch.randint(2, (), generator=generator))
        out = dict(items)
        out["latents"] = items["latents"][:, :, k * half : (k + 1) * half]
        out["features"] = items["features"][:, k * steps : (k + 1) * steps]
        for name in ("shot", "subject"):
            out[name] = items[name][:, k * half : (k + 1) * half]
        out["anchor_times"] = items["anchor_times"] - k * half
        return out

    def _without_text(self, items: Items, drop: Tensor) -> tuple[Tensor, Tensor]:
        """Text with the dropped items' shots at the null embedding."""
        null, null_mask = self.null_text, self.null_text.abs().sum(-1) > 0
        where = drop.reshape(-1, 1, 1)
        return (
            torch.where(where.unsqueeze(-1), null.expand_as(items["text"]), items["text"]),
            torch.where(where, null_mask.expand_as(items["text_mask"]), items["text_mask"]),
        )

    def averaged(self, step: int) -> None:
        """While the compressor still trains, keep its normalisation measured."""
        if self.recipe.joint_start < step <= self.recipe.joint_start + self.recipe.joint_steps:
            self._normalise()

    @torch.no_grad()
    def _normalise(self) -> None:
        features = torch.cat([self.draw(77_000 + i, 16)["features"] for i in range(4)])
        set_normalisation(self.compressor, self.compressor(features.permute(0, 1, 3, 4, 2))[0].flatten(0, 3))

    def evaluate(self) -> dict[str, float]:
        """Held-out velocity error of each held mode, at the sampler's times and fixed noise.

        Beside them the same with another clip's plan and with none: what the plan is worth.
        """
        return self.figures(self.target)

    def figures(self, target: Callable[[Conditioning], Network | None]) -> dict[str, float]:
        """`evaluate` against the velocity of the network that `target` gives, or, where it gives none, of the clips."""
        items = self.draw(1, 24, "heldout")
        figures = {}
        for mode in (*RENDERER_MODES, "anchors", "other_plan", "no_plan"):
            generator = torch.Generator().manual_seed(5)
            plan, _ = self._plan(items, generator, False)
            plan = plan.roll(1, 0) if mode == "other_plan" else plan * (mode != "no_plan")
            held = (
                held_frames(mode, self.recipe.clip, generator)
                if mode in RENDERER_MODES
                else torch.zeros(self.recipe.clip, dtype=torch.bool)
            )
            t = self.levels[:, None].expand(-1, self.recipe.clip).masked_fill(held, 0).to(self.device)
            eps = torch.randn(items["latents"].shape, generator=generator).to(self.device)
            c = self.conditioning(items, plan, 0, ANCHORS if mode == "anchors" else 0)
            network, teacher = self.network.given(c), target(c)
            each = self.flow.loss(network, items["latents"], eps, t, teacher=teacher)
            figures[f"loss_{mode}"] = (each.sum() / (t > 0).sum()).item()
            if mode == "none":
                cover = items["subject"]
                there = self.flow.loss(network, items["latents"], eps, t, cover / cover.mean(), teacher=teacher)
                figures["loss_subject"] = (there.sum() / (t > 0).sum()).item()
        return figures

    def sheet(self, path: Path) -> None:
        """Truth above, painted from the true plan below."""
        items = self.draw(3, 6, "heldout")
        generator = torch.Generator().manual_seed(6)
        plan, _ = self._plan(items, generator, False)
        noise = torch.randn(items["latents"].shape, generator=generator).to(self.device)
        rows = []
        made = painted(self.flow, self.network, self.conditioning(items, plan, 0), noise, VideoRequest.steps)
        for truth, ours in zip(items["latents"], made, strict=True):
            for latents in (truth, ours):
                rows.append(self.autoencoder.decode_coarse(latents[None])[0, :, 2::6].clamp(-1, 1))
        save_rows(path, rows)

    def export(self, folder: Path) -> None:
        save_part(folder, "renderer", self.trained["renderer"])
        save_part(folder, "compressor", self.trained["compressor"])
