"""Named arrays as one safetensors file, the same bytes for the same arrays: how latents and figures are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save


def arrays_to_bytes(arrays: Mapping[str, NDArray[Any]], note: str = "") -> bytes:
    """`note` is for people who open the file. One metadata key only: safetensors writes several in any order."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return bytes(save(contiguous, metadata={"sgen_ray": note} if note else None))


def arrays_from_bytes(data: bytes) -> dict[str, NDArray[Any]]:
    return dict(load(data))
