"""The pool as a detached actor, one for each version of a model on a cluster, and a driver's way to it.

Its workers belong to it and die with it; their finished windows are in the store, so that a driver that finds it dead
makes another and goes on. Of several versions the one that was joined last has the room, see `Pool.retire`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from sgen_ray.engine.calls import Call, WorkerDied
from sgen_ray.engine.crew import TICK
from sgen_ray.engine.messages import Granted, JobSpec, PoolSpec, Wish, Workforce
from sgen_ray.engine.pool import Pool
from sgen_ray.engine.ray_calls import RayCall
from sgen_ray.engine.runtime import Runtime

PREFIX = "sgen-pool"

log = logging.getLogger(__name__)


class Controller:
    """Runs one pool until nobody uses it any more, on a runtime of its own."""

    def __init__(self, runtime: Callable[[], Runtime], spec: PoolSpec) -> None:
        self._pool = Pool(runtime(), spec)
        threading.Thread(target=self._run, daemon=True).start()

    def sync(self, job: JobSpec, wish: Wish) -> Granted:
        return self._pool.sync(job, wish)

    def leave(self, job: str, returned: frozenset[int]) -> None:
        self._pool.leave(job, returned)

    def retire(self) -> None:
        self._pool.retire()

    def make_room(self) -> None:
        self._pool.make_room()

    def ready(self) -> int:
        return self._pool.ready

    def workforce(self) -> dict[str, Workforce]:
        return self._pool.workforce()

    def pid(self) -> int:
        return os.getpid()

    def _run(self) -> None:
        while not self._pool.over:
            time.sleep(TICK)
            try:
                self._pool.tick()
            except Exception:  # a cache that went wrong is best made again
                log.exception("the pool failed; it ends, and the next message to it makes another")
                break
        os._exit(0)


class SharedPool:
    """A driver's way to the pool of `spec`, which is made where there is none, on a `runtime` of its own."""

    def __init__(self, spec: PoolSpec, runtime: Callable[[], Runtime]) -> None:
        self._spec, self._runtime = spec, runtime
        self._handle: Any = None

    def sync(self, job: JobSpec, wish: Wish) -> Call:
        try:
            handle = self._join()
        except (ValueError, RuntimeError) as error:  # another driver is making it, or it is just about to end
            raise WorkerDied(str(error)) from error
        return _Answer(self, handle.sync.remote(job, wish))

    def leave(self, job: str, returned: frozenset[int]) -> None:
        """Waits until it was heard: the driver may be about to end."""
        if self._handle is None:
            return
        import ray

        with suppress(Exception):  # a pool that is gone holds nothing
            ray.get(self._handle.leave.remote(job, returned), timeout=5)

    def calls(self) -> list[Call]:
        return []

    def forget(self) -> None:
        self._handle = None

    def _join(self) -> Any:
        if self._handle is not None:
            return self._handle
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        spec, name = self._spec, pool_name(self._spec)
        crowded = not _room(spec)
        for item in ray.util.list_named_actors(all_namespaces=True):
            other, ours = item["name"], item["namespace"] == spec.namespace
            if not other.startswith(f"{PREFIX}:") or (other == name if ours else not crowded):
                continue
            with suppress(ValueError):  # it has just ended
                handle = ray.get_actor(other, namespace=item["namespace"])
                same_model = ours and other.startswith(f"{PREFIX}:{spec.name}:")
                (handle.retire if same_model else handle.make_room).remote()
        # Beside who asks first, if that can be: it needs no core, and could else sit on a machine that is about to go.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        options = {
            "lifetime": "detached",
            "get_if_exists": True,
            "num_cpus": 0,
            "max_restarts": 0,
            "max_concurrency": 1,  # messages in the order they were sent, else a job that has left joins again
            "scheduling_strategy": here,
        }
        actor = ray.remote(Controller).options(name=name, namespace=spec.namespace, **options)
        self._handle = actor.remote(self._runtime, spec)
        return self._handle


def workforces(patience: float = 2.0) -> dict[str, dict[str, Workforce]]:
    """The pools of the cluster that this process is connected to, each by its name and the version's hash; but for
    those that do not answer within `patience` seconds."""
    import ray

    asked = {}
    for item in ray.util.list_named_actors(all_namespaces=True):
        if item["name"].startswith(f"{PREFIX}:"):
            with suppress(ValueError):  # it has just ended
                asked[ray.get_actor(item["name"], namespace=item["namespace"]).workforce.remote()] = item["name"]
    if not asked:
        return {}
    found = {}
    for answer in ray.wait(list(asked), num_returns=len(asked), timeout=patience)[0]:
        with suppress(Exception):  # likewise
            found[asked[answer].removeprefix(f"{PREFIX}:")] = ray.get(answer)
    return found


class _Answer(RayCall):
    """A pool that died is forgotten, so that the next message makes another."""

    def __init__(self, pool: SharedPool, answer: Any) -> None:
        super().__init__(answer, None)
        self._pool = pool

    def result(self) -> Any:
        try:
            return super().result()
        except WorkerDied:
            self._pool.forget()
            raise


def _room(spec: PoolSpec) -> bool:
    """Whether the cluster has what one worker of each kind needs, at the moment."""
    import ray

    free = ray.available_resources()
    demands = [kind.demand for kind in spec.kinds.values()]
    return all(free.get("CPU", 0) >= d.cpus and free.get("GPU", 0) >= d.gpus for d in demands)


def pool_name(spec: PoolSpec) -> str:
    return f"{PREFIX}:{spec.name}:{sha256(spec.version.encode()).hexdigest()[:16]}"
