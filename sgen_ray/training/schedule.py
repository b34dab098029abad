"""How stages are optimised, as frozen numbers: the recipes of `nano` on a CPU, and of all on a GPU."""

from __future__ import annotations

from dataclasses import dataclass


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


ON_CPU = {
    "encoder": Schedule(steps=1200, batch=24, learning_rate=1.5e-3, replay=3072, fresh=8),
    "autoencoder": Schedule(
        steps=12000, batch=2, learning_rate=1e-3, decay=0.4, replay=256, fresh=1, ahead=64, block=4
    ),
    "renderer": Schedule(
        steps=11300,
        batch=16,
        learning_rate=1.8e-3,
        muon_rate=0.012,
        decay=0.9,
        ema=0.998,
        replay=4096,
        fresh=1,
        ahead=512,
        block=16,
    ),
    "details": Schedule(
        steps=1700,
        batch=16,
        learning_rate=5.4e-4,
        muon_rate=0.0036,
        warmup=30,
        decay=0.9,
        ema=0.99,
        replay=4096,
        fresh=2,
        ahead=256,
        block=16,
    ),
    "distil": Schedule(
        steps=1500,
        batch=8,
        learning_rate=6e-4,
        muon_rate=0.006,
        decay=0.8,
        ema=0.99,
        replay=1024,
        fresh=1,
        ahead=128,
        block=16,
    ),
    "planner": Schedule(
        steps=8000,
        batch=12,
        learning_rate=2e-3,
        muon_rate=0.012,
        decay=0.6,
        ema=0.997,
        replay=1024,
        fresh=1,
        ahead=128,
        block=4,
    ),
}
"""Of `nano`: batches that two cores can draw and compute."""

ON_GPU = {
    "encoder": Schedule(
        steps=2000, batch=256, learning_rate=1.5e-3, decay=0.8, replay=16384, fresh=64, ahead=2048, block=64
    ),
    "autoencoder": Schedule(
        steps=4000, batch=32, learning_rate=6e-4, decay=0.6, replay=1024, fresh=2, ahead=256, block=8
    ),
    "renderer": Schedule(
        steps=3500,
        batch=192,
        learning_rate=1.5e-3,
        muon_rate=0.015,
        warmup=100,
        decay=0.75,
        replay=40960,
        fresh=12,
        ahead=4096,
        block=64,
    ),
    "details": Schedule(
        steps=1000,
        batch=192,
        learning_rate=6e-4,
        muon_rate=0.005,
        decay=0.9,
        ema=0.99,
        replay=40960,
        fresh=12,
        ahead=4096,
        block=64,
    ),
    "distil": Schedule(
        steps=600,
        batch=192,
        learning_rate=6e-4,
        muon_rate=0.006,
        decay=0.8,
        ema=0.99,
        replay=40960,
        fresh=8,
        ahead=4096,
        block=64,
    ),
    "planner": Schedule(
        steps=8000, batch=48, learning_rate=2e-3, muon_rate=0.015, decay=0.7, replay=4096, fresh=4, ahead=512, block=16
    ),
}
"""Large batches of examples that other processes draw (`replay.Drawers`), as many as sixteen cores can."""
