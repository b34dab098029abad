"""What passes by while films are made: the newest of each job, for whoever watches just now. Nothing here lasts.

On a Ray cluster the board is a small detached actor of the namespace, which whoever reads makes where there is none,
and which those who write look for now and then; without Ray it belongs to the process. Either side goes on without it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from sgen_ray.client.schema import Event
from sgen_ray.engine.ray_calls import on_ray

NAME = "sgen-news"
LOOK_EVERY = 2.0
"""Seconds between two looks for a board that is not there."""


class Board:
    """Of each job the newest event; of many jobs those that were told of last."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._newest: dict[str, Event] = {}

    def tell(self, job: str, event: Event | None) -> None:
        """None: there is nothing more to tell."""
        self._newest.pop(job, None)
        if event is not None:
            self._newest[job] = event
            if len(self._newest) > self._most:
                del self._newest[next(iter(self._newest))]

    def newest(self, jobs: Collection[str]) -> dict[str, Event]:
        return {job: event for job in jobs if (event := self._newest.get(job)) is not None}


HERE = Board()
"""Of this process."""


class News:
    """A way to the board of a Ray namespace; for one thread at a time. Never raises."""

    def __init__(self, namespace: str = "sgen") -> None:
        self._namespace = namespace
        self._actor: Any = None
        self._looked = float("-inf")
        self._sent: Any = None

    def tell(self, job: str, event: Event | None) -> None:
        if not on_ray():
            HERE.tell(job, event)
            return
        import ray

        try:
            if self._sent is not None and event is not None:
                ready, _ = ray.wait([self._sent], timeout=0)
                if not ready:  # it is slow: what is told is soon out of date
                    return
                ray.get(ready)
            if self._actor is None:
                if time.monotonic() - self._looked < LOOK_EVERY:
                    return
                self._looked = time.monotonic()
                self._actor = ray.get_actor(NAME, namespace=self._namespace)
            self._sent = self._actor.tell.remote(job, event)
        except Exception:  # no board, a board that died, a cluster that ends
            self._actor = self._sent = None

    def newest(self, jobs: Collection[str]) -> dict[str, Event]:
        if not jobs:
            return {}
        if not on_ray():
            return HERE.newest(jobs)
        import ray

        try:
            if self._actor is None:
                options = {"lifetime": "detached", "get_if_exists": True, "num_cpus": 0, "max_restarts": -1}
                actor = ray.remote(Board).options(name=NAME, namespace=self._namespace, **options)
                self._actor = actor.remote()
            found: dict[str, Event] = ray.get(self._actor.newest.remote(list(jobs)), timeout=5)
            return found
        except Exception:
            self._actor = None
            return {}
