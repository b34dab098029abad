"""The base of every network here, diffusers' ModelMixin, without what makes its import slow.

diffusers asks torch for its compiler's front end, `torch._dynamo`, only to mark blocks of its own that are not used
here, and does without where there is none. Importing that takes as long as all the rest of diffusers, in every
process that loads a network; so it is hidden while diffusers is imported. `torch.compile` brings it in later as
always. The methods of ModelMixin that would bring it in too, as they look for offloading hooks, have twins here for
networks that have none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def _without_compiler() -> Iterator[None]:
    name = "torch._dynamo"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python says: there is none
    try:
        yield
    finally:
        del sys.modules[name]


with _without_compiler():
    from diffusers.configuration_utils import ConfigMixin, register_to_config
    from diffusers.models.embeddings import get_timestep_embedding
    from diffusers.models.modeling_utils import ModelMixin

__all__ = ["ConfigMixin", "ModelMixin", "device_of", "get_timestep_embedding", "move", "register_to_config"]


def device_of(network: nn.Module) -> torch.device:
    """`network.device`, for one without hooks."""
    return next(network.parameters()).device


def move(network: nn.Module, device: str | torch.device) -> nn.Module:
    """`network.to(device)`, for one without hooks."""
    return nn.Module.to(network, device)
