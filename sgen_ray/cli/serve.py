"""`sgen serve`: the HTTP service, on a Ray of its own or on the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.errors import RequestError


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    model: o.Model = "nano",
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="MODEL", help="Another model that may be asked for.", show_default=False),
    ] = None,
    films: Annotated[int, typer.Option(min=1, help="Films that one worker makes at once.")] = 4,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make films.")] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="Processes that answer HTTP.")] = 1,
    renderers: o.Renderers = None,
    max_seconds: Annotated[float, typer.Option(help="The longest film that may be asked for.")] = 1200,
    keys: Annotated[
        str, typer.Option(help="Whether requests need an API key: auto (unless on 127.0.0.1 only), required or off.")
    ] = "auto",
    insecure: Annotated[
        bool, typer.Option("--insecure", metavar="", help="With --keys off on another host: something else guards it.")
    ] = False,
    max_queue: Annotated[int, typer.Option(min=1, help="Films that may wait before more are refused.")] = 1000,
    log_format: Annotated[
        str | None, typer.Option(help="Log lines as text, or as json.", metavar="text|json", show_default="text")
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option(help="Where log lines go; by default into Ray's logs.", show_default=False)
    ] = None,
    store: o.Store = None,
    database: o.Database = None,
) -> None:
    """Serve films over HTTP, as OpenAI's Videos API does, until it is stopped; films under way go back to the queue.

    sgen serve --port 8000 --films 2

    sgen serve --host 0.0.0.0 --database postgresql://sgen@db/sgen --store s3://films/store
    """
    from sgen_ray.cli import show
    from sgen_ray.engine.cluster import connected
    from sgen_ray.models.factory import load_factory
    from sgen_ray.paths import default_database, default_store, writable_store
    from sgen_ray.serving.settings import settings_of
    from sgen_ray.telemetry.logs import set_up

    settings = settings_of(
        {
            "store": writable_store(str(store or default_store())),
            "database": database or default_database(),
            "model": model,
            "models": tuple(also or ()),
            "films": films,
            "workers": workers,
            "replicas": replicas,
            "renderers": renderers,
            "max_seconds": max_seconds,
            "max_queue": max_queue,
            "host": host,
            "keys": keys,
            "insecure": insecure,
            "log_format": log_format,
            "log_file": None if log_file is None else str(log_file.absolute()),
        }
    )
    try:
        set_up(settings.log_format, settings.log_file)  # and Ray's workers, by the environment
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot set up logs: {error}") from error
    for name in settings.offered.values():
        load_factory(name)
    _ = settings.url
    _refuse_taken(host, port)
    with show.working("films under way are handed back to the queue"), connected():
        from sgen_ray.serving.deployment import deployed

        with deployed(settings, host, port):
            shown = f"[{host}]" if ":" in host else host
            typer.echo(f"films are served at http://{shown}:{port} (documented at /docs); Ctrl-C stops", err=True)
            _wait()


def _wait() -> None:
    """Until a signal."""
    while True:
        threading.Event().wait(3600)


def _refuse_taken(host: str, port: int) -> None:
    """Ray would only say so in a log."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        raise RequestError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from error
