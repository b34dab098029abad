"""Files from strangers: told by what they hold, bounded before they are decoded, decoded by libraries that are bounded.

Pictures are PNG, JPEG or WebP, and come out as plain arrays. Films come out as the plan that they were made of.
"""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sgen_ray.errors import PlanError, SgenError
from sgen_ray.orders import plan_of_film
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.settings import Settings
from sgen_ray.types import Plan

Picture = NDArray[np.uint8]
"""[H, W, 3], RGB."""

_FORMATS = ("PNG", "JPEG", "WEBP")
_DATA_URL = re.compile(r"data:image/(?:png|jpeg|jpg|webp);base64,([A-Za-z0-9+/=\s]*)", re.ASCII)


def reference(field: Any, files: Mapping[str, bytes], settings: Settings) -> Picture | None:
    """The picture of a request's `input_reference`, as a file or as {"image_url": "data:image/png;base64,…"}."""
    name = "input_reference"
    if name in files:
        return picture(files[name], settings, name)
    if field is None:
        return None
    url = field.get("image_url") if isinstance(field, Mapping) else field
    if not isinstance(url, str):
        raise _refused(name, 'send a file, or {"image_url": "data:image/png;base64,…"}')
    found = _DATA_URL.fullmatch(url)
    if found is None:  # nothing is ever fetched from an address that a stranger chose
        raise _refused(name, "an image_url is a data: URL of a PNG, JPEG or WebP picture in base64; nothing is fetched")
    try:
        data = base64.b64decode(found[1])
    except binascii.Error as error:
        raise _refused(name, "the data URL is not base64") from error
    return picture(data, settings, name)


def picture(data: bytes, settings: Settings, name: str) -> Picture:
    """A picture, decoded, upright. `name` is the field's. Raises a Problem 400 that says what is wrong with it."""
    if len(data) > settings.max_picture_mib * 2**20:
        raise _refused(name, f"the picture is larger than {settings.max_picture_mib:g} MiB; send a smaller one")
    most = settings.max_picture_megapixels * 1e6
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as opened:  # reads the header only
            width, height = opened.size
            if width * height > most:
                raise _refused(
                    name, f"the picture has {width}x{height} pixels; send one of {most / 1e6:g} megapixels or less"
                )
            return np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    except Problem:
        raise
    except UnidentifiedImageError as error:
        raise _refused(name, "the file is no PNG, JPEG or WebP picture") from error
    except Exception as error:  # a decoder meets a stranger's bytes: whatever it raises is about these
        raise _refused(name, "the picture is broken or too large") from error


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
