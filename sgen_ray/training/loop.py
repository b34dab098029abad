"""The one training loop: a stage says what to draw and what the loss is, the loop does the rest.

A run is a function of (recipe, seed, step): data, noise and dropout are keyed by them, the optimiser, the averages
and the step are stored, and the replay of drawn items is drawn again. So a run cut into slices equals a run in one go.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from sgen_ray.errors import RequestError
from sgen_ray.models.block import Block
from sgen_ray.training import optimizers
from sgen_ray.training.interrupt import between_steps
from sgen_ray.training.ranks import Ranks
from sgen_ray.training.replay import Drawers, Draws, Items, Replay, key
from sgen_ray.training.schedule import Schedule
from sgen_ray.training.state import fit, load_state, save_state

Figures = dict[str, Tensor]
"""Scalars that a step tells; they stay on its device until somebody looks, since looking waits for a GPU."""


class Stage(Draws, Protocol):
    """One network's training: what to draw, what to lower, what to show."""

    name: str
    trained: nn.ModuleDict

    def prepare(self) -> None:
        """Called once before a fresh run's first step."""
        ...

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[Tensor, Figures]: ...

    def averaged(self, step: int) -> None:
        """Called once the averaged weights are in place, before `evaluate`, `sheet` and `export`."""
        ...

    def evaluate(self) -> dict[str, float]: ...

    def sheet(self, path: Path) -> None: ...

    def export(self, folder: Path) -> None: ...


class Trainer:
    """Runs a stage in slices; `folder` holds its state, metrics and sheets."""

    def __init__(
        self, stage: Stage, schedule: Schedule, folder: Path, seed: int = 0, ranks: Ranks | None = None,
        compiled: bool = False, drawers: Drawers | None = None,
    ) -> None:  # fmt: skip
        """ranks: this process among those that train together. compiled: transformer blocks by torch.compile.
        drawers: processes that draw examples beside this one."""
        self.stage, self.schedule, self.folder, self.seed = stage, schedule, folder, seed
        self.ranks = ranks or Ranks()
        # What the first rank draws does not hang on how many there are.
        self.draws = seed if self.ranks.first else key(seed, -self.ranks.rank)
        self.step, self.seconds = 0, 0.0
        self.parameters = {name: p for name, p in stage.trained.named_parameters() if p.requires_grad}
        self.device = next(iter(self.parameters.values())).device
        # A CPU that only emulates bfloat16 may be a hundred times slower in it, and convolutions gain nothing by it.
        fast = self.device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        self.bfloat16 = self.device.type == "cuda" or (fast and any(".blocks." in name for name in self.parameters))
        self.optimizers = optimizers.optimizers(
            self.parameters, schedule, torch.bfloat16 if self.bfloat16 else torch.float32
        )
        self.begin_average()
        self.replay = Replay(stage, schedule, self.draws, self.device, drawers)
        if compiled:
            torch._dynamo.config.recompile_limit = 64  # shapes of batches, and of spans in even and odd layers
            for module in stage.trained.modules():
                if isinstance(module, Block):
                    module.compile(dynamic=False)
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
            raise RequestError(f"the run in {self.folder} used another batch size: give a new --folder")
        live = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        fit(self.stage.trained, live, f"the run in {self.folder}")
        for name in self.ema:
            if (value := tensors.get(f"ema.{name}")) is not None:
                self.ema[name].copy_(value)
        for optimizer in self.optimizers:
            for name, p in optimizers.owned(optimizer, self.parameters):
                for kept in optimizers.STATE:
                    if (value := tensors.get(f"{kept}.{name}")) is not None:
                        value = value.to(p.device)  # the step too: fused AdamW counts on the GPU
                        optimizer.state[p][kept] = value.reshape(()) if kept == "step" else value
        self.step, self.seconds = facts["step"], facts["seconds"]
        return True

    def save(self) -> None:
        tensors = {f"model.{k}": v for k, v in self.stage.trained.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.items()}
        for optimizer in self.optimizers:
            for name, p in optimizers.owned(optimizer, self.parameters):
                tensors |= {
                    f"{kept}.{name}": value.reshape(value.shape or 1) for kept, value in optimizer.state[p].items()
                }
        facts = {"step": self.step, "seconds": self.seconds, "seed": self.seed, "schedule": asdict(self.schedule)}
        save_state(self.folder / "state", tensors, facts)

    def train_step(self) -> Figures:
        generator = torch.Generator().manual_seed(key(self.draws + 1, self.step))
        items = self.replay.batch(self.step, generator)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * self.schedule.factor(self.step)
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss, metrics = self.stage.loss(items, generator, self.step)
        loss.backward()
        self.ranks.average([p.grad for p in self.parameters.values() if p.grad is not None])
        norm = nn.utils.clip_grad_norm_(self.stage.trained.parameters(), self.schedule.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        keep = min(self.schedule.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            # What is frozen, for good or for now, is its own average.
            learning = [name for name, p in self.parameters.items() if p.grad is not None]
            live = self.stage.trained.state_dict()
            for name in live.keys() - learning:
                self.ema[name].copy_(live[name])
            get_ema_multi_avg_fn(keep)([self.ema[n] for n in learning], [live[n] for n in learning], None)
        self.step += 1
        return {"loss": loss.detach(), "grad_norm": norm, **metrics}

    def run(self, seconds: float, on_step: Callable[[int, int, dict[str, float]], None] | None = None) -> int:
        """Train until `seconds` have passed or the schedule ends; saves state each minute and at the end.

        Ctrl-C ends the step at hand, saves and raises KeyboardInterrupt; a second one raises it at once. All ranks
        end with the same step; only the first one writes and tells.
        """
        began = saved = time.monotonic()
        figures: dict[str, float] = {}
        before, first = self.seconds, self.ranks.first
        with (self.folder / "metrics.jsonl").open("a") as log, between_steps() as asked:

            def over() -> bool:
                return asked() or (first and time.monotonic() - began >= seconds)

            while self.step < self.schedule.steps and not self.ranks.any(over()):
                metrics = self.train_step()
                self.seconds = before + time.monotonic() - began
                if not first:
                    continue
                if self.step % 10 == 0 or not figures:
                    figures = {name: float(value) for name, value in metrics.items()}
                if self.step % 10 == 0:
                    facts = {"step": self.step, "seconds": round(self.seconds, 1), **figures}
                    log.write(json.dumps({k: round(v, 5) for k, v in facts.items()}) + "\n")
                    log.flush()
                if on_step is not None:
                    on_step(self.step, self.schedule.steps, figures)
                if time.monotonic() - saved > 60:
                    self.save()
                    saved = time.monotonic()
            if first:
                self.save()
            if asked():
                raise KeyboardInterrupt
        return self.step

    def finish(self, export: Path) -> dict[str, float]:
        """Evaluate, draw a sheet and export with the averaged weights."""
        live = {k: v.clone() for k, v in self.stage.trained.state_dict().items()}
        self.stage.trained.load_state_dict(self.ema)
        try:
            with torch.no_grad(), torch.compiler.set_stance("force_eager"):
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
