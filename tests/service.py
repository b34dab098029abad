"""A service of the tests' own: the real app and real workers on the toy model, in this process and without Ray."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from toy_model import ToyFactory

from sgen_ray import orders, recorded
from sgen_ray.engine.config import EngineConfig
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.serving import service
from sgen_ray.serving.app import build_app
from sgen_ray.serving.settings import Settings
from sgen_ray.worker import Worker

ENGINE = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)
FILM = {"prompt": "shot 0", "seconds": 4, "size": "64x32", "steps": 2, "plan_steps": 2}
"""What a request for a film of one small shot says."""


class Place:
    """Settings, an app, and workers as they are started. `factory` is the model, with its faults."""

    def __init__(self, folder: Path, **wishes: Any) -> None:
        self.settings = Settings(store=str(folder / "store"), model="toy", **wishes)
        self.app: FastAPI = build_app(self.settings)
        self.factory = ToyFactory()

    @contextmanager
    def films(self, at_once: int = 2) -> Iterator[Worker]:
        """A worker as long as the context is open."""
        with Jobs(self.settings.url, self.settings.store) as jobs:
            worker = Worker(jobs, self.settings.store, ENGINE)
            worker.start(at_once)
            try:
                yield worker
            finally:
                assert worker.stop(60)

    def listening(self) -> AbstractContextManager[str]:
        return listening(self.app)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The address of a real server of the app, in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def toy_place(folder: Path, patch: pytest.MonkeyPatch, **wishes: Any) -> Place:
    """A place whose only model is "toy"; for a fixture."""
    place = Place(folder, **wishes)
    for module in (orders, recorded, service):
        patch.setattr(module, "load_factory", lambda name: place.factory)
    service._factory.cache_clear()
    return place


def ended(client: Any, video_id: str, *states: str, within: float = 60) -> dict[str, Any]:
    """The video when it is in one of these states, by default over. `client`: httpx's, or FastAPI's for tests."""
    wanted = states or ("completed", "failed", "cancelled")
    end = time.monotonic() + within
    while True:
        video: dict[str, Any] = client.get(f"/v1/videos/{video_id}").json()
        if video["state"] in wanted:
            return video
        assert time.monotonic() < end, video
        time.sleep(0.05)
