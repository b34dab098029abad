"""Where things are kept and written, checked before minutes of work rather than after them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from sgen_ray.errors import OutputError
from sgen_ray.types import VideoRequest

_SLACK = 16 << 20


def default_store() -> str:
    """SGEN_STORE, a folder or URI; or `sgen-ray` in the folder where this system keeps a user's data."""
    if named := os.environ.get("SGEN_STORE"):
        return named
    if sys.platform == "darwin":
        return str(Path.home() / "Library" / "Application Support" / "sgen-ray")
    return str(Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sgen-ray")


LOCAL = "local"
"""The tenant of the command line, and of a service without keys."""

TENANTS = "tenants"
"""Where in the store of all those of tenants are."""


def tenant_store(store: str, tenant: str) -> str:
    """Where the artifacts of a tenant lie: nobody finds what another has made. "local" is the store itself. A name that
    a file system may not tell apart from another, or take for a path, is hashed."""
    if tenant == LOCAL:
        return store
    safe = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", tenant)
    return inside(store, f"{TENANTS}/{tenant if safe else '_' + hashlib.sha256(tenant.encode()).hexdigest()}")


def inside(store: str, path: str) -> str:
    """A place in the store; a URI keeps its options: s3://bucket/prefix?region=eu-west-1."""
    place, mark, options = store.partition("?") if "://" in store else (store, "", "")
    return f"{place.rstrip('/')}/{path}{mark}{options}"


def default_database() -> str | None:
    """SGEN_DATABASE, a URL; None: it is in the store."""
    return os.environ.get("SGEN_DATABASE") or None


def space_for(request: VideoRequest) -> int:
    """Bytes that making this film may take: a generous bound on its stored segments, the film and the plan."""
    pixels = request.width * request.height * request.fps * request.seconds
    return _SLACK + round(pixels / 8)  # one bit a pixel; H.264 at the quality used here takes a fifth of that


def writable_file(path: str | Path, suffixes: tuple[str, ...], needed: int = _SLACK) -> Path:
    """The path, if a file of `needed` bytes can be written there; its folder is made where it is missing.

    Raises:
        OutputError: wrong suffix, a folder, no permission or too little space.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in suffixes:
        raise OutputError(
            f"{path} does not end in {' or '.join(suffixes)}; write -o {path.stem or 'film'}{suffixes[0]}"
        )
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file, like {path / ('film' + suffixes[0])}")
    writable_folder(path.parent, needed)
    return path


def writable_store(store: str, needed: int = _SLACK) -> str:
    """The store, checked as `writable_folder` where it is a folder; a URI is checked by whoever opens it."""
    return store if "://" in store else str(writable_folder(store, needed))


def writable_folder(folder: str | Path, needed: int = _SLACK) -> Path:
    """The folder, made where it is missing, if `needed` bytes can be written in it; otherwise `OutputError`."""
    folder = Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # asking for permission is not enough: root, read-only mounts
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"cannot write in {folder}: {error.strerror}; choose another folder") from error
    if free < needed:
        raise OutputError(
            f"{folder} has {free >> 20} MiB free and {needed >> 20} may be needed; make room or choose another folder"
        )
    return folder
