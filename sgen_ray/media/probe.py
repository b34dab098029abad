"""What is in a film, read by PyAV."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from sgen_ray.errors import SgenError


@dataclass(frozen=True)
class Probe:
    """A film's figures; `provenance` is what `concat.provenance` wrote into it, empty for films from elsewhere."""

    path: Path
    seconds: float
    frames: int
    fps: Fraction
    width: int
    height: int
    codec: str
    pixel_format: str
    metadata: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)


def probe(path: Path) -> Probe:
    """Reads a film's headers and counts its frames, without decoding any.

    Raises:
        SgenError: the file is missing, is no video, or ends before its last frame.
    """
    with _open(path) as film:
        stream = film.streams.video[0]
        packets = [(packet.pts, packet.duration) for packet in film.demux(stream) if packet.size]
        if not packets or stream.frames > len(packets):
            raise SgenError(f"{path} is cut short: {len(packets)} of {stream.frames} frames are there; make it again")
        start = min(pts or 0 for pts, _ in packets)
        stop = max((pts or 0) + (duration or 0) for pts, duration in packets)
        seconds = Fraction(stop - start) * (stream.time_base or 0)
        metadata = dict(film.metadata)
        return Probe(
            path=path,
            seconds=float(seconds),
            frames=len(packets),
            fps=len(packets) / seconds if seconds else stream.average_rate or Fraction(0),
            width=stream.width,
            height=stream.height,
            codec=stream.codec.canonical_name,
            pixel_format=stream.pix_fmt or "",
            metadata=metadata,
            provenance=_provenance(metadata.get("comment", "")),
        )


def iter_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame in the order shown, uint8 [H, W, 3], one at a time.

    Raises:
        SgenError: the file is missing, is no video, or is damaged.
    """
    with _open(path) as film:
        for frame in film.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def read_frames(path: Path, indices: Sequence[int] | None = None, stride: int = 1) -> NDArray[np.uint8]:
    """Frames uint8 [N, H, W, 3]: those of `indices`, in that order, or else every `stride`-th.

    Raises:
        ValueError: `stride` is not positive or an index is negative.
        SgenError: as `iter_frames`, or the film has fewer frames than an index asks for.
    """
    if stride < 1 or (indices is not None and min(indices, default=0) < 0):
        raise ValueError(f"a stride is positive and an index not negative: {stride}, {indices}")
    if indices is None:
        return np.stack([frame for index, frame in enumerate(iter_frames(path)) if index % stride == 0])
    wanted = set(indices)
    found: dict[int, NDArray[np.uint8]] = {}
    for index, frame in enumerate(iter_frames(path)):
        if index in wanted:
            found[index] = frame
        if len(found) == len(wanted):
            break
    if missing := wanted - set(found):
        raise SgenError(f"{path} has no frame {min(missing)}")
    return np.stack([found[index] for index in indices])


@contextmanager
def _open(path: Path) -> Iterator[InputContainer]:
    """The film at `path`; whatever PyAV finds wrong with it meanwhile becomes one clear line."""
    absolute = os.path.abspath(path)
    try:
        # A name or a playlist inside the file must not make PyAV open anything else.
        with av.open(absolute, options={"protocol_whitelist": "file"}) as film:
            if not film.streams.video:
                raise SgenError(f"{path} has no video in it")
            yield film
    except av.FFmpegError as error:
        raise SgenError(f"cannot read {path}: {_reason(error, absolute)}") from error


def _reason(error: av.FFmpegError, path: str) -> str:
    if not os.path.isfile(path):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"it is damaged or no video ({error.strerror}); make it again"


def _provenance(comment: str) -> dict[str, Any]:
    try:
        found = json.loads(comment)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
