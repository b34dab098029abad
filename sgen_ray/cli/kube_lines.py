"""What a process on a cluster tells whoever reads its log: lines of JSON between all other lines.

A log is what every way of running something on a cluster carries home, through whatever is in between.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from sgen_ray.engine import events
from sgen_ray.engine.events import Event, Looked, WindowStep
from sgen_ray.errors import EngineError

_MARK = "@sgen "
_PIECE = 3 << 12
"""Bytes of a film in one line: a multiple of three, for base64; lines of 16 KiB pass everywhere."""

_TYPES = {kind.__name__: kind for kind in get_args(Event)}


@dataclass(frozen=True)
class Made:
    """The last line: the job, and its film in the store of the cluster, as `sgen fetch` gives it."""

    job: str
    film: str
    size: int
    sha256: str
    facts: dict[str, Any]
    """As `--json` prints a film."""


@dataclass(frozen=True)
class Piece:
    """A part of a film, in base64, at `start` bytes of it."""

    start: int
    data: str


Line = Event | Made | Piece


def teller(write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> events.OnEvent:
    """Writes events as lines; of a window's steps, two a second."""
    said: dict[int, float] = {}

    def tell(event: Event) -> None:
        if isinstance(event, Looked):
            return
        if isinstance(event, WindowStep):
            now = clock()
            if now - said.get(event.window, -1.0) < 0.5:
                return
            said[event.window] = now
        write(to_line(event))

    return tell


def to_line(what: Line) -> str:
    return _MARK + json.dumps({"type": type(what).__name__, **dataclasses.asdict(what)}, allow_nan=False)


def from_line(line: str) -> Line | None:
    """None: a line that somebody else wrote, or of a version that tells what this one does not know."""
    if not line.startswith(_MARK):
        return None
    try:
        facts = json.loads(line.removeprefix(_MARK))
        kind = {**_TYPES, "Made": Made, "Piece": Piece}[facts.pop("type")]
        made: Line = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()})
    except (ValueError, KeyError, TypeError):
        return None
    return made


def pieces(film: bytes) -> Iterator[str]:
    for start in range(0, len(film), _PIECE):
        yield to_line(Piece(start, base64.b64encode(film[start : start + _PIECE]).decode()))


def joined(lines: Iterator[Piece], made: Made) -> bytes:
    """The film of its pieces, in any order.

    Raises:
        EngineError: they are not all of it.
    """
    film = b"".join(base64.b64decode(piece.data) for piece in sorted(lines, key=lambda piece: piece.start))
    return proven(film, made)


def proven(film: bytes, made: Made) -> bytes:
    """The film, if it is the one that was made."""
    if hashlib.sha256(film).hexdigest() != made.sha256:
        raise EngineError(f"the film of {made.job} did not arrive whole; run the same command again")
    return film
