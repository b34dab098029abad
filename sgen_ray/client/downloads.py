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
from contextlib import suppress
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
    part, etag = _begun(target)
    failed = 0
    try:
        while True:
            before = here = _size(part)
            resume = {"Range": f"bytes={here}-", "If-Range": etag} if etag is not None and here else {}
            headers = {"Accept-Encoding": "identity", **resume}
            try:
                async with calls.stream(path, params=params, headers=headers, fine=(416,) if resume else ()) as answer:
                    total = _total(answer)
                    if answer.status_code == 416:
                        if total != here:
                            part.unlink(missing_ok=True)
                            continue
                    else:
                        before = here = _start(answer, here)
                        if here == 0:
                            etag = _strong(answer.headers.get("etag"))
                            part = _instead(part, _part(target, etag))
                    with open(part, "r+b", opener=_making) as file:
                        file.seek(here)
                        if answer.status_code != 416:
                            async for chunk in calls.chunks(answer):
                                file.write(chunk)
                                here += len(chunk)
                                if on_bytes is not None:
                                    on_bytes(here, total)
                        mine = os.fstat(file.fileno())
                if total is not None and here != total:
                    raise CutOff(f"{calls.base_url} sent {here} of {total} bytes of {target.name}")
                if _published(part, mine, target):
                    return target
                raise CutOff(f"another download of {target.name} removed what had arrived")
            except CutOff as cut:
                failed = 1 if here > before else failed + 1  # what moves on may be cut off any number of times
                await calls.pause(failed, cut)
    finally:
        if etag is None:
            part.unlink(missing_ok=True)


def _making(path: str, flags: int) -> int:
    """Opens a file, made where it is missing, and keeps what is in it."""
    return os.open(path, flags | os.O_CREAT, 0o666)


def _published(part: Path, mine: os.stat_result, target: Path) -> bool:
    """Gives the file its name, if it is the one that was written: another download of the same may have been faster,
    and a third have begun. Whether the target is there."""
    with suppress(FileNotFoundError):
        if os.path.samestat(mine, part.stat()):
            os.replace(part, target)
    return target.exists()


def _instead(part: Path, other: Path) -> Path:
    """The other name; what had the first is of another content. The file of the same content stays as it is."""
    if part != other:
        part.unlink(missing_ok=True)
    return other


def _begun(target: Path) -> tuple[Path, str | None]:
    """What an earlier download left, the longest where there are several; its ETag."""
    name = re.compile(re.escape(f".{target.name}.") + r"([\w-]+=*)\.part")
    begun = [(entry, match[1]) for entry in target.parent.iterdir() if (match := name.fullmatch(entry.name))]
    if not begun:
        return _part(target, None), None
    part, code = max(begun, key=lambda found: _size(found[0]))
    for other, _ in begun:
        _instead(other, part)
    try:
        return part, urlsafe_b64decode(code).decode("latin-1")
    except ValueError:
        return _instead(part, _part(target, None)), None


def _part(target: Path, etag: str | None) -> Path:
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


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
