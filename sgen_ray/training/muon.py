"""Muon: momentum made orthogonal, for the matrices inside transformer blocks (K. Jordan, 2024).

torch's own Muon runs its Newton-Schulz steps in bfloat16, which a CPU does slowly; here they run in the weights' dtype.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Quintic coefficients that push every singular value near one in five steps."""


class Muon(torch.optim.Optimizer):
    """Updates matrices by the orthogonal factor of their Nesterov momentum.

    Args:
        lr: size of a step, in units of a matrix with singular values near one.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                velocity = self.state[p].setdefault("momentum", torch.zeros_like(p))
                velocity.mul_(group["momentum"]).add_(p.grad)
                update = orthogonal(p.grad + group["momentum"] * velocity)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix with all singular values one, by five Newton-Schulz steps."""
    a, b, c = NEWTON_SCHULZ
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
