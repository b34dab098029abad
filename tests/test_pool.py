"""The pool by itself, on workers that do nothing and a clock that a test winds: no threads, no Ray."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from toy_model import ToyFactory, request

from sgen_ray.engine.actors import Planner
from sgen_ray.engine.calls import Call, Demand, WorkerDied
from sgen_ray.engine.machine import Machine
from sgen_ray.engine.messages import Granted, JobSpec, Kind, Loss, Need, PoolSpec, Wish, Workforce
from sgen_ray.engine.pool import ARRIVAL, Pool, pools_here
from sgen_ray.engine.staff import CLEAR_WITHIN
from sgen_ray.errors import Cancelled, EngineError, ModelError

LEASE = 30.0


@dataclass(eq=False)
class StillCall:
    """Ends when the test says so."""

    done: bool = False
    value: Any = None

    @property
    def payload(self) -> Any:
        return None

    def result(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@dataclass(eq=False)
class StillWorker:
    machine: str
    load: StillCall
    killed: bool = False
    abandoned: int = 0
    resumed: StillCall = field(default_factory=StillCall)
    turns: list[int] = field(default_factory=list)

    def call(self, method: str, *args: Any) -> StillCall:
        self.turns += args
        return {"load": self.load, "resume": self.resumed}[method]

    def status(self) -> StillCall:
        return StillCall(True)

    def node(self) -> StillCall:
        return StillCall(True, self.machine)

    def abandon(self, turn: int) -> None:
        self.abandoned = turn

    def kill(self) -> None:
        self.killed = True


@dataclass
class Still:
    """A runtime whose workers load at once, or when `loads` says."""

    loads: StillCall = field(default_factory=lambda: StillCall(True))
    workers: list[StillWorker] = field(default_factory=list)
    going: frozenset[str] = frozenset()
    driver: str = ""
    over: frozenset[str] = frozenset()
    now: float = 0.0

    @property
    def machine(self) -> Machine:
        return Machine(4, 0, 0)

    def start(self, actor: type, args: Sequence[Any], demand: Demand) -> StillWorker:
        self.workers.append(StillWorker(f"node {len(self.workers)}", self.loads))
        return self.workers[-1]

    def link(self, spec: PoolSpec) -> Any: ...

    def share(self, value: Any) -> Any:
        return value

    def wait(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        return [call for call in calls if isinstance(call, StillCall) and call.done]

    def draining(self) -> frozenset[str]:
        return self.going

    def ended(self, drivers: Collection[str]) -> frozenset[str]:
        return self.over.intersection(drivers)

    def cancel(self, calls: Sequence[Call]) -> None: ...

    def works(self) -> bool:
        return True

    def close(self) -> None: ...

    @property
    def alive(self) -> int:
        return sum(not worker.killed for worker in self.workers)


def pool(runtime: Still, **wishes: Any) -> Pool:
    kind = Kind(object, (), Demand())
    spec = PoolSpec(**{"name": "toy", "version": "1", "kinds": {"planner": kind, "renderer": kind}, **wishes})
    return Pool(runtime, spec, clock=lambda: runtime.now)


def ask(
    pool: Pool, job: str, now: int, soon: int | None = None, planner: int = 0, limit: int = 4, **more: Any
) -> Granted:
    needs = {"renderer": Need(now, now if soon is None else soon), "planner": Need(planner, planner)}
    spec = JobSpec(job, tenant=more.pop("tenant", "local"), limit=limit, driver=more.pop("driver", ""))
    return pool.sync(spec, Wish(needs, frozenset(more.pop("returned", ())), tuple(more.pop("lost", ()))))


def ids(granted: Granted, recalled: bool | None = None) -> list[int]:
    return [held.id for held in granted.held if recalled is None or held.recalled is recalled]


def test_two_jobs_share_and_the_first_is_asked_for_what_the_second_is_due() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "a", 4)
    assert len(ids(ask(shared, "a", 4))) == 4
    assert ids(ask(shared, "b", 4)) == []
    first = ask(shared, "a", 4)
    assert len(ids(first, recalled=True)) == 2
    kept = ids(ask(shared, "a", 4, returned=ids(first, recalled=True)))
    assert len(kept) == 2
    taken = ids(ask(shared, "b", 4))
    assert sorted([*kept, *taken]) == [0, 1, 2, 3]
    assert runtime.alive == 4  # nothing was started anew
    shared.leave("a", frozenset(kept))
    assert len(ids(ask(shared, "b", 4))) == 4


def test_a_planner_that_is_done_makes_room_on_gpus() -> None:
    runtime = Still()
    shared = pool(runtime, exclusive=True)
    ask(shared, "a", 0, soon=2, planner=1, limit=2)
    granted = ask(shared, "a", 0, soon=2, planner=1, limit=2)
    assert [held.kind for held in granted.held] == ["planner"]
    assert runtime.alive == 2
    ask(shared, "a", 2, limit=2, returned=ids(granted))
    granted = ask(shared, "a", 2, limit=2)
    assert [held.kind for held in granted.held] == ["renderer", "renderer"]
    assert runtime.alive == 2


def test_workers_stay_warm_and_go_when_nobody_comes() -> None:
    runtime = Still()
    shared = pool(runtime, idle=60.0)
    ask(shared, "a", 2, limit=2)
    shared.leave("a", frozenset(ids(ask(shared, "a", 2, limit=2))))
    runtime.now = 59
    shared.tick()
    assert len(ids(ask(shared, "b", 2, limit=2))) == 2
    assert len(runtime.workers) == 2
    shared.leave("b", frozenset({0, 1}))
    runtime.now = 118
    shared.tick()
    assert runtime.alive == 2 and not shared.over
    runtime.now = 119
    shared.tick()
    assert runtime.alive == 0 and shared.over


def test_a_pool_tells_its_workforce() -> None:
    runtime = Still()
    shared = pool(runtime, idle=60.0)
    assert shared in pools_here
    assert shared.workforce()["renderer"] == Workforce(wanted=0, ready=0, lent=0)
    ask(shared, "a", 3, limit=3)
    assert shared.workforce()["renderer"] == Workforce(wanted=3, ready=0, lent=0)
    held = ids(ask(shared, "a", 2, limit=3))
    assert shared.workforce() == {"planner": Workforce(0, 0, 0), "renderer": Workforce(3, 3, len(held))}
    shared.leave("a", frozenset(held))
    runtime.now = 61
    shared.tick()
    assert shared.workforce()["renderer"] == Workforce(wanted=0, ready=0, lent=0)


def test_where_the_cluster_got_smaller_a_worker_that_waits_for_room_goes_before_a_warm_one() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "a", 1, limit=2)
    runtime.loads = StillCall()  # no room for another
    held = ids(ask(shared, "a", 2, limit=2))
    assert held == [0] and runtime.alive == 2
    shared.leave("a", frozenset(held))
    ask(shared, "b", 2, limit=1)
    assert [worker.killed for worker in runtime.workers] == [False, True]
    assert ids(ask(shared, "b", 2, limit=1)) == [0]


def test_a_new_pool_waits_for_the_job_that_made_it() -> None:
    """However soon an idle one goes: its process may be up before the job's first word is."""
    runtime = Still()
    shared = pool(runtime, idle=0.2)
    runtime.now = ARRIVAL - 1
    assert not shared.over
    shared.leave("a", frozenset(ids(ask(shared, "a", 1))))
    runtime.now += 0.5
    shared.tick()
    assert shared.over
    unheard = pool(runtime, idle=0.2)
    runtime.now += ARRIVAL + 0.5
    assert unheard.over


