"""What commands need that talk to a service: which one, its errors in words, its jobs as facts, and watching one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgen_ray.errors import SgenError

if TYPE_CHECKING:
    from sgen_ray.client import Client, Event, Video
    from sgen_ray.client.videos import Variant

WHERE = "Where it is made"
"""The option group of targets."""

Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="SGEN_SERVER",
        show_envvar=False,
        show_default=False,
        rich_help_panel=WHERE,
        help="A service, like http://127.0.0.1:8000; by default SGEN_SERVER. Its key is taken from SGEN_API_KEY.",
    ),
]

RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="URL",
        show_default=False,
        rich_help_panel=WHERE,
        help="A Ray cluster, by its dashboard, like http://127.0.0.1:8265; its token is taken from RAY_AUTH_TOKEN.",
    ),
]
Kubernetes = Annotated[
    bool, typer.Option("--k8s", metavar="", rich_help_panel=WHERE, help="A RayJob, by kubectl as it is set up.")
]
Namespace = Annotated[str, typer.Option(metavar="NAME", rich_help_panel=WHERE, help="With --k8s.")]
ServiceName = Annotated[
    str, typer.Option("--service", metavar="NAME", rich_help_panel=WHERE, help="With --k8s: the RayService.")
]
OwnCluster = Annotated[
    bool,
    typer.Option(
        "--own-cluster",
        metavar="",
        rich_help_panel=WHERE,
        help="With --k8s: a cluster like the service's, for this film.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", metavar="", rich_help_panel=WHERE, help="With --k8s: print the RayJob instead.")
]


def chosen(server: str | None, store: str | None, database: str | None) -> str | None:
    """The service to ask; None: the database, by default or as it was named (SGEN_SERVER yields to that).

    Raises:
        ServiceError: both were named.
    """
    if store is None and database is None:
        return server
    if server is not None and server != os.environ.get("SGEN_SERVER"):
        raise ServiceError("--server asks a service, which has a store and a database of its own; leave out the others")
    return None


class ServiceError(SgenError):
    """The service refuses, fails or does not answer."""


@contextmanager
def talking(server: str | None) -> Iterator[Client]:
    """A client of the service. What it raises in the block is told as one line.

    Raises:
        ServiceError
    """
    from sgen_ray.client import APIError, BadRequest, Client, Unauthorized

    if not server:
        raise ServiceError("no service is named: give --server http://HOST:PORT, or set SGEN_SERVER")
    try:
        client = Client(server)
    except ValueError as error:
        raise ServiceError(str(error)) from error
    with client:
        try:
            yield client
        except Unauthorized as error:
            raise ServiceError(f"{error.message}; set SGEN_API_KEY to a key of {client.base_url}") from error
        except BadRequest as error:
            place = f" ({error.param})" if error.param and error.param not in error.message else ""
            raise ServiceError(error.message + place) from error
        except APIError as error:
            raise ServiceError(error.message) from error


def watch(client: Client, job: str, *, quiet: bool) -> Video:
    """Shows how the film comes along until it is completed or waits for approval.

    Raises:
        APIError, among them VideoFailed.
    """
    from sgen_ray.cli.progress import reporting
    from sgen_ray.cli.told import Told
    from sgen_ray.engine.events import JobRecorded

    told = Told()
    with reporting(quiet, begin="wait for a worker", clock=told.clock) as on_event:

        def tell(event: Event) -> None:
            if not told.heard:
                on_event(JobRecorded(job))
            told.tell(event, on_event)

        return client.videos.wait(job, on_event=tell)


def fetch(client: Client, job: str, path: Path, *, variant: Variant = "video", quiet: bool) -> Path:
    """The film, downloaded with a bar."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        bar = bars.add_task("download", total=None)
        return client.videos.download(
            job, path, variant=variant, on_bytes=lambda here, total: bars.update(bar, completed=here, total=total)
        )


def facts(video: Video, server: str) -> dict[str, Any]:
    """A job as `--json` prints it; what `sgen status` tells of one in the database has the same names."""
    return {
        "job": video.id,
        "state": video.state,
        "kind": video.kind,
        "parent": video.remixed_from_video_id,
        "prompt": video.prompt,
        "seconds": float(video.seconds),
        "size": video.size,
        "fps": video.fps,
        "seed": video.seed,
        "model": video.model,
        "windows_done": video.windows.done,
        "windows_total": video.windows.total,
        "output": None,
        "error": None if video.error is None else f"{video.error.code}: {video.error.message}",
        "created": _iso(video.created_at),
        "finished": None if video.completed_at is None else _iso(video.completed_at),
        "server": server,
    }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
