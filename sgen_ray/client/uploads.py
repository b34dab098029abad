"""Pictures on their way to the service."""

from __future__ import annotations

from base64 import b64encode
from os import PathLike
from pathlib import Path

from .errors import BadRequest

Picture = str | PathLike[str] | bytes | dict[str, str]
"""A path, the bytes of a file, or {"image_url": ...} as the wire has it."""

_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def reference(picture: Picture) -> dict[str, str]:
    """The picture within the request itself.

    Raises:
        BadRequest: it is no PNG, JPEG or WebP. OSError: it cannot be read.
    """
    if isinstance(picture, dict):
        return picture
    data = picture if isinstance(picture, bytes) else Path(picture).expanduser().read_bytes()
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return {"image_url": f"data:{kind};base64,{b64encode(data).decode()}"}
    what = "the bytes given" if isinstance(picture, bytes) else str(picture)
    raise BadRequest(f"{what} is no PNG, JPEG or WebP picture", param="input_reference", code="invalid_value")
