"""Thousands of films from a table, on workers that stay warm: may be killed at any time, and goes on when run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgen_ray.api import fill_order
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import OnEvent
from sgen_ray.engine.warm import Workshop
from sgen_ray.errors import Cancelled, OutputError, SgenError
from sgen_ray.jobs.fingerprints import fingerprint
from sgen_ray.orders import place_order
from sgen_ray.paths import default_database, default_store, writable_folder, writable_store
from sgen_ray.recorded import open_jobs
from sgen_ray.rows import Results, name_of, wishes_of


@dataclass(frozen=True)
class Batch:
    """How it went: rows made now, found made, and failed, each failure as "row 3: what to do"."""

    made: int
    skipped: int
    failed: int
    errors: tuple[str, ...]


def run(
    rows: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    defaults: Mapping[str, Any] | None = None,
    store: str | None = None,
    database: str | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    on_row: Callable[[int, str], None] = lambda number, line: None,
) -> Batch:
    """Makes the films that are not there yet, in the order of the rows; a row that fails holds up no other.

    Args:
        rows: as `rows.read_rows` gives them; `defaults` for what a row does not say.
        on_row: called after each row with its number, from 1, and a line about it.

    Raises:
        OutputError, DatabaseError: folder, store or database cannot be used.
    """
    engine, folder = engine or EngineConfig(), writable_folder(folder)
    kept = writable_store(str(store or default_store()))
    made = skipped = 0
    errors: list[str] = []
    names: dict[str, int] = {}
    results = Results(folder)
    try:
        with (
            open_jobs(kept, database or default_database()) or nullcontext() as jobs,
            Workshop(engine) as workshop,
        ):
            for number, row in enumerate(rows, 1):
                facts: dict[str, Any] = {"row": number}
                try:
                    name = name_of(row, number)
                    facts["name"] = name
                    if names.setdefault(name.lower(), number) != number:
                        raise OutputError(f"row {names[name.lower()]} has the same name {name!r}; choose another")
                    order = place_order(**{**(defaults or {}), **wishes_of(row)})
                    facts["request"] = fingerprint([order.request, order.factory.fingerprint()])
                    output = folder / f"{name}.mp4"
                    before = results.rows.get(number, {})
                    if (
                        before.get("status") == "completed"
                        and before.get("request") == facts["request"]
                        and before.get("path") == output.name
                        and output.is_file()
                    ):
                        skipped += 1
                        on_row(number, f"{output.name} is there")
                        continue
                    with workshop.place() as runtime:
                        video = fill_order(
                            order, output, store=kept, engine=engine, on_event=on_event, jobs=jobs, runtime=runtime,
                            database=database,
                        )  # fmt: skip
                except (SgenError, Cancelled) as error:
                    errors.append(f"row {number}: {error}")
                    results.add({**facts, "status": "failed", "error": str(error)})
                    on_row(number, str(error))
                    continue
                report = video.report
                results.add(
                    {
                        **facts, "status": "completed", "path": output.name, "job": video.job,
                        "seconds": video.seconds, "seam_ratio": report.seam_ratio, "drift": dict(report.drift),
                        "motion": report.motion, "windows_rendered": video.windows_rendered,
                        "windows_reused": video.windows_reused, "wall": video.wall["total"],
                    }
                )  # fmt: skip
                made += 1
                on_row(number, f"{output.name} in {video.wall['total']:.1f} s")
    finally:
        results.close()
    return Batch(made, skipped, len(errors), tuple(errors))
