"""Pictures that people give, read with limits: a small file can hold a picture that fills the memory."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sgen_ray.errors import PictureError

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 10 << 20
MAX_PIXELS = 40_000_000


def read_picture(source: str | Path | bytes, width: int, height: int, name: str | None = None) -> NDArray[np.uint8]:
    """The picture as [height, width, 3], turned upright, scaled to cover that size and cut at its middle.

    name: what errors call it; by default the file's own.

    Raises:
        PictureError: there is none, or it is too large, broken, or of another format.
    """
    name = name or ("the picture" if isinstance(source, bytes) else str(source))
    data = source if isinstance(source, bytes) else _read(Path(source).expanduser())
    if len(data) > MAX_BYTES:
        raise PictureError(f"{name} has {len(data) >> 20} MiB; give a picture of at most {MAX_BYTES >> 20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the next check is stricter
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                wide, high = picture.size
                if wide * high <= MAX_PIXELS:
                    upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{name} is no picture that can be read; give a PNG, JPEG or WebP file") from error
    if wide * high > MAX_PIXELS:
        most = MAX_PIXELS // 1_000_000
        raise PictureError(f"{name} has {wide}x{high} pixels; scale it down to at most {most} million")
    fitted = ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS)
    return np.array(fitted, np.uint8)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(f"{path} is larger than {MAX_BYTES >> 20} MiB; give a smaller picture")
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}; give a readable picture") from error
