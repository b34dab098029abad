"""`sgen make` and `sgen fetch`: what runs on a cluster when a film is submitted to it, and how the film comes out."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sgen_ray.cli import options as o
from sgen_ray.errors import JobError
from sgen_ray.types import VideoRequest

if TYPE_CHECKING:
    from sgen_ray.cli.kube_lines import Made
    from sgen_ray.engine.config import EngineConfig
    from sgen_ray.engine.events import OnEvent
    from sgen_ray.jobs.jobs import Jobs
    from sgen_ray.jobs.records import Job
    from sgen_ray.orders import Order
    from sgen_ray.types import Video


def make(
    prompt: o.Prompt = None,
    key: Annotated[str | None, typer.Option(help="Names the film: run again with it, the same job goes on.")] = None,
    story: Annotated[str | None, typer.Option(metavar="JSON", help="Shots: [[prompt, seconds], ...].")] = None,
    edit: Annotated[str | None, typer.Option(metavar="JOB", help="The film of that job with another prompt.")] = None,
    shot: Annotated[int, typer.Option(help="With --edit: which shot, counted from 1.")] = 1,
    extend: Annotated[str | None, typer.Option(metavar="JOB", help="The film of that job and --seconds more.")] = None,
    seconds: o.Seconds = None,
    size: o.Size = None,
    fps: o.Fps = None,
    seed: o.Seed = VideoRequest.seed,
    steps: o.OwnSteps = None,
    plan_steps: o.PlanSteps = None,
    guidance: o.Guidance = VideoRequest.guidance,
    negative: o.Negative = VideoRequest.negative_prompt,
    model: o.OwnModel = None,
    renderers: o.Renderers = None,
    max_renderers: Annotated[
        int | None, typer.Option(envvar="SGEN_MAX_RENDERERS", help="More than the cluster has now: it may grow.")
    ] = None,
    device: Annotated[str, typer.Option(envvar="SGEN_DEVICE", help="auto, cpu or cuda.")] = "auto",
    store: o.Store = None,
    database: o.Database = None,
    lines: Annotated[bool, typer.Option("--lines", metavar="", help="Tell progress as lines of JSON.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a film on the cluster where this runs, and keep it in the store; sgen submit calls this there.

    sgen make --key mars "An astronaut walking on Mars" --seconds 60

    Run again after anything with the same key, it goes on with the same job.
    """
    import json as codec

    from sgen_ray import api
    from sgen_ray.cli import show
    from sgen_ray.cli.kube_lines import teller, to_line
    from sgen_ray.cli.progress import reporting
    from sgen_ray.engine.config import EngineConfig
    from sgen_ray.jobs.database import database_url
    from sgen_ray.jobs.jobs import Jobs
    from sgen_ray.paths import default_database, default_store, writable_store
    from sgen_ray.types import Shot

    kept = writable_store(str(store or default_store()))
    named = database or default_database()
    changes = {"size": size, "fps": fps, "steps": steps, "model": model}
    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f"device is auto, cpu or cuda, not {device}")
    where: Literal["auto", "cpu", "cuda"] = device  # type: ignore[assignment]

    with show.working("the job is cancelled; with the same key another goes on from its windows"):
        order: Order
        if edit is not None:
            order = api.edit_order(edit, shot, prompt or "", store=kept, database=named, **changes)
        elif extend is not None:
            order = api.extend_order(extend, seconds or 10.0, prompt, store=kept, database=named, **changes)
        else:
            wishes: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
            shots = tuple(Shot(*each) for each in codec.loads(story)) if story else ()
            order = api.place_order(
                prompt, shots=shots, seconds=seconds, seed=seed, plan_steps=plan_steps, guidance=guidance,
                negative_prompt=negative, **wishes,
            )  # fmt: skip
        show.warn(order.warnings)
        engine = EngineConfig(renderers=renderers, max_renderers=max_renderers, device=where)
        with Jobs(database_url(kept, named), kept) as records, reporting(quiet or lines) as on_event:

            def say(line: str) -> None:
                print(line, file=sys.stderr, flush=True)

            made = film_in_store(records, order, key, kept, engine, teller(say) if lines else on_event)
    print(to_line(made) if lines else f"{made.job}: the film is in the store; sgen fetch {made.job} -o film.mp4")