def test_the_least_stay() -> None:
    runtime = Still()
    shared = pool(runtime, idle=1.0, least=1)
    shared.leave("a", frozenset(ids(ask(shared, "a", 3))))
    runtime.now = 100
    shared.tick()
    assert runtime.alive == 1 and not shared.over


def test_a_driver_that_dies_is_noticed_and_its_workers_are_cleared_first() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "dead", 2, limit=2)
    ask(shared, "dead", 2, limit=2)
    runtime.now = LEASE
    assert ids(ask(shared, "b", 2, limit=2)) == []
    runtime.now = LEASE + 1
    assert ids(ask(shared, "b", 2, limit=2)) == []
    assert all(worker.abandoned for worker in runtime.workers)
    runtime.workers[0].resumed.done = True
    assert ids(ask(shared, "b", 2, limit=2)) == [0]
    runtime.now += CLEAR_WITHIN  # the other does not stop: it is ended and replaced
    ask(shared, "b", 2, limit=2)
    assert runtime.workers[1].killed
    assert ids(ask(shared, "b", 2, limit=2)) == [0, 2]


def test_a_worker_is_cleared_each_time_it_must_be() -> None:
    runtime = Still()
    shared = pool(runtime)
    for turn in (1, 2):
        ask(shared, "gone", 1, limit=1)
        assert ids(ask(shared, "gone", 1, limit=1)) == [0]
        shared.leave("gone", frozenset())
        (worker,) = runtime.workers
        assert (worker.abandoned, worker.turns[-1]) == (turn, turn)
        worker.resumed.done = True
        shared.tick()


