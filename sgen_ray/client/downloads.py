"""A file of the service on this disk: whole under its name or not there, and gone on with after any interruption.

What has arrived lies beside the target, in a file whose name carries the ETag: so a later process knows of which
content it is the beginning. Pieces are written at their own place: two downloads at once write the same bytes there.
"""

from __future__ import annotations

import os
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import httpx

from .calls import Calls, CutOff
from .errors import ServerError

OnBytes = Callable[[int, int | None], None]
"""Bytes here, and bytes in all where the server says so."""


async def download(
    calls: Calls, path: str, target: Path, params: Mapping[str, Any] | None = None, on_bytes: OnBytes | None = None
) -> Path:
    """The target, made with its folder and replaced as a whole.

    Raises:
        APIError; OSError: it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    failed = 0
    with closing(_Part(target)) as part:
        while True:
            before = here = part.size
            resume = {"Range": f"bytes={here}-", "If-Range": part.etag} if part.etag is not None and here else {}
            headers = {"Accept-Encoding": "identity", **resume}
            try:
                async with calls.stream(path, params=params, headers=headers, fine=(416,) if resume else ()) as answer:
                    total = _total(answer)
                    if answer.status_code == 416 and total != here:
                        part.begin(None)
                        continue
                    if answer.status_code != 416:  # else a process died between the last byte and the new name
                        before = here = _start(answer, here)
                        if here == 0:
                            part.begin(_strong(answer.headers.get("etag")))
                        async for chunk in calls.chunks(answer):
                            part.write(here, chunk)
                            here += len(chunk)
                            if on_bytes is not None:
                                on_bytes(here, total)
                if total is not None and here != total:
                    raise CutOff(f"{calls.base_url} sent {here} of {total} bytes of {target.name}")
                if part.publish():
                    return target
                raise CutOff(f"another download of {target.name} removed what had arrived")
            except CutOff as cut:
                failed = 1 if here > before else failed + 1  # what moves on may be cut off any number of times
                await calls.pause(failed, cut)


class _Part:
    """What has arrived of the target: a file that stays open, whatever becomes of its name.

    Whoever writes to it begins at or before its end, so it has no gaps, however many write the same bytes there.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path, self.etag = _begun(target)
        self._file = self._opened()

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def write(self, place: int, data: bytes) -> None:
        self._file.seek(place)
        while data:
            data = data[self._file.write(data) :]

    def begin(self, etag: str | None) -> None:
        """What comes is of this content; what has arrived of another one is removed."""
        if etag is None or etag != self.etag:
            self._remove()
            self._path, self.etag = _name(self._target, etag), etag
            self._file = self._opened()

    def publish(self) -> bool:
        """Gives the file its name, if it has not lost its own: another download of the same may have been faster, and
        a third have begun. Whether the target is there."""
        mine = os.fstat(self._file.fileno())
        self._file.close()
        with suppress(FileNotFoundError):
            if os.path.samestat(mine, self._path.stat()):
                os.replace(self._path, self._target)
        there = self._target.exists()
        if not there:
            self._file = self._opened()
        return there

    def close(self) -> None:
        if not self._file.closed and (self.etag is None or self.size == 0):
            self._remove()
        self._file.close()

    def _opened(self) -> FileIO:
        """Made where it is missing, and left as it is where it is not."""
        return FileIO(self._path, "r+", opener=lambda path, flags: os.open(path, flags | os.O_CREAT, 0o666))

    def _remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _begun(target: Path) -> tuple[Path, str | None]:
    """What an earlier download left, the longest where there are several; its ETag."""
    name = re.compile(re.escape(f".{target.name}.") + r"([\w-]+=*)\.part")
    begun = []
    for entry in target.parent.iterdir():
        if found := name.fullmatch(entry.name):
            with suppress(ValueError, FileNotFoundError):
                begun.append((entry.stat().st_size, entry, urlsafe_b64decode(found[1]).decode("latin-1")))
    if not begun:
        return _name(target, None), None
    _, part, etag = max(begun)
    for _, other, _ in begun:
        if other != part:
            other.unlink(missing_ok=True)
    return part, etag


def _name(target: Path, etag: str | None) -> Path:
    """Without an ETag nobody can go on with it, and it is this download's alone."""
    if etag is None:
        return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    return target.with_name(f".{target.name}.{urlsafe_b64encode(etag.encode('latin-1')).decode()}.part")


def _strong(etag: str | None) -> str | None:
    """The ETag, if it vouches for every byte; and is short enough for a file's name."""
    return etag if etag and not etag.startswith("W/") and len(etag) <= 100 else None


def _start(answer: httpx.Response, here: int) -> int:
    """Where the answer's first byte belongs."""
    if answer.status_code != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
    if found is None or int(found[1]) > here:
        raise ServerError(f"asked for bytes from {here} on, the server sent {answer.headers.get('content-range')!r}")
    return int(found[1])


def _total(answer: httpx.Response) -> int | None:
    """Bytes of the whole file."""
    if answer.status_code in (206, 416):
        found = re.search(r"/(\d+)$", answer.headers.get("content-range", ""))
        return int(found[1]) if found else None
    length = answer.headers.get("content-length", "")
    return int(length) if length.isdigit() else None
