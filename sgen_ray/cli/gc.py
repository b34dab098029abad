"""`sgen gc`: room in the store."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.errors import RequestError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def gc(
    older_than: Annotated[str, typer.Option(metavar="AGE", help="How long things are kept: 12h, 30d, 4w, 0d.")] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only tell what would go.")] = False,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """Forget old jobs that are over, and remove from the store what no other job needs. Films stay where they are.

    sgen gc --dry-run

    sgen gc --older-than 7d
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened
    from sgen_ray.jobs.collect import collect
    from sgen_ray.paths import default_store

    age = parse_age(older_than)
    with show.working("what was removed is gone; run it again for the rest"), opened(store, database) as records:
        done = collect(records, store or default_store(), datetime.now(UTC), age, dry_run=dry_run)
    kinds = {kind: {"files": count, "bytes": size} for kind, (count, size) in sorted(done.kinds().items())}
    if json:
        show.show_json({"jobs": done.jobs, "bytes": done.size, "dry_run": dry_run, "kinds": kinds})
        return
    verb = "would go" if dry_run else "went"
    for kind, facts in kinds.items():
        print(f"{kind:<12}{facts['files']:>8} files  {facts['bytes'] / 1e6:>10.1f} MB")
    print(f"{done.jobs} jobs and {done.size / 1e6:.1f} MB {verb}")


def parse_age(text: str) -> timedelta:
    """Raises RequestError."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*([smhdw])\s*", text)
    if found is None:
        raise RequestError(f"{text!r} is no age; write it like 12h, 30d or 4w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
