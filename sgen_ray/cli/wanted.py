"""What `sgen submit` asks of a target, wherever that makes films."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Wanted:
    """A film as the command line names it, for any target. `wishes`: as schema.CreateVideo, only what was given."""

    prompt: str | None
    shots: Path | None
    wishes: dict[str, Any]


@dataclass(frozen=True)
class Manner:
    """How the command behaves while the film is made."""

    wait: bool
    detach: bool
    output: Path | None
    preview: Path | None
    json: bool
    quiet: bool


class Target(Protocol):
    """Somewhere a film is made."""

    def submit(self, wanted: Wanted, manner: Manner) -> None: ...
