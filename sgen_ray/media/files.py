"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sgen_ray.errors import OutputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to, and puts it in place of `path` when the block ends well.

    Raises:
        OutputError: it cannot be written there, or the block met an `OSError` (no space, no permission).
    """
    # Absolute, so that no tool takes a name such as "pipe:1" for more than a file.
    path = Path(os.path.abspath(path))
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
    temporary = path.with_name(f".sgen-{secrets.token_hex(6)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_remedy(error, path)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _remedy(error: OSError, path: Path) -> str:
    folder = Path(os.path.abspath(path)).parent
    if not folder.is_dir():
        return f"there is no folder {folder}; create it first"
    if isinstance(error, PermissionError):
        return f"no permission to write in {folder}; choose another place"
    return error.strerror or str(error)
