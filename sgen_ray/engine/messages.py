"""What a job and the pool say to each other. Each message is the whole state of its sender, so none is missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sgen_ray.engine.calls import Demand, Worker


@dataclass(frozen=True)
class Kind:
    """A kind of worker: `actor(canceled, *args)`, and what each needs of its machine."""

    actor: type
    args: Sequence[Any]
    demand: Demand


@dataclass(frozen=True)
class PoolSpec:
    """Everything that a pool is made from.

    Attributes:
        name: pools of one name are versions of each other, and only one of them has the room. "" is a film's own pool.
        version: of the package and the weights: what makes workers not interchangeable.
        exclusive: each worker takes a GPU, so that planners and renderers share one limit.
        deaths: workers that may die one after another while they load.
        least, idle: the pool shrinks to `least` renderers when they had nothing to do for `idle` seconds.
        lease: seconds without a message after which a job's driver is taken to be dead; one that lives speaks every
            `crew.TICK`.
        namespace: Ray's, where the pool's name is.
    """

    name: str
    version: str
    kinds: Mapping[str, Kind]
    exclusive: bool = False
    deaths: int = 6
    least: int = 0
    idle: float = 300.0
    lease: float = 30.0
    namespace: str = "sgen"


@dataclass(frozen=True)
class JobSpec:
    """Who asks: `weight` among the jobs of its tenant, whose `share` is among tenants; `limit`: renderers at most;
    `driver`: the process, as `Runtime.ended` knows it."""

    id: str
    tenant: str = "local"
    share: float = 1.0
    weight: float = 1.0
    limit: int = 1
    driver: str = ""


@dataclass(frozen=True)
class Need:
    """Workers of a kind that a job could keep busy `now`, and `soon`: these may load meanwhile."""

    now: int
    soon: int


@dataclass(frozen=True)
class Loss:
    """A worker that died in a job's hands."""

    worker: int
    out_of_memory: bool = False


@dataclass(frozen=True)
class Wish:
    """From a job: what it needs by kind, which workers it gives back, and which died."""

    needs: Mapping[str, Need]
    returned: frozenset[int] = frozenset()
    lost: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class Held:
    """A worker that a job holds. `number` is small and shown to people; `recalled`: give it back after its call."""

    id: int
    number: int
    kind: str
    worker: Worker
    recalled: bool = False


@dataclass(frozen=True)
class Trouble:
    """A worker died while it loaded; the pool goes on."""

    worker: str
    cause: str


@dataclass(frozen=True)
class Granted:
    """From the pool: all that the job holds now, how many workers of each kind are ready at all, and what went wrong.

    failed: by kind, why no worker of it can start: nothing will come of waiting.
    """

    held: tuple[Held, ...] = ()
    ready: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, Exception] = field(default_factory=dict)
    news: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Workforce:
    """Workers of one kind in a pool: how many there are to be, have loaded their model, and are lent to jobs."""

    wanted: int
    ready: int
    lent: int

    def __add__(self, other: Workforce) -> Workforce:
        return Workforce(self.wanted + other.wanted, self.ready + other.ready, self.lent + other.lent)
