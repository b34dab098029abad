"""Several processes train together: real processes, one network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sgen_ray.errors import SgenError
from sgen_ray.training.loop import Trainer
from sgen_ray.training.ranks import Ranks, ranks
from sgen_ray.training.replay import Items
from sgen_ray.training.schedule import Schedule
from sgen_ray.training.state import load_state

SCHEDULE = Schedule(steps=6, batch=3, learning_rate=0.1, replay=8, fresh=2, clip=1e9)


class Mean:
    """One weight, whose gradient is the mean of what is drawn."""

    name = "mean"

    def __init__(self) -> None:
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.net.weight)
        self.trained = nn.ModuleDict({"net": self.net})
        self.seen: list[float] = []

    def prepare(self) -> None: ...

    def encode(self, items: Items) -> Items:
        return items

    def sketch(self, seed: int, count: int) -> Items:
        return {"x": torch.randn(count, 1, generator=torch.Generator().manual_seed(seed))}

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        self.seen.append(items["x"].mean().item())
        return (self.net.weight * items["x"].mean()).sum(), {}

    def averaged(self, step: int) -> None: ...

    def evaluate(self) -> dict[str, float]:
        return {}

    def sheet(self, path: Path) -> None: ...

    def export(self, folder: Path) -> None: ...


class Noted(Ranks):
    """Keeps what the gradient was averaged to."""

    def __init__(self, own: Ranks) -> None:
        super().__init__(own.rank, own.size)
        self.averages: list[float] = []

    def average(self, gradients: Iterable[torch.Tensor]) -> None:
        found = list(gradients)
        super().average(found)
        self.averages.append(found[0].item())


def train(own: Ranks, folder: Path, seconds: float = 1e6) -> Mean:
    """One rank's run, with what it drew and where it ended kept in a file of its own."""
    torch.set_num_threads(1)
    stage, noted = Mean(), Noted(own)
    trainer = Trainer(stage, SCHEDULE, folder, 0, noted)
    trainer.run(seconds if own.first else 1e6)
    facts = {"seen": stage.seen, "grads": noted.averages, "weight": stage.net.weight.detach(), "step": trainer.step}
    torch.save(facts, folder / f"rank-{own.rank}.pt")
    return stage


def notes(folder: Path, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(folder / f"rank-{rank}.pt")
    return found


def test_ranks_draw_their_own_and_step_together(tmp_path: Path) -> None:
    with ranks(2, train, tmp_path) as own:
        train(own, tmp_path)
    first, second = notes(tmp_path, 0), notes(tmp_path, 1)
    assert first["seen"] != second["seen"]
    means = [(a + b) / 2 for a, b in zip(first["seen"], second["seen"], strict=True)]
    assert first["grads"] == second["grads"] == pytest.approx(means)
    assert torch.equal(first["weight"], second["weight"])
    assert first["step"] == second["step"] == 6
    state = load_state(tmp_path / "state")
    assert state is not None and torch.equal(state[0]["model.net.weight"], first["weight"])


def test_the_first_rank_draws_what_it_would_draw_alone(tmp_path: Path) -> None:
    with ranks(2, train, tmp_path) as own:
        train(own, tmp_path)
    (tmp_path / "alone").mkdir()
    with ranks(1, train, tmp_path) as own:
        alone = train(own, tmp_path / "alone")
    assert alone.seen == notes(tmp_path, 0)["seen"]


def test_ranks_stop_after_the_same_step(tmp_path: Path) -> None:
    """The first one has no time at all, the other has plenty."""
    with ranks(2, train, tmp_path) as own:
        train(own, tmp_path, 0)
    assert notes(tmp_path, 0)["step"] == notes(tmp_path, 1)["step"] == 0


def leave(own: Ranks) -> None:
    """A rank that dies before its first step."""


def test_a_rank_that_is_gone_is_told_in_a_line() -> None:
    with (
        pytest.raises(SgenError, match="another training process is gone; run the same command"),
        ranks(2, leave) as own,
    ):
        own.average([torch.zeros(3)])
