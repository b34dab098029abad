"""Stage `planner`: the whole film's semantic tokens from the shots' text, with spans held in every way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray import world
from sgen_ray.diffusion.flow import Flow, sample, times
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.dit import PlannerDiT
from sgen_ray.models.guidance import SettledFlow, guided
from sgen_ray.models.parts import load_part, save_part
from sgen_ray.models.planning import preview, shot_clock
from sgen_ray.models.semantic import thumbnails
from sgen_ray.models.text import encode_ids, encode_text, padded_ids
from sgen_ray.training.data import from_bytes, seeds, shots_of, step_frames, to_bytes
from sgen_ray.training.holding import PLANNER_MODES, PLANNER_WEIGHTS, draw_time, held_frames, pick_modes
from sgen_ray.training.recipes import Recipe
from sgen_ray.training.replay import Drawing, Items, normal
from sgen_ray.training.sheets import save_rows
from sgen_ray.types import VideoRequest

TEXT_DROPOUT = 0.12
LENGTHS = (3, 6, 10, 15, 20, 30, 60)
"""Training lengths in semantic steps; longer films come in smaller batches, so that tokens a step stay about equal."""
SHOTS = (1, 1, 2, 3, 4, 6, 8, 8)
"""Shots of the minutes that are drawn, each entry as often. What is left open must last longest where there is one; of
eight, each is about as short as a film of 8 s, and only the camera of such short ones pans past a subject."""
DRAWS = 3
"""Films drawn for each that is learned from: the one whose texts say most of the camera; few shots say anything of it
(one in twenty that it pans). Texts alone decide, so that what follows from a text stays what it is."""


class PlannerStage(Drawing):
    """Trains PlannerDiT on films of 3 to 60 steps, one to eight shots, each with its own caption."""

    name = "planner"

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        self.recipe, self.grid, self.device = recipe, recipe.grid.coarse, torch.device(device)
        self.encoder, self.compressor = (
            load_part(folder, "semantic_encoder", device),
            load_part(folder, "compressor", device),
        )
        self.text_encoder, self.tokenizer = load_part(folder, "text_encoder", device), load_part(folder, "tokenizer")
        self.flow = Flow(torch.ones(self.grid.semantic_channels)).to(self.device)
        parts = {"planner": PlannerDiT(**recipe.planner), "preview": load_part(folder, "preview", device)}
        parts["preview"].requires_grad_(True)
        self.trained = nn.ModuleDict(parts).to(self.device)
        self.null_text, self.null_mask = (
            x[0] for x in encode_text(self.text_encoder, self.tokenizer, [""], self.device)
        )
        self.steps = round(recipe.max_seconds * self.grid.fps / self.grid.frames_per_step)

    @property
    def network(self) -> PlannerDiT:
        return cast(PlannerDiT, self.trained["planner"])

    def prepare(self) -> None:
        pass

    def sketch(self, seed: int, count: int, split: str = "train") -> Items:
        """Full-length films; `loss` crops them to shorter ones."""
        shots, own = self.recipe.max_shots, seeds(seed, count)
        generator = torch.Generator().manual_seed(seed)
        numbers = [SHOTS[int(i)] for i in torch.randint(len(SHOTS), (count,), generator=generator)]
        drawn = [told_film(s, self.recipe.max_seconds, n, split) for s, n in zip(own, numbers, strict=True)]
        films = [film for film, _ in drawn]
        step = torch.arange(self.steps).expand(count, -1)
        frames = self.encoder.config.frames
        seen = [to_bytes(step_frames([film], step[:1], self.grid, frames, self.device)[0]) for film in films]
        ids = padded_ids(self.tokenizer, [t for _, row in drawn for t in (row + [""] * shots)[:shots]])
        middle = (step + 0.5) * self.grid.frames_per_step / self.grid.fps
        return {
            "frames": torch.stack(seen),
            "shot": shots_of(films, middle).clamp(max=shots - 1).to(self.device),
            "ids": ids.unflatten(0, (count, -1)).to(self.device),
        }

    @torch.no_grad()
    def encode(self, items: Items) -> Items:
        """The same with the films' plans, thumbnails of each step, and embedded texts."""
        out = dict(items)
        sampled, ids = out.pop("frames"), out.pop("ids")
        films = [from_bytes(film) for film in sampled]
        features = torch.stack([self.encoder(film) for film in films])
        size = (8 * self.grid.semantic_height, 8 * self.grid.semantic_width)
        seen = torch.stack([thumbnails(film.mean(1), *size) for film in films])
        text, mask = encode_ids(self.text_encoder, ids, self.tokenizer.pad_token_id)
        return out | {
            "z": self.compressor.encode(features.permute(0, 1, 3, 4, 2)).permute(0, 4, 1, 2, 3),
            "thumbnails": to_bytes(seen.clamp(-1, 1)),
            "text": text,
            "text_mask": mask,
        }

    def conditions(self, items: Items) -> tuple[Conditioning, Conditioning]:
        """What the planner reads of whole films, and the same with the null text."""
        shot, text, mask = items["shot"], items["text"], items["text_mask"]
        c = Conditioning(text=text, text_mask=mask, shot=shot, shot_clock=shot_clock(shot))
        return c, replace(c, text=self.null_text.expand_as(text), text_mask=self.null_mask.expand_as(mask))

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        lengths = [length for length in LENGTHS if length <= self.steps]
        length = lengths[int(torch.randint(len(lengths), (), generator=generator))]
        crops = min(4, max(1, self.steps // length))
        z, shot, text, mask = (
            x.repeat_interleave(crops, 0) for x in (items["z"], items["shot"], items["text"], items["text_mask"])
        )
        start = crop_starts(shot, length, generator)
        index = start[:, None] + torch.arange(length, device=self.device)
        z = z[torch.arange(len(z), device=self.device)[:, None], :, index].transpose(1, 2)
        # The film's clock, not the crop's: a zoom takes as long as its shot, and a crop shows a part of it.
        clock = shot_clock(shot).take_along_dim(index[..., None], 1)
        shot = shot.gather(1, index)
        drop = (torch.rand(len(z), generator=generator) < TEXT_DROPOUT).to(self.device)
        text = torch.where(drop.reshape(-1, 1, 1, 1), self.null_text, text)
        mask = torch.where(drop.reshape(-1, 1, 1), self.null_mask, mask)
        shot, text, mask = told(shot, text, mask)
        modes = pick_modes(PLANNER_MODES, PLANNER_WEIGHTS, len(z), generator)
        held = torch.stack([held_frames(mode, length, generator) for mode in modes]).to(self.device)
        t = draw_time(len(z), generator, self.recipe.planner["sampling_shift"]).to(self.device)
        t = t[:, None].expand(-1, length).masked_fill(held, 0.0)
        eps = normal(z, generator)
        c = Conditioning(text=text, text_mask=mask, shot=shot, shot_clock=clock)
        each = self.flow.loss(self.network.given(c), z, eps, t)
        loss = each.sum() / (~held).sum()
        seen = self._preview_loss(items, generator)
        return loss + seen, {"flow": loss.detach(), "preview": seen.detach()}

    def _preview_loss(self, items: Items, generator: torch.Generator) -> Tensor:
        """The preview learns along, from steps picked at random, on plans a little off as planned ones are."""
        film = torch.randint(len(items["z"]), (48,), generator=generator).to(self.device)
        step = torch.randint(self.steps, (48,), generator=generator).to(self.device)
        z = items["z"][film, :, step]
        z = z + 0.2 * normal(z, generator)
        shown = preview(self.trained["preview"], self.compressor, z.transpose(0, 1))
        return functional.mse_loss(shown, from_bytes(items["thumbnails"][film, step]))

    def averaged(self, step: int) -> None:
        pass

    def evaluate(self) -> dict[str, float]:
        """Held-out velocity error of each held mode over whole minutes, at the sampler's times and fixed noise."""
        items = self.draw(1, 16, "heldout")
        texts, null = self.conditions(items)
        figures = {}
        for mode in (*PLANNER_MODES, "null_text"):
            generator = torch.Generator().manual_seed(5)
            held = held_frames("none" if mode == "null_text" else mode, self.steps, generator)
            levels = torch.tensor(times(16, self.recipe.planner["sampling_shift"])[:16])
            t = levels[:, None].expand(-1, self.steps).masked_fill(held, 0).to(self.device)
            eps = torch.randn(items["z"].shape, generator=generator).to(self.device)
            c = null if mode == "null_text" else texts
            each = self.flow.loss(self.network.given(c), items["z"], eps, t)
            figures[f"loss_{mode}"] = (each.sum() / (t > 0).sum()).item()
        return figures

    def sheet(self, path: Path) -> None:
        """Previews of true plans above, of planned ones below, every fifth step of a minute."""
        items = self.draw(3, 6, "heldout")
        generator = torch.Generator().manual_seed(6)
        noise = torch.randn(items["z"].shape, generator=generator).to(self.device)
        config = self.network.config
        push = guided(self.network, self.conditions(items), VideoRequest.guidance)
        flow = SettledFlow(self.flow.sigma_data, items["shot"], config.settled_above)
        planned = sample(flow, push, noise, VideoRequest.plan_steps, config.sampling_shift)
        rows = []
        for pair in zip(items["z"], planned, strict=True):
            for z in pair:
                rows.append(preview(self.trained["preview"], self.compressor, z).clamp(-1, 1)[::4].transpose(0, 1))
        save_rows(path, rows, 2)

    def export(self, folder: Path) -> None:
        for name in ("planner", "preview"):
            save_part(folder, name, self.trained[name])


def told_film(seed: int, seconds: float, shots: int, split: str) -> tuple[world.Film, list[str]]:
    """A film and its captions; in training the one of DRAWS whose captions mention the camera most often."""
    choices = []
    for own in seeds(seed, DRAWS) if split == "train" else [seed]:
        film = world.sample_film(own, seconds, shots, split)
        choices.append((film, world.captions_with_mentions(film, own, split)))
    film, captions = max(choices, key=lambda choice: sum("camera" in said for _, said in choice[1]))
    return film, [text for text, _ in captions]


def told(shot: Tensor, text: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shots [B, T] counted from the first that each crop shows, with the texts of those shots only, as long as the
    longest of them; whatever else there is would be masked, and costs as much as what is read.

    text [B, K, L, D] and mask [B, K, L]; lengths are multiples of 8, so that a compiler meets few of them.
    """
    first = shot[:, :1]
    shot = shot - first
    which = (first + torch.arange(int(shot.max()) + 1, device=shot.device)).clamp(max=text.shape[1] - 1)
    row = torch.arange(len(shot), device=shot.device)[:, None]
    text, mask = text[row, which], mask[row, which]
    words = -(-int(mask.flatten(0, 1).any(0).sum()) // 8) * 8
    return shot, text[:, :, :words], mask[:, :, :words]


def crop_starts(shot: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Where a crop of each row [B, T] begins: mostly where a shot does, as films do, else anywhere."""
    batch, total = shot.shape
    anywhere = torch.randint(total - length + 1, (batch,), generator=generator)
    score = torch.rand(shot.shape, generator=generator)
    begins = torch.cat((torch.ones(batch, 1, dtype=torch.bool), shot.cpu()[:, 1:] != shot.cpu()[:, :-1]), 1)
    begins[:, total - length + 1 :] = False
    at_cut = (score * begins).argmax(1)
    use = torch.rand(batch, generator=generator) < 0.75
    return torch.where(use, at_cut, anywhere).to(shot.device)
