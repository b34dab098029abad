"""Stored files as HTTP answers: whole or a range of bytes (RFC 9110), known again by what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from sgen_ray.client import schema
from sgen_ray.jobs.artifacts import Reading
from sgen_ray.serving.openapi import documented
from sgen_ray.serving.problems import Problem


def stored(*media_types: str) -> Any:
    """What a route that gives files answers, for the OpenAPI document."""
    more: dict[str, Any] = {
        "200": {"description": "The file", "content": {media_type: {} for media_type in media_types}},
        "206": {"description": "The range of it that was asked for"},
        "304": {"description": "It is still the one that you have"},
        "416": {"description": "The range begins behind its end", "model": schema.ErrorAnswer},
    }
    return documented()["responses"] | more


def answer(request: Request, reading: Reading, media_type: str, name: str) -> Response:
    """The file, or the range that the request asks for; `reading` is closed when all is sent.

    name: under which a browser saves it; ours, never from a request.

    Raises:
        Problem: 416, the range begins behind the end.
    """
    assert re.fullmatch(r"[\w.-]+", name, re.ASCII)
    tag = f'"{reading.digest}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        reading.close()
        return Response(status_code=304, headers=headers)
    start, stop, status = 0, reading.size, 200
    if request.method == "GET" and request.headers.get("if-range", tag) == tag:
        try:
            asked = asked_range(request.headers.get("range", ""), reading.size)
        except Problem:
            reading.close()
            raise
        if asked is not None:
            (start, stop), status = asked, 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{reading.size}"
    headers["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        reading.close()
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(_pieces(reading, start, stop), status, headers, media_type)


def asked_range(header: str, size: int) -> tuple[int, int] | None:
    """[start, stop) of "bytes=…"; None: the whole, as also for what is no range, and for several at once, which a
    server may answer so. Raises Problem."""
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.replace(" ", ""), re.ASCII)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise Problem(
            416,
            f"the file has {size} bytes, and the range begins behind them",
            code="invalid_range",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, stop


def _pieces(reading: Reading, start: int, stop: int) -> Iterator[bytes]:
    with reading:
        yield from reading.read(start, stop)
