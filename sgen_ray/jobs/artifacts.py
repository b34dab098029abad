"""The store of finished work: bytes under a kind and a fingerprint of all that they depend on.

An artifact never changes, so it needs no locks: whoever makes it again makes the same. It lies at
`<root>/<kind>/<fingerprint>/<sha256 of the content>`: the name proves the content, so a file that a crash or a bad disk
left broken is seen, removed and made again, and any tool can open what is stored as it is.
"""

from __future__ import annotations

import errno
import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyarrow import fs

from sgen_ray.errors import OutputError
from sgen_ray.jobs.stores import FOLDER, inside

KINDS = ("plan", "preview", "held", "film", "window", "segment", "stats", "video", "picture")
"""`preview` holds a plan's thumbnails, under its fingerprint; `film` is a film's list of parts, `video` the finished
MP4 under the same fingerprint; `picture` a still of a film or a plan, as `collect.picture_name` calls it."""

CHUNK = 1 << 20
"""Bytes at a time of what is read or written piece by piece."""


@dataclass(frozen=True)
class Stored:
    """One stored file: bytes, and when it was written. Kind ".unfinished": the beginning of one."""

    kind: str
    fingerprint: str
    path: str
    size: int
    modified: datetime


class Reading:
    """An open artifact: `size` in bytes, the sha256 of its content, and a seekable `file` to read. Use as a context."""

    def __init__(self, file: Any, digest: str) -> None:
        self.file, self.digest, self.size = file, digest, int(file.size())

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Bytes [start, stop), a piece at a time."""
        self.file.seek(start)
        while start < stop and (piece := self.file.read(min(CHUNK, stop - start))):
            start += len(piece)
            yield piece

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Artifacts:
    """A folder or any URI that `pyarrow.fs` opens: "runs", "file:///runs", "s3://bucket/prefix", "gs://bucket/prefix".

    Small and picklable by its `uri`; every process opens its own.

    Raises:
        OutputError: the store cannot be opened or written, or is full.
    """

    def __init__(self, uri: str | Path) -> None:
        remote = "://" in str(uri)
        self.uri = str(uri) if remote else str(Path(uri).expanduser().absolute())
        with self._translated():
            if remote:
                self._fs, self._root = fs.FileSystem.from_uri(self.uri)
            else:
                self._fs, self._root = fs.LocalFileSystem(), self.uri

    def __reduce__(self) -> tuple[type[Artifacts], tuple[str]]:
        return Artifacts, (self.uri,)

    def get(self, kind: str, fingerprint: str) -> bytes | None:
        """The artifact, or None where there is none or only a broken one, which is removed."""
        with self._translated():
            for path in self._paths(kind, fingerprint):
                try:
                    with self._fs.open_input_stream(path) as stream:
                        data: bytes = stream.read()
                except FileNotFoundError:  # another process found it broken too
                    continue
                if hashlib.sha256(data).hexdigest() == path.rsplit("/", 1)[1]:
                    return data
                self._remove(path)
        return None

    def open(self, kind: str, fingerprint: str) -> Reading | None:
        """The artifact to read here and there, or None as `get`. A file's content is checked once in a process, before
        it is first opened, and then no more: to be asked for parts of it would cost as much as the whole each time."""
        with self._translated():
            for path in self._paths(kind, fingerprint):
                digest = path.rsplit("/", 1)[1]
                try:
                    _prove(self.uri, path)
                    return Reading(self._fs.open_input_file(path), digest)
                except FileNotFoundError:
                    continue
                except _Broken:
                    self._remove(path)
        return None

    def listed(self, kind: str, fingerprint: str) -> bool:
        """Whether there is one, whole or broken, without a look into it."""
        with self._translated():
            return bool(self._paths(kind, fingerprint))

    def exists(self, kind: str, fingerprint: str) -> bool:
        """True where an intact one is; it is read and checked, as a promise that `get` will find it."""
        return self.get(kind, fingerprint) is not None

    def put(self, kind: str, fingerprint: str, data: bytes) -> None:
        """Stores it whole or not at all."""
        view = memoryview(data)  # in pieces, as one write of many MiB costs Linux ten times as much
        pieces = (view[start : start + CHUNK] for start in range(0, len(view), CHUNK))
        self._put(kind, fingerprint, hashlib.sha256(view).hexdigest(), pieces)

    def put_file(self, kind: str, fingerprint: str, path: Path) -> None:
        """Stores a file's content as `put` does, a piece at a time. Raises OutputError also where it cannot be read."""
        with self._translated(), open(path, "rb") as file:  # read twice: an object store wants the name first
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            self._put(kind, fingerprint, digest, iter(lambda: file.read(CHUNK), b""))

    def _put(self, kind: str, fingerprint: str, digest: str, pieces: Iterable[bytes | memoryview]) -> None:
        folder = f"{self._root}/{kind}/{fingerprint}"
        path = f"{folder}/{digest}"
        # An object store shows an object only when it is complete; a folder shows a file from its first byte.
        local = isinstance(self._fs, fs.LocalFileSystem)
        written = f"{self._root}/.unfinished/{uuid.uuid4().hex}" if local else path
        with self._translated():
            try:
                if local:
                    self._fs.create_dir(f"{self._root}/.unfinished")
                    self._fs.create_dir(folder)
                with self._fs.open_output_stream(written) as stream:
                    for piece in pieces:
                        stream.write(piece)
                if local:
                    try:
                        self._fs.move(written, path)
                    except FileNotFoundError:  # a collection has just removed the empty folder
                        self._fs.create_dir(folder)
                        self._fs.move(written, path)
            except BaseException:
                self._remove(written)
                raise

    def everything(self) -> Iterator[Stored]:
        """All that is stored, of every kind, the broken too."""
        for kind in (*KINDS, ".unfinished"):
            selector = fs.FileSelector(f"{self._root}/{kind}", allow_not_found=True, recursive=True)
            with self._translated():
                found = self._fs.get_file_info(selector)
            for info in found:
                if info.type == fs.FileType.File:
                    fingerprint = info.path.split("/")[-2]
                    modified = datetime.fromtimestamp(info.mtime_ns / 1e9, UTC)
                    yield Stored(kind, fingerprint, info.path, info.size, modified)

    def tenants(self) -> tuple[str, ...]:
        """The stores of tenants inside this one, as URIs or folders."""
        with self._translated():
            found = self._fs.get_file_info(fs.FileSelector(f"{self._root}/{FOLDER}", allow_not_found=True))
        names = sorted(info.base_name for info in found if info.type == fs.FileType.Directory)
        return tuple(inside(self.uri, f"{FOLDER}/{name}") for name in names)

    def remove(self, stored: Stored) -> None:
        """Nothing where it is gone already. Its folder goes too, if it was the last in it."""
        with self._translated():
            self._remove(stored.path)
        if isinstance(self._fs, fs.LocalFileSystem) and stored.kind in KINDS:
            with suppress(OSError):  # somebody has put another in it
                Path(stored.path).parent.rmdir()

    def _paths(self, kind: str, fingerprint: str) -> list[str]:
        selector = fs.FileSelector(f"{self._root}/{kind}/{fingerprint}", allow_not_found=True)
        return sorted(info.path for info in self._fs.get_file_info(selector) if info.type == fs.FileType.File)

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.delete_file(path)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # pyarrow raises ArrowInvalid, a ValueError, for a URI it cannot read
            if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
                raise OutputError(f"the store {self.uri} is full; make room or choose another with --store") from error
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise OutputError(f"cannot use the store {self.uri}: {reason}; choose another with --store") from error


class _Broken(Exception):
    """The content is not what the name says."""


@lru_cache(maxsize=10_000)
def _prove(uri: str, path: str) -> None:
    """Only good news is remembered."""
    digest = hashlib.sha256()
    with Artifacts(uri)._fs.open_input_stream(path) as stream:
        while piece := stream.read(CHUNK):
            digest.update(piece)
    if digest.hexdigest() != path.rsplit("/", 1)[1]:
        raise _Broken(path)
