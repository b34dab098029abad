"""Where a film is made: a runtime, the workers on it, and the store."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgen_ray import __version__
from sgen_ray.engine import actors
from sgen_ray.engine.calls import Demand
from sgen_ray.engine.cluster import RayRuntime
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.crew import TICK, Crew, Done, Task
from sgen_ray.engine.events import Looked, PlanStep, WindowStep
from sgen_ray.engine.lease import Lease, PoolHere, finished
from sgen_ray.engine.local import LocalRuntime
from sgen_ray.engine.machine import Layout, Machine, choose
from sgen_ray.engine.messages import JobSpec, Kind, PoolSpec
from sgen_ray.engine.policy import RetryPolicy
from sgen_ray.engine.pool import Pool
from sgen_ray.engine.runtime import Runtime
from sgen_ray.engine.stored import encode_preview
from sgen_ray.engine.watch import Watch
from sgen_ray.errors import PlanError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.fingerprints import local_backend, plan_fingerprint
from sgen_ray.jobs.plan_file import plan_from_bytes, plan_to_bytes
from sgen_ray.protocols import ModelFactory
from sgen_ray.types import Latents, Plan, Tokens, VideoRequest

MANY = 1 << 20
"""Windows, where their number is not what limits the renderers."""

STOP_WITHIN = 5.0
"""Seconds that running calls are given to stop at their next step before their processes are ended."""


class Studio:
    """One film's workers, planner and renderers on loan from a pool and a stitcher of its own.

    `windows` is what the renderers are to share; hardware is taken to be alike on all machines.
    """

    def __init__(
        self,
        runtime: Runtime,
        factory: ModelFactory,
        artifacts: Artifacts,
        engine: EngineConfig,
        watch: Watch,
        windows: int,
    ) -> None:
        self.runtime, self.artifacts, self.watch = runtime, artifacts, watch
        self._factory, self._engine = factory, engine
        machine = runtime.machine
        self.layout = lay_out_workers(machine, windows, engine)
        self.backend = local_backend(self.layout.device, machine.accelerator)
        self.model = factory.fingerprint()
        # What the machines can hold bounds the pool, not what this film asks for: others work there too.
        room = engine.max_renderers or choose(machine, MANY, None, engine.threads, engine.device).renderers
        limit = max(self.layout.renderers, room)
        self._job = JobSpec(uuid.uuid4().hex, engine.tenant, engine.share, engine.weight, limit)
        self._leases: list[Lease] = []
        self._own: list[Pool] = []
        self._looked = 0.0

    def plan_name(
        self, request: VideoRequest, held: Mapping[int, Tokens] | None = None, first: Latents | None = None
    ) -> str:
        return plan_fingerprint(request, self.model, self.backend, held, first)

    def stored_plan(
        self, request: VideoRequest, held: Mapping[int, Tokens] | None = None, first: Latents | None = None
    ) -> Plan | None:
        """The plan of an earlier run of the same request, whatever its size, frame rate and rendering steps were."""
        data = self.artifacts.get("plan", self.plan_name(request, held, first))
        try:
            return None if data is None else replace(plan_from_bytes(data), request=request)
        except PlanError:  # of an older version
            return None

    def check(self, plan: Plan) -> None:
        """Raises PlanError where the plan is not this model's."""
        check_plan(plan, self._factory)

    def planner(self) -> Crew:
        return self._crew(self._pool(), "planner")

    def renderers(self, most: int | None = None) -> Crew:
        """As many as the layout says, and no more than `most`."""
        size = self.layout.renderers if most is None else max(1, min(self.layout.renderers, most))
        return self._crew(self._pool(), "renderer", size, self._engine.in_flight)

    def stitcher(self, spec: actors.BlendSpec, joined: Sequence[Any]) -> Crew:
        """`joined` is looked at again for each stitcher that must replace another."""
        kind = Kind(actors.Stitcher, (spec, self.artifacts.uri, joined), Demand())
        own = PoolSpec("", "", {"stitcher": kind}, deaths=self._engine.max_deaths)
        pool = Pool(self.runtime, own)
        self._own.append(pool)
        lease = Lease(PoolHere(pool), self._job, self.watch.tell)
        self._leases.append(lease)
        return self._crew(lease, "stitcher")

    def make_plan(
        self,
        planner: Crew,
        request: VideoRequest,
        held: Mapping[int, Tokens] | None = None,
        first: Latents | None = None,
    ) -> Plan:
        """Plans and stores the plan. The planner is let go: its GPU is needed for a renderer."""
        planner.submit(Task("plan", 0, (request, held)))
        seconds, plan, thumbnails = next(done.result for done in list(self.finished()))
        self.watch.did("plan", seconds)
        self.watch.finished("plan")
        planner.close()
        data, name = plan_to_bytes(replace(plan, first=first)), self.plan_name(request, held, first)
        self.artifacts.put("preview", name, encode_preview(thumbnails))  # first: where the plan is, it is too
        self.artifacts.put("plan", name, data)
        return plan_from_bytes(data)  # arrays of its own: those that Ray gives end with the cluster

    def preview(self, plan: Plan) -> NDArray[np.uint8]:
        """One thumbnail a semantic step, [S, H, W, 3]."""
        self.planner().submit(Task("preview", 0, (plan,)))
        return np.array(next(done.result for done in list(self.finished())))

    def finished(self) -> Iterator[Done]:
        """Finished tasks of all crews until none is left, while steps are told and memory is gauged."""
        return finished(self.runtime, self._leases, self._look)

    def close(self) -> None:
        """Gives all workers back, as others may have them while the film is joined, and ends those of its own."""
        for lease in self._leases:
            lease.close()
        self._leases.clear()
        for pool in self._own:
            pool.end()
        self._own.clear()

    def stop(self) -> None:
        """Asks every running call to stop, and waits for it as long as a step may take."""
        calls = [call for crew in self._crews() for call in crew.calls()]
        self.runtime.cancel(calls)
        until = time.monotonic() + STOP_WITHIN
        while calls and time.monotonic() < until:
            done = {id(call) for call in self.runtime.wait(calls, TICK)}
            calls = [call for call in calls if id(call) not in done]

    def _pool(self) -> Lease:
        """Of the pool of planner and renderers; it is looked for when it is first needed."""
        if not self._leases:
            link = self.runtime.link(pool_spec(self._factory, self.layout, self._engine))
            job = replace(self._job, driver=self.runtime.driver)
            self._leases.append(Lease(link, job, self.watch.tell))
        return self._leases[0]

    def _crew(self, lease: Lease, kind: str, size: int = 1, depth: int = 1) -> Crew:
        self.watch.begin("load")
        retry = RetryPolicy(self._engine.max_attempts, self._engine.max_deaths)
        crew = Crew(
            kind, self.runtime, self.watch.tell, retry, size=size, depth=depth, timeout=self._engine.start_timeout
        )
        lease.crews[kind] = crew
        lease.poll()
        return crew

    def _crews(self) -> Iterator[Crew]:
        return (crew for lease in self._leases for crew in lease.crews.values())

    def _look(self) -> None:
        self.watch.gauge()
        if any(crew.ready for crew in self._crews() if crew.name != "stitcher"):
            self.watch.loaded()
        self.watch.tell(Looked())
        if time.monotonic() - self._looked < TICK:
            return
        self._looked = time.monotonic()
        for crew in self._crews():
            for worker, status in crew.statuses():
                match status.method:
                    case "plan":
                        self.watch.begin("plan")
                        if status.total:
                            self.watch.tell(PlanStep(status.done, status.total))
                    case "render":
                        self.watch.begin("render")
                        if status.total:
                            self.watch.tell(WindowStep(status.index, worker, status.done, status.total))


