"""One segment's frames become H.264, by an encoder run of their own.

The bytes are a function of frames and `Encoding`: pinned settings, one thread, no clock. So a segment can be encoded
anywhere, stored, and joined to others without touching its pictures. They are a raw H.264 stream (Annex B), which
says nothing of its place in the film; `concat` gives it exact times.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from sgen_ray.errors import EngineError

H264: dict[str, Any] = {
    "vcodec": "libx264",
    "pix_fmt": "yuv420p",
    "profile:v": "high",
    # A minute of 512x256 takes one core 3.5 s, a third of what "medium" takes, in a file of about the same size.
    "preset": "veryfast",
    "crf": 18,
    "threads": 1,
    # No B-frames: frames are stored in the order they are shown, so a join needs no reordering and times stay exact.
    "bf": 0,
    # The first frame of a run is an IDR frame, which closes the group of pictures; more come only at scene cuts.
    "g": 10_000,
    "fflags": "+bitexact",
    "flags:v": "+bitexact",
}
"""Settings of every encoder run; changing one changes every film's bytes."""

BT709 = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}


@dataclass(frozen=True)
class Encoding:
    """What the film is made to: pixels and frames a second; `native_fps` is that of the frames that come in.

    Raises:
        ValueError: a side is odd or not positive, as yuv420p allows no odd ones, or a rate is not positive.
    """

    width: int
    height: int
    fps: int
    native_fps: int

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"a film's width and height must be even and positive, not {self.width}x{self.height}")
        if min(self.fps, self.native_fps) < 1:
            raise ValueError(f"frames a second must be positive, not {self.fps} and {self.native_fps}")

    def output_frames(self, start: int, stop: int) -> range:
        """Frames of the film that show native frames [start, stop): frame k shows floor(k * native_fps / fps)."""
        return range(-(-start * self.fps // self.native_fps), -(-stop * self.fps // self.native_fps))


def encode(
    frames: NDArray[np.uint8], start: int, encoding: Encoding, meanwhile: Callable[[], None] = lambda: None
) -> bytes:
    """Raw H.264 of native frames [T, H, W, 3], which begin at native frame `start` of the film.

    Frames are resized by a Lanczos filter and repeated to the film's rate. Empty where the film's rate is so low that
    it shows none of them. `meanwhile` is called once, while the encoder is at work.

    Raises:
        ValueError: frames are not uint8 RGB.
        EngineError: ffmpeg is missing or failed.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise ValueError(f"frames must be uint8 [T, H, W, 3] with at least one, not {frames.dtype} {frames.shape}")
    shown = np.array(encoding.output_frames(start, start + len(frames)), np.int64)
    if not shown.size:
        meanwhile()
        return b""
    native = shown * encoding.native_fps // encoding.fps - start
    if encoding.fps != encoding.native_fps:
        frames = frames[native]
    return _run(frames, encoding, meanwhile)


def command(width: int, height: int, encoding: Encoding) -> Any:
    """The encoder run: rgb24 frames of this size through a pipe in, raw H.264 through a pipe out."""
    return (
        ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=encoding.fps)
        .filter(
            "scale",
            encoding.width,
            encoding.height,
            flags="lanczos+accurate_rnd+full_chroma_int+bitexact",
            out_color_matrix="bt709",
            out_range="tv",
        )
        .filter("format", "yuv420p")
        .filter("setparams", **BT709)
        .output("pipe:", format="h264", **H264)
        .global_args("-hide_banner", "-nostdin", "-loglevel", "error", "-filter_threads", "1")
    )


def _run(frames: NDArray[np.uint8], encoding: Encoding, meanwhile: Callable[[], None]) -> bytes:
    _, height, width, _ = frames.shape
    try:
        binary = imageio_ffmpeg.get_ffmpeg_exe()
        process = command(width, height, encoding).run_async(
            cmd=binary, pipe_stdin=True, pipe_stdout=True, pipe_stderr=True
        )
    except (OSError, RuntimeError) as error:
        raise EngineError(
            f"ffmpeg does not start ({error}): reinstall imageio-ffmpeg or set IMAGEIO_FFMPEG_EXE"
        ) from error
    with process:
        feeder = threading.Thread(target=_feed, args=(process.stdin, frames), daemon=True)
        process.stdin = None  # the thread's own now; `communicate` reads the rest
        feeder.start()
        try:
            meanwhile()
            encoded, complaint = process.communicate()
        except BaseException:
            process.kill()
            raise
        finally:
            feeder.join()
    if process.returncode or not encoded:
        lines = complaint.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise EngineError(f"ffmpeg could not encode {encoding.width}x{encoding.height} H.264: {lines[-1]}")
    return bytes(encoded)


def _feed(pipe: BinaryIO, frames: NDArray[np.uint8]) -> None:
    """In one piece: `communicate` would write four KiB at a time."""
    with suppress(OSError), pipe:  # an encoder that has ended says itself why
        pipe.write(np.ascontiguousarray(frames).data.cast("B"))
