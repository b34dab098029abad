"""The deployment that makes films: replicas claim jobs from the database and make them on the cluster's shared pool.

A replica that dies loses nothing: Serve makes another, its jobs are claimed again, and what was finished is stored.
"""

from __future__ import annotations

import threading

from sgen_ray.engine.config import EngineConfig
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.serving.deliver import keep_delivering
from sgen_ray.serving.settings import Settings
from sgen_ray.telemetry.logs import set_up
from sgen_ray.worker import Worker

HAND_BACK_WITHIN = 25.0
"""Seconds that running films are given to stop at their next step, when a replica is stopped."""


class Films:
    """One process of workers, which delivers webhooks too; it answers nobody, and is told to stop by the end of its
    deployment."""

    def __init__(self, settings: Settings) -> None:
        set_up(settings.log_format, settings.log_file)
        self._jobs = Jobs(settings.url, settings.store)
        engine = EngineConfig(renderers=settings.renderers, max_renderers=settings.max_renderers)
        self._worker = Worker(self._jobs, settings.store, engine)
        self._worker.start(settings.films)
        self._stopped = threading.Event()
        threading.Thread(
            target=keep_delivering,
            args=(self._jobs, self._stopped),
            kwargs={"private": settings.webhooks_private},
            name="webhooks",
            daemon=True,
        ).start()

    def check_health(self) -> None:
        """Serve replaces a replica for which this raises."""
        if not self._worker.alive:
            raise RuntimeError("a thread that makes films has ended; the replica is replaced")

    def __del__(self) -> None:
        if hasattr(self, "_stopped"):
            self._stopped.set()
            self._worker.stop(HAND_BACK_WITHIN)
            self._jobs.close()
