"""Encoded segments become one MP4: a stream copy with exact times, so that no picture is encoded twice."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av

from sgen_ray.errors import EngineError, OutputError
from sgen_ray.media.files import replacing
from sgen_ray.shapes import Grid
from sgen_ray.types import VideoRequest


def concat(
    parts: Iterable[bytes], path: Path, fps: int, metadata: Mapping[str, str] | None = None, most: int | None = None
) -> int:
    """Joins raw H.264 segments, given in the film's order, into a faststart MP4 at `path`; returns its frames.

    Frame k is shown at exactly k / fps. `parts` is read one at a time; empty ones add nothing. Frames after the first
    `most` are left out: the model's grid may reach past the end that was asked for. The file appears under its name
    only when it is whole.

    Raises:
        OutputError: it cannot be written: no folder, no permission, no space.
        EngineError: a segment is not what `encode` makes, or there is none.
    """
    with replacing(path) as temporary:
        with Muxer(temporary, fps, metadata or {}, most) as muxer:
            for part in parts:
                muxer.add(part)
        frames = muxer.frames
        # A muxer may notice late, or never, that the last bytes found no room.
        try:
            with av.open(str(temporary)) as written:
                found = sum(packet.size > 0 for packet in written.demux(video=0))
        except av.FFmpegError:
            found = 0
        if found != frames:
            raise OutputError(f"cannot write {path}: only {found} of {frames} frames arrived on the disk; is it full?")
    return frames


def provenance(request: VideoRequest, grid: Grid, fingerprint: str, version: str, plan: str = "") -> dict[str, str]:
    """Metadata for `concat`: the prompt as title and, as JSON in the comment, how to make the film again.

    fingerprint: of the model. plan: the name under which the store has the film's plan.
    """
    prompt = " ".join(" | ".join(shot.prompt for shot in request.shots).split())
    native = f"{grid.width}x{grid.height}@{grid.fps}"
    output = f"{request.width}x{request.height}@{request.fps}"
    comment: dict[str, Any] = {
        "prompt": prompt,
        "negative_prompt": request.negative_prompt,
        "shots": [{"prompt": shot.prompt, "seconds": shot.seconds} for shot in request.shots],
        "seed": request.seed,
        "steps": request.steps,
        "plan_steps": request.plan_steps,
        "guidance": request.guidance,
        "model": request.model,
        "fingerprint": fingerprint,
        "plan": plan,
        "version": version,
        "native": native if native == output else f"{native}, resized and repeated to {output}",
    }
    # JSON escapes control characters and lone surrogates; a title cannot.
    return {"title": "".join(letter for letter in prompt if letter.isprintable()), "comment": json.dumps(comment)}


class Muxer:
    """Copies raw H.264 segments, one after another, into a container. `frames` counts those that it has.

    Args:
        most: frames after the first `most` are left out.
        container, options: as libavformat knows them; by default a faststart MP4.
        first: at which frame of the film this begins.
    """

    def __init__(
        self,
        path: Path | BinaryIO,
        fps: int,
        metadata: Mapping[str, str],
        most: int | None = None,
        container: str = "mp4",
        options: Mapping[str, str] | None = None,
        first: int = 0,
    ) -> None:
        self._fps, self._most = fps, most
        self._film = av.open(
            str(path) if isinstance(path, Path) else path, "w", format=container,
            options=dict(options or {"movflags": "+faststart", "fflags": "+bitexact"}),
        )  # fmt: skip
        self._film.metadata.update(metadata)
        self._stream: av.VideoStream | None = None
        self._headers: bytes | None = None
        self._parts = 0
        self.frames = first

    def add(self, part: bytes) -> None:
        """The next segment; an empty one adds nothing. Raises EngineError where it is not what `encode` makes."""
        if not part:
            return
        with _segment(part, self._parts) as (source, packets):
            if self._stream is None:
                self._stream = self._film.add_stream_from_template(source)
                self._headers = source.codec_context.extradata
                self._stream.time_base = Fraction(1, self._fps)
            elif source.codec_context.extradata != self._headers:
                raise EngineError(f"segment {self._parts} was encoded with other settings than the first")
            for packet in packets[: None if self._most is None else self._most - self.frames]:
                packet.stream = self._stream
                packet.time_base = Fraction(1, self._fps)
                packet.pts = packet.dts = self.frames
                packet.duration = 1
                self._film.mux_one(packet)
                self.frames += 1
        self._parts += 1

    def close(self) -> None:
        self._film.close()

    def __enter__(self) -> Muxer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None and self._stream is None:
            raise EngineError("there is no segment to make a film of")


@contextmanager
def _segment(part: bytes, number: int) -> Iterator[tuple[av.VideoStream, list[av.Packet]]]:
    """The stream and packets of a raw H.264 segment; open while they are copied, as they still point into it."""
    trouble = EngineError(f"segment {number} is no H.264 stream that begins with a key frame")
    try:
        segment = av.open(io.BytesIO(part), "r", format="h264")
    except av.FFmpegError as error:
        raise trouble from error
    with segment:
        source = segment.streams.video[0]
        packets = [packet for packet in segment.demux(source) if packet.size]
        if not packets or not packets[0].is_keyframe or not source.width:
            raise trouble
        yield source, packets
