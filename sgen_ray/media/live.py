"""A film that plays while it is made: HLS (RFC 8216) with fragmented MP4, as an "event" playlist.

Players may begin at once and seek in what is there. A segment's pictures are copied, never encoded again. Each fragment
is made from its segment alone and says itself where in the film it is shown, so whoever has the segment can make it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgen_ray.errors import OutputError
from sgen_ray.media.concat import Muxer
from sgen_ray.media.files import replacing

PLAYLIST = "film.m3u8"
INIT = "init.mp4"
_OPTIONS = {
    # One fragment, cut off by the end; the header is complete before it, and the same for all segments of a film.
    "movflags": "frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer",
    "avoid_negative_ts": "disabled",  # else every fragment would begin at zero
    "fflags": "+bitexact",
}


@dataclass(frozen=True)
class Fragment:
    """A segment as a player takes it: the header of the whole film, and its own `media`, which shows `frames`."""

    header: bytes
    media: bytes
    frames: int


def fragment(segment: bytes, number: int, first: int, fps: int, most: int) -> Fragment:
    """Of raw H.264, the `number`-th segment of the film, which begins at frame `first`. Frames of the film from `most`
    on are left out.

    Raises:
        EngineError: it is not what `encode` makes, or shows nothing.
    """
    file = io.BytesIO()
    with Muxer(file, fps, {}, most, "mp4", {**_OPTIONS, "fragment_index": str(number + 1)}, first) as muxer:
        muxer.add(segment)
    data, end = file.getvalue(), 0
    while data[end + 4 : end + 8] != b"moof":  # boxes: length, name, content
        end += int.from_bytes(data[end : end + 4], "big")
    return Fragment(data[:end], data[end:], muxer.frames - first)


def playlist(parts: Sequence[tuple[str, float]], longest: float, ended: bool, header: str = INIT) -> str:
    """Of parts in order, each a name and its seconds; `longest` of all that there will be."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest)}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{header}"',
    ]
    for name, seconds in parts:
        lines += [f"#EXTINF:{seconds:.6f},", name]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else []), ""])


class LivePlaylist:
    """Writes `folder`/film.m3u8, with every segment as soon as it and all before it are ready.

    Args:
        most: frames of the whole film.
        fetch: gives the encoded bytes of a segment that is ready.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, fps: int, most: int, fetch: Callable[[int], bytes]) -> None:
        self._folder, self._fps, self._most, self._fetch = folder, fps, most, fetch
        self._waiting: set[int] = set()
        self._next = self._frames = 0
        self._parts: list[tuple[str, float]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in (*folder.glob("film*.m4s"), folder / INIT, folder / PLAYLIST):
                old.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot write a playlist in {folder}: {error.strerror}; choose another folder"
            ) from error

    def ready(self, segment: int) -> None:
        """The segment is in the store; it and those that waited for it are published."""
        self._waiting.add(segment)
        while self._next in self._waiting:
            self._waiting.remove(self._next)
            self._publish(self._next, self._fetch(self._next))
            self._next += 1

    def close(self) -> None:
        """Ends the playlist: nothing more will come."""
        if self._parts:
            self._write(PLAYLIST, self._text(ended=True).encode())

    def _publish(self, number: int, segment: bytes) -> None:
        if not segment or self._frames >= self._most:  # the film's rate is so low that it shows none of it
            return
        part = fragment(segment, number, self._frames, self._fps, self._most)
        name = f"film{number:05d}.m4s"
        if not self._parts:
            self._write(INIT, part.header)
        self._write(name, part.media)
        self._frames += part.frames
        self._parts.append((name, part.frames / self._fps))
        self._write(PLAYLIST, self._text(ended=False).encode())

    def _text(self, ended: bool) -> str:
        return playlist(self._parts, self._parts[0][1] + 1 / self._fps, ended)  # repeated frames may make one longer

    def _write(self, name: str, data: bytes) -> None:
        with replacing(self._folder / name) as temporary:
            temporary.write_bytes(data)