def test_a_worker_works_on_where_it_heard_that_it_may_before_it_heard_to_stop() -> None:
    """Both are said at once, and heard by two threads."""
    worker = Planner(lambda: False, ToyFactory(), "cpu", 1)
    worker.load()
    worker.resume(1)
    worker.abandon(1)
    assert worker.plan(request())
    worker.abandon(2)
    with pytest.raises(Cancelled):
        worker.plan(request())
    worker.resume(2)
    assert worker.plan(request())


def test_a_driver_that_is_known_to_have_ended_is_not_waited_for() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "a", 4, driver="job 1")
    ask(shared, "b", 4, driver="job 2")
    runtime.over = frozenset({"job 1"})
    runtime.now = 0.5
    shared.tick()
    assert not any(worker.abandoned for worker in runtime.workers)  # it has just spoken
    runtime.now = 1.4
    ask(shared, "b", 4, driver="job 2")
    runtime.now = 2.0
    shared.tick()
    for worker in runtime.workers:
        worker.resumed.done = True
    assert len(ids(ask(shared, "b", 4, driver="job 2"))) == 4


def test_a_worker_that_died_is_replaced_and_memory_makes_fewer() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "a", 3, limit=3)
    ask(shared, "a", 3, limit=3)
    ask(shared, "a", 3, limit=3, lost=[Loss(0)])
    assert ids(ask(shared, "a", 3, limit=3)) == [1, 2, 3]
    ask(shared, "a", 3, limit=3, lost=[Loss(1, out_of_memory=True)])
    assert ids(ask(shared, "a", 3, limit=3)) == [2, 3]


@pytest.mark.parametrize(
    ("cause", "expected", "message"),
    [
        (ModelError("cut off; install it again"), ModelError, "cut off"),
        (KeyError("x"), EngineError, "cannot load its model"),
    ],
)
def test_a_load_that_fails_surfaces_and_is_not_tried_again(cause: Exception, expected: type, message: str) -> None:
    runtime = Still(StillCall(True, cause))
    shared = pool(runtime)
    ask(shared, "a", 1, limit=1)
    for _ in range(3):
        failure = ask(shared, "a", 1, limit=1).failed["renderer"]
        assert isinstance(failure, expected) and message in str(failure)
    assert len(runtime.workers) == 1
    runtime.loads.value = None  # mended
    ask(shared, "b", 1, limit=1)
    assert len(ids(ask(shared, "b", 1, limit=1))) + len(ids(ask(shared, "a", 1, limit=1))) >= 1


def test_deaths_while_loading_end() -> None:
    runtime = Still(StillCall(True, WorkerDied("killed")))
    shared = pool(runtime, deaths=2)
    for _ in range(9):
        granted = ask(shared, "a", 1, limit=1)
    assert "3 renderers died one after another: killed" in str(granted.failed["renderer"])
    assert len(runtime.workers) == 3


def test_a_machine_that_goes_gets_no_new_window() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "a", 2, limit=2)
    assert ids(ask(shared, "a", 2, limit=2)) == [0, 1]
    runtime.going, runtime.now = frozenset({"node 0"}), 2.0
    granted = ask(shared, "a", 2, limit=2)
    assert ids(granted, recalled=True) == [0]
    ask(shared, "a", 2, limit=2, returned=[0])
    assert runtime.workers[0].killed
    assert ids(ask(shared, "a", 2, limit=2)) == [1, 2]


def test_a_retired_pool_keeps_one_worker_for_its_jobs_and_ends_with_them() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "a", 3)
    assert len(ids(ask(shared, "a", 3))) == 3
    shared.retire()
    granted = ask(shared, "a", 3)
    assert len(ids(granted, recalled=True)) == 2
    granted = ask(shared, "a", 3, returned=ids(granted, recalled=True))
    assert len(ids(granted, recalled=False)) == 1
    assert runtime.alive == 1
    shared.leave("a", frozenset(ids(granted)))
    assert runtime.alive == 0 and shared.over


def test_another_model_may_have_the_room_of_idle_workers() -> None:
    runtime = Still()
    shared = pool(runtime)
    ask(shared, "a", 1, soon=3)
    ask(shared, "a", 1, soon=3)
    shared.make_room()
    assert runtime.alive == 1


def test_a_pool_takes_in_whoever_speaks_to_it() -> None:
    """As one that was made anew does: the job's old workers are not among those that it holds."""
    runtime = Still()
    shared = pool(runtime)
    granted = ask(shared, "a", 1, limit=1, returned=[7], lost=[Loss(8)])
    assert ids(granted) == []
    assert ids(ask(shared, "a", 1, limit=1)) == [0]