def lay_out_workers(machine: Machine, windows: int, engine: EngineConfig) -> Layout:
    """As the machine suggests and the settings wish."""
    layout = choose(machine, windows, engine.renderers, engine.threads, engine.device)
    if engine.renderers is None and engine.max_renderers is not None:
        return replace(layout, renderers=min(engine.max_renderers, windows))
    return layout


def pool_spec(factory: ModelFactory, layout: Layout, engine: EngineConfig) -> PoolSpec:
    """The pool for this model on such machines: same name, same kind of work; same version, same workers."""
    demand = Demand(layout.cpus, layout.gpus, engine.labels)
    labels = "".join(f":{name}={value}" for name, value in sorted(engine.labels.items()))
    return PoolSpec(
        name=f"{factory.name}:{layout.device}x{layout.threads}{labels}",
        version=f"{__version__}:{factory.fingerprint()[:16]}",
        kinds={
            "planner": Kind(
                actors.Planner,
                (factory, layout.device, layout.planner_threads),
                Demand(gpus=layout.gpus, labels=engine.labels),
            ),
            "renderer": Kind(actors.Renderer, (factory, layout.device, layout.threads), demand),
        },
        exclusive=layout.gpus > 0,
        deaths=engine.max_deaths,
        least=engine.min_renderers,
        idle=engine.idle,
        lease=engine.lease,
        namespace=engine.namespace,
    )


def check_plan(plan: Plan, factory: ModelFactory) -> None:
    """Raises PlanError where the plan is not this model's."""
    if plan.grid != factory.grid or plan.model_fingerprint != factory.fingerprint():
        raise PlanError(
            f"the plan was made by another model than {factory.name!r}; "
            "name the model that made it with --model, or plan again"
        )


@contextmanager
def opened(engine: EngineConfig) -> Iterator[Runtime]:
    """A runtime that is closed whatever happens."""
    runtime: Runtime = LocalRuntime() if engine.in_process else RayRuntime(engine.address, engine.object_store_mib)
    try:
        yield runtime
    finally:
        runtime.close()
