"""The HTTP service on a real port of this machine, for tests."""

from pathlib import Path

import toy_model
from fastapi import FastAPI
from service import listening as serving
from toy_model import ToyFactory

from sgen_ray import filling
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


def film(folder: Path, jobs: Jobs, request: VideoRequest | None = None, pause: float = 0.0, kept: bool = True) -> Job:
    """Makes the next job that waits, or a new one, as a worker of the service does. kept: its film is stored."""
    factory = ToyFactory(pause=pause)
    if request is not None:
        jobs.submit(request, model="toy-1")
    job = jobs.claim("worker")
    assert job is not None
    output = folder / f"{job.id}.mp4"
    order = Order(job.request, factory)
    filling.fill(jobs, job, order, output, store=str(folder), engine=LOCAL)
    job = jobs.get(job.id)
    if kept and job.film and output.exists():
        Artifacts(folder).put_file("video", job.film, output)
    return job


__all__ = ["LOCAL", "app_of", "film", "serving", "toy_model"]
