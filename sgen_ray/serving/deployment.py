"""The service on Ray Serve: replicas that answer HTTP and keep nothing, and replicas that make films.

`serve deploy` finds it as `sgen_ray.serving.deployment:app`, with the fields of `Settings` as arguments.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from sgen_ray.serving.app import build_app
from sgen_ray.serving.films import HAND_BACK_WITHIN, Films
from sgen_ray.serving.settings import Settings, settings_of
from sgen_ray.telemetry.logs import set_up

NAME = "sgen"


class Ingress:
    """One process that answers HTTP. `films` belongs to the same application; nothing is ever asked of it, as all that
    the two have in common is in the database and the store."""

    def __init__(self, settings: Settings, films: Any) -> None:
        self._settings = settings

    def __serve_build_asgi_app__(self) -> ASGIApp:
        set_up(self._settings.log_format, self._settings.log_file)
        return build_app(self._settings)


def app(args: dict[str, Any]) -> Application:
    """The application, from the arguments of a Serve config. One that does not say at which `host` Serve listens is
    taken to be open to all, and wants keys. Raises RequestError for a setting that there is not."""
    return application(settings_of({"host": "0.0.0.0", **args}))


def application(settings: Settings) -> Application:
    """Replicas ask for no CPU: on a machine of few cores these belong to the renderers."""
    films = serve.deployment(
        Films,
        name="Films",
        num_replicas=settings.workers,
        ray_actor_options={"num_cpus": 0},
        health_check_period_s=5,
        graceful_shutdown_timeout_s=HAND_BACK_WITHIN + 5,
    ).bind(settings)
    ingress = serve.deployment(
        serve.ingress()(Ingress),
        name="Ingress",
        num_replicas=settings.replicas,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=500,
        health_check_period_s=5,
        graceful_shutdown_timeout_s=10,
    ).bind(settings, films)
    return ingress


@contextmanager
def deployed(settings: Settings, host: str, port: int) -> Iterator[None]:
    """The service on the cluster that this process is connected to. At the end of the context it is taken away: jobs
    under way are handed back first."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": host, "port": port},
        logging_config={"log_level": "WARNING", "encoding": "JSON" if settings.log_format == "json" else "TEXT"},
    )
    try:
        serve.run(application(settings), name=NAME, route_prefix="/")
        yield
    finally:
        serve.delete(NAME)
        serve.shutdown()
