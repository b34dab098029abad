"""How the engine works: nothing here may change a frame, except how windows and segments are cut and come to agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from sgen_ray.windows import SEAMS, SEGMENT_LENGTH, WINDOW_LENGTH, WINDOW_OVERLAP, Seams


@dataclass(frozen=True)
class EngineConfig:
    """None means: chosen from the machine (`machine.choose`).

    Attributes:
        renderers, threads: how many renderers this film uses at most, and CPU threads of each.
        min_renderers, max_renderers: of the pool that films of a cluster share: how many stay when there is nothing to
            do, and how many there may be, where that is more than the cluster has now, as its autoscaler brings more.
        idle: seconds after which a renderer of that pool that has nothing to do goes.
        lease: seconds without a word after which a film's driver is taken to be dead, and its renderers go to others.
        labels: of the machines to use, as Ray's label selectors: {"ray.io/accelerator-type": "in(H100,H200)"}.
        tenant, share, weight: films of tenants get renderers by their shares, those of one tenant by their weights.
        device: where models run; "auto" is a GPU for each renderer where there are some.
        window, overlap, segment: in latent frames; these belong to the film and change its frames.
        seams: how windows come to agree (`windows.window_tasks`); belongs to the film too.
        max_attempts: how often one window or segment is tried before the film fails with its cause.
        max_deaths: workers that may die one after another while nothing gets finished.
        in_flight: calls that a busy renderer holds, the running one included.
        start_timeout: seconds to wait for the first worker, where a cluster has no room.
        in_process: threads of this process instead of Ray.
        address: of a Ray cluster; by default RAY_ADDRESS, or a cluster of its own on this machine.
        namespace: Ray's, in which films of a cluster share their pools.
        object_store_mib: shared memory of a cluster of its own.
    """

    renderers: int | None = None
    threads: int | None = None
    min_renderers: int = 0
    max_renderers: int | None = None
    idle: float = 300.0
    lease: float = 30.0
    labels: Mapping[str, str] = field(default_factory=dict)
    tenant: str = "local"
    share: float = 1.0
    weight: float = 1.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    window: int = WINDOW_LENGTH
    overlap: int = WINDOW_OVERLAP
    segment: int = SEGMENT_LENGTH
    seams: Seams = SEAMS
    max_attempts: int = 3
    max_deaths: int = 6
    in_flight: int = 2
    start_timeout: float = 300.0
    in_process: bool = False
    address: str | None = None
    namespace: str = "sgen"
    object_store_mib: int = 300

    def __post_init__(self) -> None:
        for name in ("renderers", "max_renderers", "threads", "max_attempts", "max_deaths", "in_flight"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        for name in ("share", "weight"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a number above 0, not {getattr(self, name)}")
        if self.seams not in get_args(Seams):
            raise ValueError(f"seams must be one of {', '.join(get_args(Seams))}, not {self.seams!r}")
