"""`sgen watch`, `approve` and `download`: going on with a film that is made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgen_ray.cli import options as o
from sgen_ray.cli import remote, show
from sgen_ray.cli.jobs import JobId
from sgen_ray.cli.wanted import Manner
from sgen_ray.errors import RequestError

if TYPE_CHECKING:
    from sgen_ray.client import Client, Video

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Where the film goes (.mp4); waits for it.", show_default=False),
]
Wait = Annotated[bool, typer.Option("--wait", metavar="", help="Show progress until it is made.")]
Detach = Annotated[bool, typer.Option("--detach", metavar="", help="While waiting, Ctrl-C leaves the film being made.")]
Preview = Annotated[
    Path | None,
    typer.Option(
        help="Where the plan goes that waits for approval, as a filmstrip (.png); waits for it.", show_default=False
    ),
]


def watch(
    job: JobId,
    server: remote.Server = None,
    output: Output = None,
    preview: Preview = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Show how a film comes along until it is made; Ctrl-C stops watching only.

    sgen watch job_01k2x7m3qv9abcdefgh0 --server http://127.0.0.1:8000 -o film.mp4
    """
    manner = manner_of(True, True, output, preview, json, quiet)
    with remote.talking(server) as client:
        _follow(client, job, manner)


def approve(
    job: JobId,
    shots: o.Shots = None,
    store: o.Store = None,
    database: o.Database = None,
    server: remote.Server = None,
    wait: Wait = False,
    detach: Detach = False,
    output: Output = None,
    preview: Preview = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Go on with a film whose plan waits for approval; with other shots, plan these first and wait again.

    sgen approve job_01k2x7m3qv9abcdefgh0

    sgen approve job_01k2x7m3qv9abcdefgh0 --shots better.yaml

    sgen approve job_01k2x7m3qv9abcdefgh0 --server http://127.0.0.1:8000 -o film.mp4
    """
    place = remote.chosen(server, store, database)
    if place is None:
        if wait or detach or output or preview:
            raise RequestError("--wait, --detach, -o and --preview go with --server; here sgen worker makes the film")
        _approve_here(job, shots, store, database, json)
        return
    manner = manner_of(wait, detach, output, preview, json, quiet)
    with remote.talking(place) as client:
        video = client.videos.approve(job, shots=None if shots is None else told_shots(shots))
        go_on(client, video, manner)


def _approve_here(job: str, shots: Path | None, store: str | None, database: str | None, json: bool) -> None:
    from sgen_ray.cli.jobs import job_facts, opened
    from sgen_ray.orders import plan_of_job, rewritten_order
    from sgen_ray.recorded import change_plan
    from sgen_ray.story import read_story

    with opened(store, database) as records:
        record = records.get(job)
        if shots is None:
            record = records.approve(job)
        else:
            order = rewritten_order(plan_of_job(record, records.store_of(record.tenant)), read_story(shots))
            show.warn(order.warnings)
            record = change_plan(records, record, order)
    if json:
        show.show_json(job_facts(record))
    elif record.approve:
        print(f"{job} is planned again by the next worker, and waits again")
    else:
        print(f"{job} is queued: sgen worker takes it, or sgen resume {job} makes it here")


def download(
    job: JobId,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            show_default=False,
            help="Where it goes; by default film.mp4, or VARIANT.jpg.",
        ),
    ] = None,
    variant: Annotated[str, typer.Option(help="video, thumbnail or spritesheet.")] = "video",
    server: remote.Server = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Download a finished film; goes on where an earlier download of it stopped.

    sgen download job_01k2x7m3qv9abcdefgh0 --server http://127.0.0.1:8000 -o film.mp4
    """
    from typing import get_args

    from sgen_ray.client.videos import Variant

    if variant not in get_args(Variant):
        raise typer.BadParameter(f"{variant!r} is none of video, thumbnail, spritesheet", param_hint="'--variant'")
    path = output or Path("film.mp4" if variant == "video" else f"{variant}.jpg")
    with remote.talking(server) as client, show.working("the same command again goes on with the download"):
        remote.fetch(client, job, path, variant=variant, quiet=quiet)  # type: ignore[arg-type]  # checked above
    _say(json, {"job": job, "variant": variant, "output": str(path)}, str(path))


def go_on(client: Client, video: Video, manner: Manner) -> None:
    """Waits for the film, or leaves it and tells how to go on."""
    if manner.wait:
        _follow(client, video.id, manner)
    else:
        _tell(client, video, manner)


def _follow(client: Client, job: str, manner: Manner) -> None:
    """Shows progress, fetches what is asked for, and tells how it ended."""
    goes_on = f"{job} goes on; sgen watch {job} shows it, sgen cancel {job} stops it"
    with show.working(goes_on):
        try:
            video = remote.watch(client, job, quiet=manner.quiet)
        except KeyboardInterrupt:
            if manner.detach:
                raise
            client.videos.cancel(job)
            raise show.Stopped(
                f"{job} was told to stop at its next step; finished windows are kept: the same command again goes on"
            ) from None
    if video.status == "awaiting_approval":
        if manner.preview is not None:
            client.videos.plan(job, manner.preview)
        _tell(client, video, manner)
        return
    with show.working(f"{job} is made; sgen download {job} goes on with the download"):
        if manner.output is not None:
            remote.fetch(client, job, manner.output, quiet=manner.quiet)
    facts = remote.facts(video, client.base_url) | {"output": None if manner.output is None else str(manner.output)}
    what = f"{float(video.seconds):g} s, {video.size} at {video.fps} frames a second"
    _say(manner.json, facts, f"{manner.output or video.id}: {what}\njob {job}")


def _tell(client: Client, video: Video, manner: Manner) -> None:
    """The job as it is, and what can be done about it."""
    waits = f"its plan waits for approval: sgen approve {video.id} goes on, sgen cancel {video.id} gives it up"
    hint = waits if video.status == "awaiting_approval" else f"sgen watch {video.id} shows how it comes along"
    _say(manner.json, remote.facts(video, client.base_url), f"job {video.id}\n{hint}")


def _say(as_json: bool, facts: dict[str, Any], text: str) -> None:
    if as_json:
        show.show_json(facts)
    else:
        print(text)


def told_shots(story: Path) -> list[dict[str, Any]]:
    from sgen_ray.story import read_story

    return [{"prompt": shot.prompt, "seconds": shot.seconds} for shot in read_story(story)]


def manner_of(wait: bool, detach: bool, output: Path | None, preview: Path | None, json: bool, quiet: bool) -> Manner:
    """Checked before anything is asked for."""
    from sgen_ray.paths import writable_file

    output = None if output is None else writable_file(output, (".mp4",))
    preview = None if preview is None else writable_file(preview, (".png",))
    return Manner(wait or output is not None or preview is not None, detach, output, preview, json, quiet)
