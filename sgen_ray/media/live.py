"""A film that plays while it is made: an HLS playlist that grows with every segment that is ready.

HLS (RFC 8216) with fragmented MP4, as an "event": players may begin at once and seek in what is there. Segments are
copied, never encoded again, and come in the film's order, whatever the order in which they are finished.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av

from sgen_ray.errors import OutputError
from sgen_ray.media.concat import Muxer

PLAYLIST = "film.m3u8"
_OPTIONS = {
    "hls_segment_type": "fmp4",
    "hls_playlist_type": "event",
    "hls_flags": "independent_segments+temp_file",
    "hls_fmp4_init_filename": "init.mp4",
}


class LivePlaylist:
    """Writes `folder`/film.m3u8. The last segment that is ready shows when the next one is, or at the end.

    Args:
        most: frames of the whole film. seconds: of a segment.
        fetch: gives the encoded bytes of a segment that is ready.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, fps: int, most: int, seconds: float, fetch: Callable[[int], bytes]) -> None:
        self._fetch, self._folder = fetch, folder
        self._waiting: set[int] = set()
        self._next = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in (*folder.glob("film*.m4s"), folder / "init.mp4", folder / PLAYLIST):
                old.unlink(missing_ok=True)
            # Half a frame less: cut at a segment's first key frame, not at one for a cut inside it.
            length = {"hls_time": f"{seconds - 0.5 / fps:.6f}"}
            options = _OPTIONS | length | {"hls_segment_filename": str(folder / "film%05d.m4s")}
            self._muxer = Muxer(folder / PLAYLIST, fps, {}, most, "hls", options)
        except (OSError, av.FFmpegError) as error:
            raise OutputError(
                f"cannot write a playlist in {folder}: {error.strerror}; choose another folder"
            ) from error

    def ready(self, segment: int) -> None:
        """The segment is in the store; it and those that waited for it are published."""
        self._waiting.add(segment)
        while self._next in self._waiting:
            self._waiting.remove(self._next)
            try:
                self._muxer.add(self._fetch(self._next))
            except av.FFmpegError as error:
                raise OutputError(f"cannot write in {self._folder}: {error.strerror}; make room") from error
            self._next += 1

    def close(self) -> None:
        """Ends the playlist: nothing more will come."""
        self._muxer.close()
