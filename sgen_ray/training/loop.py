"""The one training loop: a stage says what to draw and what the loss is, the loop does the rest.

A run is a function of (recipe, seed, step): data, noise and dropout are keyed by them, the optimiser, the averages
and the step are stored, and the replay of drawn items is drawn again. So a run cut into slices equals a run in one go.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sgen_ray.training.interrupt import between_steps
from sgen_ray.training.muon import Muon
from sgen_ray.training.state import load_state, save_state

OPTIMIZER_STATE = ("step", "exp_avg", "exp_avg_sq", "momentum")

Items = dict[str, Tensor]
"""Drawn examples: every tensor's first axis counts items."""


class Stage(Protocol):
    """One network's training: what to draw, what to lower, what to show."""

    name: str
    trained: nn.ModuleDict

    def prepare(self) -> None:
        """Called once before a fresh run's first step."""
        ...

    def draw(self, seed: int, count: int) -> Items: ...

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[Tensor, dict[str, float]]: ...

    def averaged(self, step: int) -> None:
        """Called once the averaged weights are in place, before `evaluate`, `sheet` and `export`."""
        ...

    def evaluate(self) -> dict[str, float]: ...

    def sheet(self, path: Path) -> None: ...

    def export(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Schedule:
    """How a stage is optimised; a learning rate warms up, holds, and falls linearly over the last fifth of `steps`."""

    steps: int
    batch: int
    learning_rate: float = 1e-3
    warmup: int = 50
    decay: float = 0.2
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.998
    replay: int = 0
    """Items kept for reuse; 0 draws every batch anew."""
    fresh: int = 0
    """New items a step when replaying."""
    ahead: int = 0
    """Items drawn before the first step, so that it does not learn a few by heart."""
    block: int = 0
    """Items drawn at once, which is cheaper than one by one; 0: those of one step."""

    muon_rate: float = 0.02
    """Step size of Muon, which trains the matrices inside transformer blocks; AdamW trains everything else."""

    def factor(self, step: int) -> float:
        """What the learning rates are multiplied by at this step."""
        fall = max(1.0, self.steps * self.decay)
        return min(1.0, (step + 1) / self.warmup, max(0.0, (self.steps - step) / fall))


class Replay:
    """The last `size` drawn items; which they are is a function of the step alone."""

    def __init__(self, stage: Stage, schedule: Schedule, seed: int) -> None:
        self.stage, self.schedule, self.seed = stage, schedule, seed
        self.items: Items | None = None
        self.drawn = 0

    def batch(self, step: int, generator: torch.Generator) -> Items:
        s = self.schedule
        if not s.replay:
            return self.stage.draw(_key(self.seed, step), s.batch)
        block = s.block or s.fresh
        target = -(-(s.ahead + (step + 1) * s.fresh) // block) * block
        self.drawn = max(self.drawn, target - s.replay)
        while self.drawn < target:
            self._put(self.stage.draw(_key(self.seed, self.drawn // block), block), self.drawn % s.replay)
            self.drawn += block
        assert self.items is not None
        # The newest ones are sure to be seen.
        pick = torch.randint(min(target, s.replay), (s.batch,), generator=generator)
        newest = torch.arange(target - block, target)[(step * s.fresh) % block :][: min(s.fresh, s.batch)]
        pick[: len(newest)] = newest % s.replay
        return {name: value[pick.to(value.device)] for name, value in self.items.items()}

    def _put(self, new: Items, at: int) -> None:
        if self.items is None:
            self.items = {k: v.new_zeros(self.schedule.replay, *v.shape[1:]) for k, v in new.items()}
        for name, value in new.items():
            self.items[name][at : at + len(value)] = value


class Trainer:
    """Runs a stage in slices; `folder` holds its state, metrics and sheets."""

    def __init__(self, stage: Stage, schedule: Schedule, folder: Path, seed: int = 0) -> None:
        if schedule.replay % max(1, schedule.block or schedule.fresh):
            raise ValueError("replay must be a multiple of what is drawn at once")
        self.stage, self.schedule, self.folder, self.seed = stage, schedule, folder, seed
        self.step, self.seconds = 0, 0.0
        self.parameters = {name: p for name, p in stage.trained.named_parameters() if p.requires_grad}
        self.device = next(iter(self.parameters.values())).device
        # A CPU without matrix tiles may be a hundred times slower in bfloat16, and convolutions gain nothing by it.
        tiles = self.device.type == "cpu" and torch.cpu._is_amx_tile_supported()
        self.bfloat16 = self.device.type == "cuda" or (tiles and any(".blocks." in name for name in self.parameters))
        self.optimizers = _optimizers(self.parameters, schedule)
        self.begin_average()
        self.replay = Replay(stage, schedule, seed)
        folder.mkdir(parents=True, exist_ok=True)

    def begin_average(self) -> None:
        """The averaged weights start from the live ones."""
        self.ema = {name: p.detach().clone() for name, p in self.stage.trained.state_dict().items()}

    def resume(self) -> bool:
        """Go on from the stored state, or prepare a fresh run; True where a state was found."""
        found = load_state(self.folder / "state")
        if found is None:
            self.stage.prepare()
            self.begin_average()
            return False
        tensors, facts = found
        if facts["schedule"]["batch"] != self.schedule.batch:
            raise ValueError("the stored run used another batch size: train into another folder")
        live = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        self.stage.trained.load_state_dict(live)
        for name in self.ema:
            self.ema[name].copy_(tensors[f"ema.{name}"])
        for optimizer in self.optimizers:
            for name, p in _owned(optimizer, self.parameters):
                for key in OPTIMIZER_STATE:
                    if (value := tensors.get(f"{key}.{name}")) is not None:
                        value = value.to(p.device)  # the step too: fused AdamW counts on the GPU
                        optimizer.state[p][key] = value.reshape(()) if key == "step" else value
        self.step, self.seconds = facts["step"], facts["seconds"]
        return True

    def save(self) -> None:
        tensors = {f"model.{k}": v for k, v in self.stage.trained.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.items()}
        for optimizer in self.optimizers:
            for name, p in _owned(optimizer, self.parameters):
                tensors |= {
                    f"{key}.{name}": value.reshape(value.shape or 1) for key, value in optimizer.state[p].items()
                }
        facts = {"step": self.step, "seconds": self.seconds, "seed": self.seed, "schedule": asdict(self.schedule)}
        save_state(self.folder / "state", tensors, facts)

    def train_step(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(_key(self.seed + 1, self.step))
        items = self.replay.batch(self.step, generator)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * self.schedule.factor(self.step)
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss, metrics = self.stage.loss(items, generator, self.step)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.stage.trained.parameters(), self.schedule.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        keep = min(self.schedule.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            # What is frozen, for good or for now, is its own average.
            learning = {name for name, p in self.parameters.items() if p.grad is not None}
            for name, value in self.stage.trained.state_dict().items():
                if name in learning:
                    self.ema[name].lerp_(value, 1 - keep)
                else:
                    self.ema[name].copy_(value)
        self.step += 1
        return {"loss": loss.item(), "grad_norm": norm.item(), **metrics}

    def run(self, seconds: float, on_step: Callable[[int, int, dict[str, float]], None] | None = None) -> int:
        """Train until `seconds` have passed or the schedule ends; saves state each minute and at the end.

        Ctrl-C ends the step at hand, saves and raises KeyboardInterrupt; a second one raises it at once.
        """
        began = saved = time.monotonic()
        before = self.seconds
        with (self.folder / "metrics.jsonl").open("a") as log, between_steps() as asked:
            while self.step < self.schedule.steps and time.monotonic() - began < seconds and not asked():
                metrics = self.train_step()
                self.seconds = before + time.monotonic() - began
                if self.step % 10 == 0:
                    facts = {"step": self.step, "seconds": round(self.seconds, 1), **metrics}
                    log.write(json.dumps({k: round(v, 5) for k, v in facts.items()}) + "\n")
                    log.flush()
                if on_step is not None:
                    on_step(self.step, self.schedule.steps, metrics)
                if time.monotonic() - saved > 60:
                    self.save()
                    saved = time.monotonic()
            self.save()
            if asked():
                raise KeyboardInterrupt
        return self.step

    def finish(self, export: Path) -> dict[str, float]:
        """Evaluate, draw a sheet and export with the averaged weights."""
        live = {k: v.clone() for k, v in self.stage.trained.state_dict().items()}
        self.stage.trained.load_state_dict(self.ema)
        try:
            with torch.no_grad():
                self.stage.averaged(self.step)
                figures: dict[str, float] = self.stage.evaluate()
                self.stage.sheet(self.folder / f"sheet-{self.step:06d}.png")
                self.stage.export(export)
            record: dict[str, Any] = {"step": self.step, "seconds": round(self.seconds, 1), "held_out": figures}
            with (self.folder / "evaluation.jsonl").open("a") as log:
                log.write(json.dumps(record) + "\n")
        finally:
            self.stage.trained.load_state_dict(live)
        return figures


def _optimizers(parameters: Mapping[str, nn.Parameter], schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, where there are any, and AdamW for the rest."""
    inner = {name for name, p in parameters.items() if ".blocks." in name and p.ndim == 2}
    rest = [p for name, p in parameters.items() if name not in inner]
    out: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            rest,
            lr=schedule.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=schedule.weight_decay,
            fused=rest[0].is_cuda,
        )
    ]
    if inner:
        matrices = [p for name, p in parameters.items() if name in inner]
        out.append(Muon(matrices, schedule.muon_rate, weight_decay=schedule.weight_decay))
    for optimizer in out:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return out


def _owned(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> list[tuple[str, nn.Parameter]]:
    """The named parameters that this optimiser trains."""
    mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return [(name, p) for name, p in parameters.items() if id(p) in mine]


def _key(seed: int, index: int) -> int:
    """A seed of 62 bits for (seed, index): splitmix64's mixing, so that neighbours share nothing."""
    x = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> shift)) * factor % 2**64
    return (x ^ (x >> 31)) >> 2
