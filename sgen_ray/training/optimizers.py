"""Which optimiser trains what: Muon the matrices inside transformer blocks, AdamW everything else."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from sgen_ray.training.muon import Muon
from sgen_ray.training.schedule import Schedule

STATE = ("step", "exp_avg", "exp_avg_sq", "momentum")
"""What either keeps of a parameter."""


def optimizers(
    parameters: Mapping[str, nn.Parameter], schedule: Schedule, dtype: torch.dtype
) -> list[torch.optim.Optimizer]:
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
        out.append(Muon(matrices, schedule.muon_rate, weight_decay=schedule.weight_decay, dtype=dtype))
    for optimizer in out:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return out


def owned(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> list[tuple[str, nn.Parameter]]:
    """The named parameters that this optimiser trains."""
    mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return [(name, p) for name, p in parameters.items() if id(p) in mine]
