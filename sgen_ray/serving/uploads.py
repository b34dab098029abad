"""Files from strangers: told by what they hold, bounded before they are decoded, decoded by libraries that are bounded.

Pictures are opened by `media.pictures`, which bounds them. Films come out as the plan that they were made of.
"""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sgen_ray.errors import PictureError, PlanError, SgenError
from sgen_ray.orders import plan_of_film
from sgen_ray.serving.problems import Problem
from sgen_ray.types import Plan

_DATA_URL = re.compile(r"data:image/(?:png|jpeg|jpg|webp);base64,([A-Za-z0-9+/=\s]*)", re.ASCII)


def reference(field: Any, files: Mapping[str, bytes]) -> bytes | None:
    """A request's `input_reference`, not opened yet: a picture file, or {"image_url": "data:image/png;base64,…"}."""
    name = "input_reference"
    if name in files:
        return files[name]
    if field is None:
        return None
    url = field.get("image_url") if isinstance(field, Mapping) else field
    if not isinstance(url, str):
        raise _refused(name, 'send a file, or {"image_url": "data:image/png;base64,…"}')
    return picture_of(url, name)


def picture_of(url: str, name: str) -> bytes:
    """A picture file from its data: URL, not opened yet. `name` is the field's. Raises a Problem 400."""
    found = _DATA_URL.fullmatch(url)
    if found is None:  # nothing is ever fetched from an address that a stranger chose
        raise _refused(name, "an image_url is a data: URL of a PNG, JPEG or WebP picture in base64; nothing is fetched")
    try:
        return base64.b64decode(found[1])
    except binascii.Error as error:
        raise _refused(name, "the data URL is not base64") from error


@contextmanager
def naming_picture(name: str) -> Iterator[None]:
    """A picture that cannot be opened in here is answered with a Problem 400 that names its field."""
    try:
        yield
    except PictureError as error:
        raise Problem(400, str(error), code="invalid_value", param=name) from error


def plan_of_upload(data: bytes, store: str, name: str) -> Plan:
    """The plan of a film that was made here, and for the same tenant: the film names its plan, and no more is read of
    it. Raises a Problem 400 for any other film."""
    if data[4:8] != b"ftyp":
        raise _refused(name, "the file is no MP4 film")
    with tempfile.NamedTemporaryFile(prefix="sgen-", suffix=".mp4") as kept:
        kept.write(data)
        kept.flush()
        try:
            return plan_of_film(Path(kept.name), store, "the film")
        except PlanError as error:
            raise _refused(
                name, "only films that were made here can be changed, as long as their plans are kept; send its id"
            ) from error
        except (SgenError, OSError, ValueError) as error:
            raise _refused(name, "the film cannot be read") from error


def _refused(name: str, message: str) -> Problem:
    return Problem(400, message, code="invalid_upload", param=name)
