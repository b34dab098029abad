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

NAME = "sgen"


class Ingress:
    """One process that answers HTTP. `films` belongs to the same application; nothing is ever asked of it, as all that
    the two have in common is in the database and the store."""

    def __init__(self, settings: Settings, films: Any) -> None:
        self._settings = settings

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return build_app(self._settings)


def app(args: dict[str, Any]) -> Application:
    """The application, from the arguments of a Serve config. Raises RequestError for a setting that there is not."""
    return application(settings_of(args))


def application(settings: Settings, films: type = Films, ingress: type = Ingress) -> Application:
    """Replicas ask for no CPU: on a machine of few cores these belong to the renderers. Other classes than these two
    bring models of their own."""
    makers = serve.deployment(
        films,
        name="Films",
        num_replicas=settings.workers,
        ray_actor_options={"num_cpus": 0},
        health_check_period_s=5,
        graceful_shutdown_timeout_s=HAND_BACK_WITHIN + 5,
    ).bind(settings)
    return serve.deployment(
        serve.ingress()(ingress),
        name="Ingress",
        num_replicas=settings.replicas,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=500,
        health_check_period_s=5,
        graceful_shutdown_timeout_s=10,
    ).bind(settings, makers)


@contextmanager
def deployed(settings: Settings, host: str, port: int, **classes: type) -> Iterator[None]:
    """The service on the cluster that this process is connected to. At the end of the context it is taken away: jobs
    under way are handed back first. `classes` as `application`."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(
        proxy_location="HeadOnly", http_options={"host": host, "port": port}, logging_config={"log_level": "WARNING"}
    )
    try:
        serve.run(application(settings, **classes), name=NAME, route_prefix="/")
        yield
    finally:
        serve.delete(NAME)
        serve.shutdown()
