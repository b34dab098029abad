"""How the judge learns: clips of the world's split "train", drawn ahead and reused, the hard ones more often.

A share of them is blurred, noised or compressed again, so that the judge also reads what an autoencoder gives back.
A run is a function of (seed, step): cut into slices it ends where a run in one go does.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from sgen_ray.evaluation.judge import CLIP_FRAMES, FPS, HEIGHT, OFFSETS, WIDTH, Judge, as_input
from sgen_ray.world import ATTRIBUTES, attribute_indices, draw, sample_film

SHOT_SECONDS, LONG_SECONDS, LONG_SHARE = (3, 16), 60, 0.2
"""Shots that clips are cut from: some last a minute, where zooms and pans are so slow that they can hardly be seen."""
MIRRORED = {
    "direction": [ATTRIBUTES["direction"].index(n) for n in ("still", "right", "left")],
    "camera": [ATTRIBUTES["camera"].index(n) for n in ("still", "follow", "pan right", "pan left", "zoom in")],
}
"""Class in the mirror image, by class."""


@dataclass(frozen=True)
class JudgeSchedule:
    """Steps of `batch` clips, `fresh` of them new, the others from the last `replay` drawn ones."""

    steps: int = 7200
    batch: int = 32
    fresh: int = 8
    replay: int = 4096
    learning_rate: float = 3e-3
    warmup: int = 100
    decay: float = 0.4
    weight_decay: float = 0.02

    def rate(self, step: int) -> float:
        """Constant after a warm-up, then linearly down over the last part: `steps` may be set anew in each slice."""
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, (self.steps - step) / (self.decay * self.steps))


@dataclass(frozen=True)
class Clips:
    """Frames uint8 [N, 5, 3, H, W] and the class of every attribute [N, attributes]."""

    frames: Tensor
    labels: Tensor


def draw_clips(seed: int, count: int, split: str = "train") -> Clips:
    """One clip of each of `count` shots, from anywhere in it; one that runs over its end repeats the last frame."""
    rng = random.Random(f"judge {seed} {split}")
    seconds = [LONG_SECONDS if rng.random() < LONG_SHARE else rng.randint(*SHOT_SECONDS) for _ in range(count)]
    films = [sample_film(rng.randrange(2**31), s, 1, split) for s in seconds]
    starts = torch.tensor([rng.randint(0, max(0, s * FPS - CLIP_FRAMES)) for s in seconds])
    last = torch.tensor(seconds)[:, None] * FPS - 1
    times = (starts[:, None] + torch.tensor(OFFSETS)).minimum(last) / FPS
    frames = (draw(films, times, WIDTH, HEIGHT) * 255).round().to(torch.uint8)
    indices = attribute_indices(films, times[:, :1])
    return Clips(frames, torch.cat([indices[name] for name in ATTRIBUTES], 1))


class JudgeTrainer:
    """Trains in slices; `folder` holds the state between them."""

    def __init__(self, folder: Path, schedule: JudgeSchedule | None = None, seed: int = 0) -> None:
        self.folder, self.schedule, self.seed = folder, schedule or JudgeSchedule(), seed
        self.step, self.seconds = 0, 0.0
        torch.manual_seed(seed)
        self.judge: Judge = Judge().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(
            self.judge.parameters(), self.schedule.learning_rate, (0.9, 0.99), weight_decay=self.schedule.weight_decay
        )
        s = self.schedule
        self.drawn = 0
        self.frames = torch.zeros(s.replay, len(OFFSETS), 3, HEIGHT, WIDTH, dtype=torch.uint8)
        self.labels = torch.zeros(s.replay, len(ATTRIBUTES), dtype=torch.long)
        self.hardness = torch.zeros(s.replay)
        if (folder / "state.pt").exists():
            state = torch.load(folder / "state.pt", weights_only=True)
            self.judge.load_state_dict(state["judge"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds, self.hardness = state["step"], state["seconds"], state["hardness"]
            self.drawn = max(0, self.step - s.replay // s.fresh) * s.fresh

    def run(self, minutes: float, on_step: Callable[[int, int, dict[str, float]], None] | None = None) -> bool:
        """Trains until the schedule or the time ends; returns whether the schedule did."""
        begin = time.monotonic()
        before = self.seconds
        while self.step < self.schedule.steps and time.monotonic() - begin < minutes * 60:
            figures = self._step()
            self.seconds = before + time.monotonic() - begin
            if on_step:
                on_step(self.step, self.schedule.steps, figures)
            if self.step % 100 == 0:
                self.save()
        self.save()
        return self.step >= self.schedule.steps

    def save(self) -> None:
        """The state, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / "state.new"
        torch.save(
            {"judge": self.judge.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step,
             "seconds": self.seconds, "hardness": self.hardness}, fresh,
        )  # fmt: skip
        fresh.replace(self.folder / "state.pt")

    def _step(self) -> dict[str, float]:
        s = self.schedule
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        rows = self._rows(generator)
        frames, labels = as_input(self.frames[rows]), self.labels[rows].clone()
        frames = mirror(frames, labels, torch.rand(len(rows), generator=generator) < 0.5)
        frames = spoil(frames, generator)
        for group in self.optimizer.param_groups:
            group["lr"] = s.rate(self.step)
        logits = self.judge.train()(frames)
        each = torch.stack(
            [functional.cross_entropy(v, labels[:, i], reduction="none") for i, v in enumerate(logits.values())], 1
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss = each.sum(1).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.judge.parameters(), 5.0)
        self.optimizer.step()
        self.hardness[rows] = each.detach().sum(1)
        self.step += 1
        return {"loss": loss.item()}

    def _rows(self, generator: torch.Generator) -> Tensor:
        """Places in the replay of this step's batch: the new clips first."""
        s = self.schedule
        while self.drawn < (self.step + 1) * s.fresh:
            clips = draw_clips(self.seed * 10_000_019 + self.drawn // s.fresh, s.fresh)
            at = self.drawn % s.replay
            self.frames[at : at + s.fresh], self.labels[at : at + s.fresh] = clips.frames, clips.labels
            self.drawn += s.fresh
        new = torch.arange(self.drawn - s.fresh, self.drawn) % s.replay
        have = min(self.drawn, s.replay)
        hardness = self.hardness[:have]
        # Half by hardness, half evenly: a clip that was easy once is looked at again.
        weights = hardness / hardness.mean().clamp_min(1e-6) + 1
        return torch.cat((new, torch.multinomial(weights, s.batch - s.fresh, True, generator=generator)))


def train_judge(
    folder: Path,
    minutes: float = 60,
    schedule: JudgeSchedule | None = None,
    seed: int = 0,
    on_step: Callable[[int, int, dict[str, float]], None] | None = None,
) -> tuple[Judge, dict[str, object]]:
    """Trains from where the last slice stopped; the judge as it is then, and how it came about."""
    trainer = JudgeTrainer(folder, schedule, seed)
    trainer.run(minutes, on_step)
    s = trainer.schedule
    facts = {"step": trainer.step, "steps": s.steps, "clips_drawn": trainer.drawn, "clips_seen": trainer.step * s.batch,
             "seed": seed, "train_seconds": round(trainer.seconds), "torch": torch.__version__,
             "threads": torch.get_num_threads()}  # fmt: skip
    return trainer.judge.eval(), facts


@torch.no_grad()
def accuracy(judge: Judge, clips: Clips, change: Callable[[Tensor], Tensor] | None = None) -> dict[str, float]:
    """Share of clips whose most likely class is the true one, by attribute; `change` acts on what the judge reads."""
    hits = torch.zeros(len(ATTRIBUTES))
    for frames, labels in zip(clips.frames.split(64), clips.labels.split(64), strict=True):
        x = as_input(frames)
        logits = judge.eval()(change(x) if change else x)
        hits += (torch.stack([v.argmax(1) for v in logits.values()], 1) == labels).float().sum(0)
    return dict(zip(ATTRIBUTES, (hits / len(clips.labels)).tolist(), strict=True))


def mirror(frames: Tensor, labels: Tensor, which: Tensor) -> Tensor:
    """The clips in the mirror where `which` [N] is; `labels` are changed in place."""
    for i, name in enumerate(ATTRIBUTES):
        if name in MIRRORED:
            labels[which, i] = torch.tensor(MIRRORED[name])[labels[which, i]]
    return torch.where(which.reshape(-1, 1, 1, 1, 1), frames.flip(-1), frames)


def spoil(frames: Tensor, generator: torch.Generator) -> Tensor:
    """An eighth of the clips each with noise, blurred, and compressed again; the others as they are."""
    out = frames.clone()
    part = max(1, len(frames) // 8)
    order = torch.randperm(len(frames), generator=generator)
    noisy, blurred, pressed = order[:part], order[part : 2 * part], order[2 * part : 3 * part]
    amount = torch.rand(3, part, 1, 1, 1, 1, generator=generator)[:, : len(pressed)]
    x = frames[noisy]
    out[noisy] = x + 0.15 * amount[0] * torch.randn(x.shape, generator=generator)
    x = frames[blurred]
    soft = functional.avg_pool2d(functional.pad(x.flatten(0, 1), (1, 1, 1, 1), mode="replicate"), 3, 1)
    out[blurred] = x.lerp(soft.unflatten(0, x.shape[:2]), amount[1])
    out[pressed] = recompress(frames[pressed], 0.05 + 0.35 * amount[2])
    return out.clamp(-1, 1)


def recompress(frames: Tensor, step: Tensor) -> Tensor:
    """Frames [..., H, W] after rounding their 8x8 cosine coefficients to `step`, coarser at high frequencies."""
    k = torch.arange(8.0)
    basis = torch.cos((2 * k + 1) * k[:, None] * math.pi / 16) * torch.where(k[:, None] > 0, 0.5, 8**-0.5)
    blocks = frames.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)
    coarse = step[..., None, None] * (1 + (k[:, None] + k) / 4)
    rounded = (basis @ blocks @ basis.T / coarse).round() * coarse
    return (basis.T @ rounded @ basis).transpose(-3, -2).flatten(-4, -3).flatten(-2)
