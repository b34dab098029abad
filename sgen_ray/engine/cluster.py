"""The runtime on Ray: each worker an actor. Besides this, only `ray_calls`, `ray_start` and `controller` talk to Ray.

Actors never restart and tasks never retry by themselves: `crew` and `pool` decide, so that a poison window surfaces
instead of looping. Values are returned, never put, by actors, and a job calls the workers that it holds itself: what is
returned belongs to its driver, outlives its maker and passes through nobody else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

from sgen_ray.engine.calls import Call, Demand
from sgen_ray.engine.controller import SharedPool
from sgen_ray.engine.lease import PoolHere
from sgen_ray.engine.machine import Machine, this_machine
from sgen_ray.engine.messages import PoolSpec
from sgen_ray.engine.pool import Pool
from sgen_ray.engine.ray_calls import RayCall, RayWorker, canceled, on_ray, remote_class
from sgen_ray.engine.ray_start import end, family, join, set_environment
from sgen_ray.engine.runtime import Link


class RayRuntime:
    """Connects at the first need, so that a film that is already in the store starts no cluster.

    On a cluster of its own the pool is in this process, which saves starting another; on one that was there before it
    is a detached actor, which films of other drivers use too.

    Raises:
        EngineError: there is no cluster at the address.
    """

    def __init__(self, address: str | None = None, object_store_mib: int = 300) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS") or None
        self._object_store = object_store_mib << 20
        self._workers: list[RayWorker] = []
        self._processes: list[psutil.Process] = []  # of a cluster of its own, without what those started
        self._pools: dict[tuple[str, str], PoolHere] = {}
        self._here: Machine | None = None
        self._connected = False
        self._opened = False

    @property
    def machine(self) -> Machine:
        if self._address is None and not on_ray():
            # As it was at first: memory that our own workers take does not count against them.
            self._here = self._here or this_machine()
            return self._here
        ray = self._connect()
        resources = ray.cluster_resources()
        names = sorted(name.split(":", 1)[1] for name in resources if name.startswith("accelerator_type:"))
        return Machine(
            cpus=int(resources.get("CPU", 0)),
            gpus=int(resources.get("GPU", 0)),
            memory=int(resources.get("memory", 0)),
            accelerator=" + ".join(names),
        )

    def start(self, actor: type, args: Sequence[Any], demand: Demand) -> RayWorker:
        self._connect()
        labels = {"label_selector": dict(demand.labels)} if demand.labels else {}
        remote = remote_class(actor).options(
            num_cpus=demand.cpus, num_gpus=demand.gpus, max_restarts=0, max_task_retries=0, max_concurrency=1, **labels
        )
        worker = RayWorker(remote.remote(canceled, *args))
        # Those that were ended before are forgotten: one runtime may make thousands of films.
        self._workers = [other for other in self._workers if not other.ended] + [worker]
        return worker

    def link(self, spec: PoolSpec) -> Link:
        self._connect()
        if self._opened and self._address is None:
            # Kept for the next film on this runtime, weights and all.
            return self._pools.setdefault((spec.name, spec.version), PoolHere(Pool(self, spec)))
        return SharedPool(spec, RayRuntime)

    def share(self, value: Any) -> Any:
        return self._connect().put(value)

    def wait(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        import ray

        refs = [call.small for call in calls if isinstance(call, RayCall)]
        ready, _ = ray.wait(refs, num_returns=1, timeout=timeout)
        if ready:
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        done = set(ready)
        return [call for call in calls if isinstance(call, RayCall) and call.small in done]

    def draining(self) -> frozenset[str]:
        try:  # private, but used by Ray's own libraries, and not worth a film where it is gone
            from ray._private.state import state

            return frozenset(state.get_draining_nodes())
        except Exception:
            return frozenset()

    @property
    def driver(self) -> str:
        """An actor by its own id; a plain process by that of its Ray job, which ends with its connection."""
        context = self._connect().get_runtime_context()
        if actor := this_actor():
            return f"actor {actor}"
        return f"job {context.get_job_id()}" if context.worker.mode == self._connect().SCRIPT_MODE else ""

    def ended(self, drivers: Collection[str]) -> frozenset[str]:
        try:  # private as well: without it the lease runs out, some seconds later
            from ray._private.state import state

            dead = {f"job {job['JobID']}" for job in state.job_table() if job["IsDead"]}
        except Exception:
            dead = set()
        actors = {name for kind, _, name in (driver.partition(" ") for driver in drivers) if kind == "actor"}
        return frozenset((dead | {f"actor {name}" for name in ended_actors(actors)}).intersection(drivers))

    def cancel(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if isinstance(call, RayCall):
                import ray

                ray.cancel(call.small)

    def works(self) -> bool:
        if not self._connected:
            return True
        import ray

        try:
            return any(node["Alive"] for node in ray.nodes())
        except Exception:  # it is not connected any more, or nobody answers
            return False

    def close(self) -> None:
        if not self._connected:
            return
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        if self._opened:
            import ray

            those = family(self._processes)
            ray.shutdown()
            end(those, patience=5.0)

    def _connect(self) -> Any:
        set_environment(own=self._address is None)
        import ray

        if not self._connected and not ray.is_initialized():
            self._processes = join(self._address, self._object_store)
            self._opened = True
        self._connected = True
        return ray


def this_actor() -> str:
    """The id of the actor that this process is; empty where it is none."""
    if not on_ray():
        return ""
    return sys.modules["ray"].get_runtime_context().get_actor_id() or ""


def ended_actors(ids: Collection[str]) -> frozenset[str]:
    """Those of these actors that have ended for good, on the cluster that this process is connected to."""
    if not on_ray():
        return frozenset()
    try:
        from ray._private.state import state

        return frozenset(name for name in ids if state.actor_table(name).get("State") == "DEAD")
    except Exception:
        return frozenset()


@contextmanager
def connected(address: str | None = None, object_store_mib: int = 300) -> Iterator[None]:
    """Ray for whoever needs it beside films: the cluster at the address, or one of our own that ends with the context.
    Raises EngineError as `RayRuntime`."""
    runtime = RayRuntime(address, object_store_mib)
    try:
        runtime._connect()
        yield
    finally:
        runtime.close()
