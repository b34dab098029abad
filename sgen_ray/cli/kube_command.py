"""The command that a film is made by on a cluster: what `sgen submit` sends there, and watching its log."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgen_ray.cli.kube_lines import Made, from_line
from sgen_ray.errors import EngineError, RequestError, SgenError

if TYPE_CHECKING:
    from sgen_ray.cli.wanted import Manner, Wanted
    from sgen_ray.engine.events import OnEvent

_OPTIONS = ("seconds", "size", "fps", "seed", "steps", "plan_steps", "guidance", "model")

RUNTIME_ENV = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "30"}}
"""Of the Ray job: one that is stopped waits for its renderers' next step and writes down that it is cancelled. After
Ray's own 3 seconds it would be killed, and its record would say that it renders until the lease is over."""


def arguments(wanted: Wanted) -> list[str]:
    """Of `sgen make`, with a key that is the same for the same film: submitted again, the same job goes on.

    Raises:
        RequestError: it asks for what only a service does.
    """
    if wanted.wishes.get("approve") or wanted.wishes.get("input_reference") is not None:
        raise RequestError("--approve and --image need a service: name one with --server")
    found: list[str] = [] if wanted.prompt is None else [wanted.prompt]
    if wanted.shots is not None:
        from sgen_ray.story import read_story

        found += ["--story", json.dumps([[shot.prompt, shot.seconds] for shot in read_story(wanted.shots)])]
    for name in _OPTIONS:
        if name in wanted.wishes:
            found += [f"--{name.replace('_', '-')}", str(wanted.wishes[name])]
    if "negative_prompt" in wanted.wishes:
        found += ["--negative", str(wanted.wishes["negative_prompt"])]
    key = hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]
    return [*found, "--key", key]


def key_of(made: list[str]) -> str:
    return made[-1]


def command(made: list[str]) -> str:
    return shlex.join(["sgen", "make", *made, "--lines"])


class Listener:
    """Takes the log of `sgen make` line by line: events go on to the display, the last line is kept."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._said: deque[str] = deque(maxlen=20)
        self.made: Made | None = None

    def hear(self, lines: Iterable[str]) -> None:
        for line in lines:
            what = from_line(line)
            if isinstance(what, Made):
                self.made = what
            elif what is not None:
                self._on_event(what)  # type: ignore[arg-type]  # pieces are not told here
            elif line.strip():
                self._said.append(line.strip())
                if line.startswith("warning: "):
                    print(line, file=sys.stderr)

    def failure(self, otherwise: str) -> SgenError:
        """Its own words, where it said some."""
        errors = [line.removeprefix("error: ") for line in self._said if line.startswith("error: ")]
        return EngineError(errors[-1] if errors else otherwise)


def tell(made: Made, manner: Manner, film: bytes | None) -> None:
    """Writes the film and prints what became of it."""
    from sgen_ray.cli import show

    if manner.output is not None:
        assert film is not None
        _write(manner.output, film)
    facts: dict[str, Any] = {**made.facts, "path": None if manner.output is None else str(manner.output)}
    if manner.json:
        show.show_json(facts)
    elif manner.output is None:
        print(f"job {made.job}: the film is in the cluster's store")
    else:
        print(f"{manner.output}: {made.size >> 10} KiB\njob {made.job}")


def _write(path: Path, film: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(film)
    part.replace(path)
