"""The HTTP service on a real port of this machine, for tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import toy_model
import uvicorn
from fastapi import FastAPI
from toy_model import ToyFactory

from sgen_ray import recorded
from sgen_ray.engine.config import EngineConfig
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job
from sgen_ray.orders import Order
from sgen_ray.serving.app import build_app
from sgen_ray.serving.settings import Settings
from sgen_ray.types import VideoRequest

LOCAL = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)


def app_of(folder: Path) -> FastAPI:
    return build_app(Settings(store=str(folder), database=f"sqlite:///{folder}/jobs.db"))


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Its address."""
    config = uvicorn.Config(app, port=0, ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def film(folder: Path, jobs: Jobs, request: VideoRequest | None = None, pause: float = 0.0, kept: bool = True) -> Job:
    """Makes the next job that waits, or a new one, as a worker of the service does. kept: its film is stored."""
    factory = ToyFactory(pause=pause)
    if request is not None:
        jobs.submit(request, model="toy-1")
    job = jobs.claim("worker")
    assert job is not None
    output = folder / f"{job.id}.mp4"
    order = Order(job.request, factory)
    recorded.fill(jobs, job, order, output, store=str(folder), engine=LOCAL)
    job = jobs.get(job.id)
    if kept and job.film and output.exists():
        Artifacts(folder).put_file("video", job.film, output)
    return job


__all__ = ["LOCAL", "app_of", "film", "serving", "toy_model"]