def fetch(
    job: Annotated[str, typer.Argument(metavar="JOB", show_default=False, help="As sgen jobs lists it.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where the film goes (.mp4); - is stdout.")
    ] = "film.mp4",
    lines: Annotated[bool, typer.Option("--lines", metavar="", help="As lines of a log, for sgen submit.")] = False,
    store: o.Store = None,
    database: o.Database = None,
) -> None:
    """Bring a film that was made on a cluster out of its store.

    sgen fetch job_01k2x7m3qv9abcdefgh0 --store s3://films/store --database postgresql://sgen@db/sgen -o film.mp4
    """
    from sgen_ray.cli.jobs import opened
    from sgen_ray.cli.kube_lines import pieces
    from sgen_ray.jobs.artifacts import Artifacts
    from sgen_ray.paths import writable_file

    with opened(store, database) as records:
        record = records.get(job)
        kept = records.store_of(record.tenant)
    data = None if record.film is None else Artifacts(kept).get("video", record.film)
    if data is None:
        raise JobError(f"{job} is {record.state} and has no film in the store; sgen status {job} tells more")
    if lines:
        for line in pieces(data):
            print(line)
    elif output == "-":
        sys.stdout.buffer.write(data)
    else:
        writable_file(output, (".mp4",), len(data)).write_bytes(data)
        print(f"{output}: {len(data) >> 10} KiB")


def film_in_store(
    records: Jobs, order: Order, key: str | None, store: str, engine: EngineConfig, on_event: OnEvent
) -> Made:
    """Makes the film as a job, or goes on with the job of this key, and puts it into the store."""
    from sgen_ray import filling
    from sgen_ray.cli.kube_lines import Made
    from sgen_ray.cli.show import video_facts
    from sgen_ray.engine.events import JobRecorded
    from sgen_ray.engine.generate import generate_film
    from sgen_ray.jobs.artifacts import Artifacts

    artifacts = Artifacts(store)
    with tempfile.TemporaryDirectory(prefix="sgen-") as folder:
        output = Path(folder) / "film.mp4"
        job, mine = _job_of(records, order, key, engine)
        on_event(JobRecorded(job.id))
        video: Video | None = None
        if mine:  # a job without an output keeps its film in the store
            video = filling.fill(records, job, order, output, store=store, engine=engine, on_event=on_event)
            job = records.get(job.id)
        assert job.film is not None
        data = artifacts.get("video", job.film)
        if data is None:  # somebody removed it; its segments make it at once
            video = generate_film(
                order.request, order.factory, output, store=store, engine=engine, plan=order.plan, held=order.held,
                first=order.first,
                on_event=on_event,
            )  # fmt: skip
            data = output.read_bytes()
            artifacts.put_file("video", job.film, output)
    facts = dict(job.result or {}) if video is None else video_facts(video)
    return Made(job.id, job.film, len(data), hashlib.sha256(data).hexdigest(), {**facts, "job": job.id})


def _job_of(records: Jobs, order: Order, key: str | None, engine: EngineConfig) -> tuple[Job, bool]:
    """The job, and whether this process holds it. Waits while another works on it: a try of the same key that
    has lost its cluster holds it until its lease is over."""
    from sgen_ray import recorded
    from sgen_ray.jobs.owner import this_owner
    from sgen_ray.jobs.states import JobState

    owner = this_owner("sgen make")
    job = recorded.record(records, order, None, engine=engine, key=key, owner=owner)
    while job.lease is None or job.lease.owner != owner:
        if job.state is JobState.COMPLETED:
            return job, False
        try:
            job = recorded.again(records, job, owner)
        except JobError:
            time.sleep(1.0)
            job = records.get(job.id)
    return job, True
