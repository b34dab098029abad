"""`sgen jobs`, `status`, `resume`, `cancel`, `worker`: the records of films, and going on with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgen_ray.cli import options as o
from sgen_ray.cli import remote
from sgen_ray.errors import JobError

if TYPE_CHECKING:
    from sgen_ray.client import Video
    from sgen_ray.client.client import Videos
    from sgen_ray.jobs.jobs import Jobs
    from sgen_ray.jobs.records import Job

JobId = Annotated[str, typer.Argument(metavar="JOB", show_default=False, help="As sgen jobs lists it.")]


def jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    store: o.Store = None,
    database: o.Database = None,
    server: remote.Server = None,
    json: o.Json = False,
) -> None:
    """List the films that were asked for: their states, and which can be gone on with.

    sgen jobs

    sgen jobs --limit 100 --json
    """
    from sgen_ray.cli import show

    if place := remote.chosen(server, store, database):
        with remote.talking(place) as client:
            videos = islice(client.videos.list(page=min(limit, 100)), limit)
            found = [remote.facts(video, client.base_url) for video in videos]
    else:
        with opened(store, database) as records:
            records.reap()
            found = [job_facts(job) for job in records.list(limit=limit).jobs]
    if json:
        show.show_json({"jobs": found})
    else:
        _table(found)


def status(
    job: JobId,
    store: o.Store = None,
    database: o.Database = None,
    server: remote.Server = None,
    json: o.Json = False,
) -> None:
    """Tell everything about one job.

    sgen status job_01k2x7m3qv9abcdefgh0
    """
    from sgen_ray.cli import show

    facts = _asked(lambda videos: videos.retrieve(job), lambda records: records.get(job), store, database, server)
    if json:
        show.show_json(facts)
    else:
        show.show_table(facts)


def cancel(
    job: JobId,
    store: o.Store = None,
    database: o.Database = None,
    server: remote.Server = None,
    json: o.Json = False,
) -> None:
    """Stop a film at its next step, whichever process makes it; what is finished stays in the store.

    sgen cancel job_01k2x7m3qv9abcdefgh0
    """
    from sgen_ray.cli import show

    facts = _asked(
        lambda videos: videos.cancel(job), lambda records: records.request_cancel(job), store, database, server
    )
    if json:
        show.show_json(facts)
    else:
        print(f"{job} is {facts['state']}" if facts["finished"] else f"{job} was told to stop at its next step")


def resume(
    job: Annotated[
        str | None,
        typer.Argument(metavar="JOB", show_default=False, help="By default the newest that has not ended well."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the film goes, if elsewhere.", show_default=False)
    ] = None,
    renderers: o.Renderers = None,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Go on with a film whose process was killed, that failed or was stopped; nothing finished is made again.

    sgen resume

    sgen resume job_01k2x7m3qv9abcdefgh0 --renderers 1
    """
    from sgen_ray import api, recorded
    from sgen_ray.cli import show
    from sgen_ray.cli.progress import reporting
    from sgen_ray.engine.config import EngineConfig
    from sgen_ray.jobs.owner import this_owner

    with show.working("sgen resume goes on"), opened(store, database) as records:
        record = _unfinished(records) if job is None else records.get(job)
        place = output or (None if record.output is None else Path(record.output))
        if place is None:
            raise JobError(f"{record.id} does not say where its film goes; name a file with -o film.mp4")
        kept = records.store_of(record.tenant)
        order = recorded.order_of(record, kept)
        engine = recorded.engine_of(record, EngineConfig(renderers=renderers))
        mine = recorded.again(records, record, this_owner("sgen resume"))
        with reporting(quiet) as on_event:
            video = api.fill_order(
                order, place, store=kept, jobs=records, job=mine, engine=engine, on_event=on_event
            )  # fmt: skip
    show.show_video(video, json)


def worker(
    once: Annotated[bool, typer.Option("--once", metavar="", help="End when there is nothing to do.")] = False,
    renderers: o.Renderers = None,
    store: o.Store = None,
    database: o.Database = None,
    quiet: o.Quiet = False,
) -> None:
    """Make the films that wait in the queue or whose workers died, until it is stopped.

    sgen worker --database postgresql://sgen@db/sgen --store s3://films/store
    """
    from sgen_ray import worker as work
    from sgen_ray.cli import show
    from sgen_ray.cli.progress import reporting
    from sgen_ray.engine.config import EngineConfig
    from sgen_ray.paths import default_store

    with (
        show.working("its job is handed back to the queue"),
        opened(store, database) as records,
        reporting(quiet) as on_event,
    ):
        done = work.run(records, str(store or default_store()), EngineConfig(renderers=renderers), on_event, once=once)
    print(f"{done} jobs")


def _asked(
    there: Callable[[Videos], Video],
    here: Callable[[Jobs], Job],
    store: str | None,
    database: str | None,
    server: str | None,
) -> dict[str, Any]:
    """What a service tells of one job, where one is chosen, or else the database."""
    if place := remote.chosen(server, store, database):
        with remote.talking(place) as client:
            return remote.facts(there(client.videos), client.base_url)
    with opened(store, database) as records:
        records.reap()
        return job_facts(here(records))


def opened(store: str | None, database: str | None) -> Jobs:
    from sgen_ray.jobs.database import database_url
    from sgen_ray.jobs.jobs import Jobs
    from sgen_ray.paths import default_database, default_store, writable_store

    kept = writable_store(str(store or default_store()))
    return Jobs(database_url(kept, database or default_database()), kept)


def job_facts(job: Job) -> dict[str, Any]:
    """A job as `--json` prints it. State "lost": its worker died, and it can be gone on with."""
    return {
        "job": job.id,
        "state": state_of(job),
        "kind": str(job.kind),
        "parent": job.parent,
        "prompt": " | ".join(shot.prompt for shot in job.request.shots),
        "seconds": job.request.seconds,
        "seed": job.request.seed,
        "model": job.request.model,
        "windows_done": job.progress.windows_done,
        "windows_total": job.progress.windows_total,
        "output": job.output,
        "error": None if job.error is None else f"{job.error.kind}: {job.error.message}",
        "created": job.created.isoformat(),
        "finished": None if job.finished is None else job.finished.isoformat(),
        "worker": None if job.lease is None else job.lease.owner,
        "attempts": job.attempts,
    }


def state_of(job: Job) -> str:
    if job.lease is not None and job.lease.expires <= datetime.now(UTC):
        return "lost"
    return str(job.state)


def _unfinished(records: Jobs) -> Job:
    from sgen_ray.jobs.states import JobState

    states = set(JobState) - {JobState.COMPLETED, JobState.AWAITING_APPROVAL}
    records.reap()
    for job in records.list(states=states).jobs:
        if job.lease is None or state_of(job) == "lost":
            return job
    raise JobError("there is no job to go on with; sgen jobs lists what there is")


def _table(found: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not found:
        print("no jobs yet")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("job", "state", "windows", "created", "seconds"):
        table.add_column(column, no_wrap=True)
    table.add_column("prompt", overflow="ellipsis", no_wrap=True)
    for facts in found:
        windows = f"{facts['windows_done']}/{facts['windows_total']}" if facts["windows_total"] else ""
        created = datetime.fromisoformat(facts["created"]).astimezone().strftime("%Y-%m-%d %H:%M")
        what = facts["error"] or facts["prompt"]
        table.add_row(facts["job"], facts["state"], windows, created, f"{facts['seconds']:g}", Text(what))
    Console().print(table)
