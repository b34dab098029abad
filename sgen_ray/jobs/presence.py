"""Who works: each worker leaves word in the store now and then, so that any process can tell whether films are made."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pyarrow import fs

EVERY = 10.0
"""Seconds between two words of a worker."""
GONE = 45.0
"""Seconds of silence after which it is no longer counted on."""
FORGOTTEN = 24 * 3600.0


class Presence:
    """A worker's own sign; `tell` may be called as often as one likes. It is taken away at the end of the context."""

    def __init__(self, store: str, owner: str) -> None:
        self._store = store
        # Of this thread, too: several of a process come and go by themselves.
        name = hashlib.sha256(f"{owner} {threading.get_ident()}".encode()).hexdigest()[:24]
        self._name = f"workers/{name}"
        self._told = -EVERY

    def __enter__(self) -> Presence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, ValueError):
            files, root = _opened(self._store)
            files.delete_file(f"{root}/{self._name}")

    def tell(self) -> None:
        """A store that cannot be written just now is no reason to stop: the film itself will say so."""
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told = now
        with suppress(OSError, ValueError):
            files, root = _opened(self._store)
            files.create_dir(f"{root}/workers")
            with files.open_output_stream(f"{root}/{self._name}") as stream:
                stream.write(f"{time.time():.0f}".encode())


def seen(store: str) -> int:
    """How many workers have given word lately. Raises OSError or ValueError where the store cannot be read."""
    files, root = _opened(store)
    now, found = time.time(), 0
    for info in files.get_file_info(fs.FileSelector(f"{root}/workers", allow_not_found=True)):
        silent = now - info.mtime_ns / 1e9
        found += silent < GONE
        if silent > FORGOTTEN:
            with suppress(OSError):
                files.delete_file(info.path)
    return found


def _opened(store: str) -> tuple[fs.FileSystem, str]:
    if "://" in store:
        files, root = fs.FileSystem.from_uri(store)
        return files, root
    return fs.LocalFileSystem(), str(Path(store).expanduser().absolute())
