"""The HTTP service as a FastAPI application: any number of processes serve it, none keeps anything."""

from __future__ import annotations

from fastapi import FastAPI

from sgen_ray import __version__
from sgen_ray.serving import (
    catalogue,
    characters,
    content,
    events,
    health,
    hls,
    manual,
    observed,
    page,
    pictures,
    reports,
    session,
    signed,
    videos,
    webhooks,
)
from sgen_ray.serving.guard import protect
from sgen_ray.serving.limits import BodyLimit
from sgen_ray.serving.openapi import describe
from sgen_ray.serving.problems import handle_problems
from sgen_ray.serving.service import Service
from sgen_ray.serving.settings import Settings
from sgen_ray.telemetry import metrics
from sgen_ray.telemetry.spans import of_requests

ROUTERS = (
    characters.router,  # before the videos: "characters" is no id
    videos.router,
    events.router,
    content.router,
    hls.router,
    pictures.router,
    reports.router,
    catalogue.router,
    health.router,
    session.router,
    signed.router,
    webhooks.router,
    observed.router,
    manual.router,
    page.router,
)


def build_app(settings: Settings) -> FastAPI:
    app = FastAPI(
        title="sgen-ray", version=__version__, docs_url=None, redoc_url=None, telemetry=of_requests(observed.PROBES)
    )
    app.state.service = Service(settings)
    app.add_middleware(BodyLimit, most=round(settings.max_body_mib * 2**20))
    handle_problems(app)
    protect(app, settings)
    for router in ROUTERS:
        app.include_router(router)
    describe(app)
    metrics.begin()
    app.add_middleware(observed.Observed)  # the last added is the outermost
    return app
