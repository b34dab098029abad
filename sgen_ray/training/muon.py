"""Muon: momentum made orthogonal, for the matrices inside transformer blocks (K. Jordan, 2024).

Matrices of one shape are made orthogonal together. That is done in bfloat16 where it is fast, as Jordan does: torch's
own Muon always does so, which takes a CPU that only emulates it several times as long.
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
        dtype: what the orthogonal factors are computed in.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape, []).append(p)
            for shape, matrices in shapes.items():
                wanted = []
                for p in matrices:
                    state = self.state[p]
                    if "momentum" not in state:
                        state["momentum"] = torch.zeros_like(p)
                    velocity = state["momentum"]
                    velocity.mul_(group["momentum"]).add_(p.grad)
                    wanted.append(p.grad + group["momentum"] * velocity)
                size = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(matrices, orthogonal(torch.stack(wanted), self.dtype), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-size)


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """About the nearest matrices with all singular values one, [..., n, m], by five Newton-Schulz steps in `dtype`."""
    a, b, c = NEWTON_SCHULZ
    x = (matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)
