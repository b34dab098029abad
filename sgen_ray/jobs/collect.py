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
from sgen_ray.jobs.records import References
from sgen_ray.paths import tenant_store

PICTURES = ("filmstrip", "thumbnail", "spritesheet")

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


def collect(jobs: Jobs, store: str, now: datetime, age: timedelta, *, dry_run: bool = False) -> Collected:
    """Forgets jobs that were over `age` before `now`, and removes artifacts older than that which no other job of their
    tenant needs, from the store and those of all tenants in it.

    Raises:
        JobError: another collection is under way.
    """
    before = now - age
    if dry_run:
        gone = jobs.forgettable(before)
        return Collected(len(gone), tuple(item for _, item in _rubbish(jobs, store, now, before, gone)))
    if not jobs.begin_collection(_SPAN):
        raise JobError("another collection is under way in this database; wait a minute and try again")
    try:
        forgotten = jobs.forget(before)
        rubbish = _rubbish(jobs, store, now, before, frozenset())
        for start in range(0, len(rubbish), _AT_ONCE):
            if not jobs.extend_collection(_SPAN):
                raise JobError("the collection took too long and was given up half-way; run it again")
            for artifacts, item in rubbish[start : start + _AT_ONCE]:
                artifacts.remove(item)
    finally:
        jobs.end_collection()
    return Collected(forgotten, tuple(item for _, item in rubbish))


def picture_name(source: str, what: str) -> str:
    """Fingerprint of a still, one of `PICTURES`, of the film or the plan that is called `source`."""
    assert what in PICTURES
    return f"{source}.{what}"


def needed(names: References, artifacts: Artifacts) -> set[tuple[str, str]]:
    """(kind, fingerprint) of everything that a tenant's jobs name, themselves or by their films' lists of parts."""
    plans, found = set(names.plans), {("held", name) for name in names.held}
    for film in names.films:
        found |= {("film", film), ("video", film)}
        data = artifacts.get("film", film)
        if data is None:  # its job has named it just now, and has not begun to rely on anything
            continue
        parts = manifest_from_bytes(data)
        plans.add(parts.plan)
        found |= {("window", name) for name in parts.windows}
        found |= {(kind, name) for name in parts.segments for kind in ("segment", "stats")}
    found |= {(kind, name) for name in plans for kind in ("plan", "preview")}
    return found | {("picture", picture_name(source, what)) for source in plans | names.films for what in PICTURES}


def _rubbish(
    jobs: Jobs, store: str, now: datetime, before: datetime, without: frozenset[str]
) -> list[tuple[Artifacts, Stored]]:
    """With the store that each is in."""
    own = Artifacts(store)
    names = {tenant_store(own.uri, tenant): found for tenant, found in jobs.references(without).items()}
    rubbish = []
    for uri in {own.uri, *own.tenants()}:
        artifacts = Artifacts(uri)
        kept = needed(names[uri], artifacts) if uri in names else set()
        rubbish += [
            (artifacts, item)
            for item in artifacts.everything()
            if (
                item.modified < now - UNFINISHED
                if item.kind == ".unfinished"
                else item.modified < before and (item.kind, item.fingerprint) not in kept
            )
        ]
    return rubbish
