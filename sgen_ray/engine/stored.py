"""How finished work looks in the store: latents of a window, bytes and figures of a segment, the plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sgen_ray.errors import EngineError
from sgen_ray.jobs.arrays import arrays_from_bytes, arrays_to_bytes
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.measures import FrameStats
from sgen_ray.types import Latents, Window


def encode_latents(latents: Latents, window: Window) -> bytes:
    return arrays_to_bytes({"latents": latents}, f"latent frames {window.start} to {window.stop}, [C, T, H, W]")


def find_latents(artifacts: Artifacts, fingerprint: str) -> Latents | None:
    data = artifacts.get("window", fingerprint)
    return None if data is None else arrays_from_bytes(data)["latents"]


def stored_latents(artifacts: Artifacts, fingerprint: str, window: Window) -> Latents:
    """Raises EngineError where the store has lost them since they were seen."""
    latents = find_latents(artifacts, fingerprint)
    if latents is None:
        raise EngineError(f"window {window.index} is gone from the store {artifacts.uri}; run the same command again")
    return latents


def encode_preview(thumbnails: NDArray[np.uint8]) -> bytes:
    return arrays_to_bytes({"thumbnails": thumbnails}, "one a semantic step, [S, H, W, 3]")


def find_preview(artifacts: Artifacts, plan: str) -> NDArray[np.uint8] | None:
    """Of the plan with this fingerprint: [S, H, W, 3], one thumbnail a semantic step."""
    data = artifacts.get("preview", plan)
    return None if data is None else arrays_from_bytes(data)["thumbnails"]


def put_segment(artifacts: Artifacts, fingerprint: str, encoded: bytes, stats: FrameStats) -> None:
    """The figures first: where the segment is, they are too."""
    artifacts.put("stats", fingerprint, encode_stats(stats))
    artifacts.put("segment", fingerprint, encoded)


def has_segment(artifacts: Artifacts, fingerprint: str) -> bool:
    return artifacts.exists("stats", fingerprint) and artifacts.exists("segment", fingerprint)


def stored_segment(artifacts: Artifacts, fingerprint: str, index: int) -> bytes:
    data = artifacts.get("segment", fingerprint)
    if data is None:
        raise EngineError(f"segment {index} is gone from the store {artifacts.uri}; run the same command again")
    return data


def stored_stats(artifacts: Artifacts, fingerprint: str, index: int) -> FrameStats:
    data = artifacts.get("stats", fingerprint)
    if data is None:
        raise EngineError(f"segment {index} is gone from the store {artifacts.uri}; run the same command again")
    return decode_stats(data)


def encode_stats(stats: FrameStats) -> bytes:
    return arrays_to_bytes(
        {
            "start": np.array([stats.start], np.int64),
            "sharpness": stats.sharpness,
            "colourfulness": stats.colourfulness,
            "difference": stats.difference,
            "first": stats.first,
            "last": stats.last,
        }
    )


def decode_stats(data: bytes) -> FrameStats:
    arrays = arrays_from_bytes(data)
    start = int(arrays.pop("start")[0])
    return FrameStats(start, **arrays)
