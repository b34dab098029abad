"""What nobody needs any more, removed from the store: artifacts that no kept job names, once they are old enough.

Safe beside jobs at work: these write down what they rely on before they look for it, and wait while a collection is
under way; so whatever is named later was not relied on yet when it went.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sgen_ray.errors import JobError
from sgen_ray.jobs.artifacts import Artifacts, Stored
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.manifest import manifest_from_bytes

UNFINISHED = timedelta(hours=1)
"""No single write takes so long: what is older was left by a process that died."""

_SPAN = timedelta(seconds=60)
_AT_ONCE = 50


@dataclass(frozen=True)
class Collected:
    """How many `jobs` were forgotten, and what went, in number and `size` in bytes by kind; or what would."""

    jobs: int
    removed: tuple[Stored, ...]

    @property
    def size(self) -> int:
        return sum(item.size for item in self.removed)

    def kinds(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for item in self.removed:
            count, size = found.get(item.kind, (0, 0))
            found[item.kind] = count + 1, size + item.size
        return found


def collect(jobs: Jobs, artifacts: Artifacts, now: datetime, age: timedelta, *, dry_run: bool = False) -> Collected:
    """Forgets jobs that were over `age` before `now`, and removes artifacts older than that which no other job needs.

    Raises:
        JobError: another collection is under way.
    """
    before = now - age
    if dry_run:
        gone = jobs.forgettable(before)
        return Collected(len(gone), _rubbish(jobs, artifacts, now, before, gone))
    if not jobs.begin_collection(_SPAN):
        raise JobError("another collection is under way in this database; wait a minute and try again")
    try:
        forgotten = jobs.forget(before)
        rubbish = _rubbish(jobs, artifacts, now, before, frozenset())
        for start in range(0, len(rubbish), _AT_ONCE):
            if not jobs.extend_collection(_SPAN):
                raise JobError("the collection took too long and was given up half-way; run it again")
            for item in rubbish[start : start + _AT_ONCE]:
                artifacts.remove(item)
    finally:
        jobs.end_collection()
    return Collected(forgotten, rubbish)


def needed(jobs: Jobs, artifacts: Artifacts, without: frozenset[str] = frozenset()) -> set[tuple[str, str]]:
    """(kind, fingerprint) of everything that a job names, itself or by its film's list of parts."""
    names = jobs.references(without)
    found = {("plan", name) for name in names.plans} | {("held", name) for name in names.held}
    for film in names.films:
        found.add(("film", film))
        data = artifacts.get("film", film)
        if data is None:  # its job has named it just now, and has not begun to rely on anything
            continue
        parts = manifest_from_bytes(data)
        found.add(("plan", parts.plan))
        found |= {("window", name) for name in parts.windows}
        found |= {(kind, name) for name in parts.segments for kind in ("segment", "stats")}
    return found


def _rubbish(
    jobs: Jobs, artifacts: Artifacts, now: datetime, before: datetime, without: frozenset[str]
) -> tuple[Stored, ...]:
    kept = needed(jobs, artifacts, without)
    return tuple(
        item
        for item in artifacts.everything()
        if (
            item.modified < now - UNFINISHED
            if item.kind == ".unfinished"
            else item.modified < before and (item.kind, item.fingerprint) not in kept
        )
    )
