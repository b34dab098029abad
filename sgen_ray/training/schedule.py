"""How a stage is optimised, as frozen numbers."""

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
