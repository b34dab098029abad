"""One segment's frames become H.264, by an encoder run of their own.

The bytes are a function of frames and `Encoding`: pinned settings, one thread, no clock. So a segment can be encoded
anywhere, stored, and joined to others without touching its pictures. They are a raw H.264 stream (Annex B), which
says nothing of its place in the film; `concat` gives it exact times.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from sgen_ray.errors import EngineError

CODEC, PIXELS = "libx264", "yuv420p"
SCALE = "flags=lanczos+accurate_rnd+full_chroma_int+bitexact:out_color_matrix=bt709:out_range=tv"
H264 = {
    "profile": "high",
    # A minute of 512x256 takes one core 3.5 s, a third of what "medium" takes, in a file of about the same size.
    "preset": "veryfast",
    "crf": "18",
    "threads": "1",
    # No B-frames: frames are stored in the order they are shown, so a join needs no reordering and times stay exact.
    "bf": "0",
    # The first frame of a run is an IDR frame, which closes the group of pictures; more come only at scene cuts.
    "g": "10000",
    "flags": "+bitexact",
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


def encode(frames: NDArray[np.uint8], start: int, encoding: Encoding) -> bytes:
    """Raw H.264 of native frames [T, H, W, 3], which begin at native frame `start` of the film.

    Frames are resized by a Lanczos filter and repeated to the film's rate. Empty where the film's rate is so low that
    it shows none of them.

    Raises:
        ValueError: frames are not uint8 RGB.
        EngineError: the encoder failed.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise ValueError(f"frames must be uint8 [T, H, W, 3] with at least one, not {frames.dtype} {frames.shape}")
    shown = np.array(encoding.output_frames(start, start + len(frames)), np.int64)
    if not shown.size:
        return b""
    native = shown * encoding.native_fps // encoding.fps - start
    return _run(frames[native], encoding)


def _run(frames: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """By ffmpeg's libraries in this process: starting its program for each segment took a fifth of the time."""
    height, width = frames.shape[1:3]
    encoded = io.BytesIO()
    try:
        graph = _filters(width, height, encoding)
        with av.open(encoded, "w", format="h264") as stream:
            video = stream.add_stream(CODEC, rate=encoding.fps, options=H264)
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt = encoding.width, encoding.height, PIXELS
            video.thread_count = 1
            video.color_range, video.color_primaries, video.color_trc, video.colorspace = 1, 1, 1, 1  # as BT709 says
            for number, picture in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, encoding.fps)
                graph.vpush(frame)
                stream.mux(video.encode(graph.vpull()))
            stream.mux(video.encode())
    except av.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise EngineError(f"ffmpeg could not encode {encoding.width}x{encoding.height} H.264: {reason}") from error
    return encoded.getvalue()


def _filters(width: int, height: int, encoding: Encoding) -> Graph:
    graph = Graph()
    steps = [
        graph.add("buffer", f"video_size={width}x{height}:pix_fmt=rgb24:time_base=1/{encoding.fps}:pixel_aspect=1/1"),
        graph.add("scale", f"{encoding.width}:{encoding.height}:{SCALE}"),
        graph.add("format", PIXELS),
        graph.add("setparams", ":".join(f"{name}={value}" for name, value in BT709.items())),
        graph.add("buffersink"),
    ]
    for earlier, later in pairwise(steps):
        earlier.link_to(later)
    graph.configure()
    return graph
