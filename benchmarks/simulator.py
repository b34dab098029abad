"""The pool's policies at a size no test can have: 1,000 spot renderers and 10,000 films a day."""

from __future__ import annotations

import argparse
import os
import statistics
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from pathlib import Path

import numpy as np
from common import each, percent, save, show

from sgen_ray.engine.policy import Claim, Ledger, shares, sizes

DAY = 86_400.0
TICK = 20.0
"""Seconds between two rounds of sharing out, in which a renderer that was given back does nothing. The pool does it
several times a second; windows take some five minutes here, so that utilisation comes out a few percent too low."""


@dataclass(eq=False)
class Job:
    id: str
    tenant: str
    came: float
    left: int  # windows not begun
    windows: int
    wants: int
    arrival: int
    running: int = 0
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Day:
    """What came of it. Seconds; `utilisation` is of the renderers that were alive."""

    jobs: int
    completed: int
    failed: int
    losses: int
    utilisation: float
    lost_work: float
    queued: list[float]
    stretch: list[float]
    tenants: dict[str, tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--renderers", type=int, default=1000, help="at most")
    parser.add_argument("--jobs", type=int, default=10_000, help="a day")
    parser.add_argument("--load", type=float, default=0.85, help="work that comes, over what all renderers can do")
    parser.add_argument("--lifetime", type=float, default=6.0, help="hours that a spot machine lives, on average")
    parser.add_argument("--loading", type=float, default=120.0, help="seconds until a new renderer works")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=min(3, os.cpu_count() or 1), help="processes of one thread")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--small", action="store_true", help="20 renderers, 200 jobs")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.renderers, arguments.jobs = 20, 200
    cases = {"as it comes": (arguments.lifetime, arguments.load), "no losses": (float("inf"), arguments.load),
             "overloaded": (arguments.lifetime, 1.3)}  # fmt: skip
    tasks = [(arguments.renderers, arguments.jobs, load, life * 3600, arguments.loading, arguments.seed)
             for life, load in cases.values()]  # fmt: skip
    days = dict(zip(cases, each(simulate, tasks, arguments.workers, "days"), strict=True))
    columns = ["case", "jobs", "completed", "machines lost", "utilisation", "work lost", "queued, median s", "95 %, s",
               "stretch, median", "95 %"]  # fmt: skip
    rows = [[name, d.jobs, d.completed, d.losses, percent(d.utilisation), percent(d.lost_work),
             statistics.median(d.queued), float(np.quantile(d.queued, 0.95)),
             statistics.median(d.stretch), float(np.quantile(d.stretch, 0.95))]
            for name, d in days.items()]  # fmt: skip
    show(f"{arguments.jobs} jobs a day on {arguments.renderers} renderers", columns, rows)
    fair = [[name, tenant, *values] for name, d in days.items() for tenant, values in d.tenants.items()]
    show("Fairness: tenants of equal share, the first with seven in ten of all jobs",
         ["case", "tenant", "queued, mean s", "stretch, mean"], fair)  # fmt: skip
    figures = {
        name: {
            "jobs": d.jobs, "completed": d.completed, "failed": d.failed, "losses": d.losses,
            "utilisation": d.utilisation, "lost_work": d.lost_work,
            "queued": {"median": statistics.median(d.queued), "p95": float(np.quantile(d.queued, 0.95))},
            "stretch": {"median": statistics.median(d.stretch), "p95": float(np.quantile(d.stretch, 0.95))},
            "tenants": {t: {"queued_mean": q, "stretch_mean": s} for t, (q, s) in d.tenants.items()},
        }
        for name, d in days.items()
    }  # fmt: skip
    save("simulator", arguments, figures, judged=False, painted=False)


def simulate(task: tuple[int, int, float, float, float, int]) -> Day:
    """One day of arrivals, by day more than by night, until the last job is over. Windows are scaled to the load.

    task: renderers at most, jobs, load, seconds that a machine lives, seconds of loading, seed.
    """
    most, jobs, load, lifetime, loading, seed = task
    random = np.random.default_rng(seed)
    coming = _arrivals(jobs, random)
    window_seconds = load * most * DAY / sum(job.windows for job in coming)
    return _Simulation(most, coming, window_seconds, lifetime, loading, random).run()


def _arrivals(jobs: int, random: np.random.Generator) -> list[Job]:
    """One tenant with 70 % of all jobs and nine others; films of 10 s to 20 minutes, most of them short."""
    times = np.sort(DAY * random.beta(2, 2, jobs))
    tenants = random.choice(10, jobs, p=[0.7, *[0.3 / 9] * 9])
    windows = np.clip(random.lognormal(np.log(15), 1.0, jobs), 2, 300).astype(int)
    return [
        Job(
            f"job {i}",
            "many" if tenant == 0 else f"few {tenant}",
            float(when),
            int(n),
            int(n),
            min(int(n), 64),
            i,
        )
        for i, (when, tenant, n) in enumerate(zip(times, tenants, windows, strict=True))
    ]


class _Simulation:
    """Events in order of time; renderers are shared out every `TICK` by the same functions that the pool calls."""

    def __init__(self, most: int, coming: list[Job], seconds: float, lifetime: float, loading: float,
                 random: np.random.Generator) -> None:  # fmt: skip
        self.most, self.coming, self.seconds, self.lifetime, self.loading = most, coming, seconds, lifetime, loading
        self.random = random
        self.events: list[tuple[float, int, str, int]] = []
        self.order = count()
        self.names = count()
        self.free: list[int] = []
        self.warming: set[int] = set()
        self.work: dict[int, tuple[Job, float]] = {}
        self.active: dict[str, Job] = {}
        self.targets: dict[str, int] = {}
        self.tenants, self.served = Ledger(), Ledger()
        self.busy = self.alive_seconds = self.lost = 0.0
        self.losses = 0
        self.done: list[Job] = []

    def run(self) -> Day:
        waiting, now = 0, 0.0
        while waiting < len(self.coming) or self.active:
            now += TICK
            while self.events and self.events[0][0] <= now:
                when, _, what, renderer = heappop(self.events)
                self._happen(when, what, renderer)
            while waiting < len(self.coming) and self.coming[waiting].came <= now:
                job = self.coming[waiting]
                waiting += 1
                self.active[job.id] = job
                self.tenants.enter(job.tenant)
                self.served.enter(job.id)
            self._share_out(now)
            self.alive_seconds += TICK * (len(self.free) + len(self.work))
        return self._day()

    def _happen(self, when: float, what: str, renderer: int) -> None:
        match what:
            case "ready" if renderer in self.warming:
                self.warming.remove(renderer)
                self.free.append(renderer)
            case "finished" if renderer in self.work:
                job, began = self.work.pop(renderer)
                self.busy += when - began
                self._serve(job, when - began)
                job.running -= 1
                self._next(when, renderer, job)
                if not job.left and not job.running:
                    self._over(job, when)
            case "lost":
                self._lose(when, renderer)

    def _next(self, when: float, renderer: int, job: Job) -> None:
        """The job goes on with it at once, unless it was recalled."""
        if job.left and job.running < self.targets.get(job.id, 0):
            self._begin(when, renderer, job)
        else:
            self.free.append(renderer)

    def _begin(self, when: float, renderer: int, job: Job) -> None:
        job.left -= 1
        job.running += 1
        job.began = when if job.began is None else job.began
        self.work[renderer] = job, when
        heappush(self.events, (when + self.seconds * float(self.random.uniform(0.9, 1.1)), next(self.order), "finished",
                               renderer))  # fmt: skip

    def _lose(self, when: float, renderer: int) -> None:
        """Its machine is taken away: no fault of the window, so it does not count among its failures."""
        self.losses += 1
        self.warming.discard(renderer)
        if renderer in self.work:
            job, began = self.work.pop(renderer)
            self.lost += when - began
            self._serve(job, when - began)
            job.running -= 1
            job.left += 1
        elif renderer in self.free:
            self.free.remove(renderer)

    def _serve(self, job: Job, seconds: float) -> None:
        self.served.serve(job.id, seconds, 1.0)
        self.tenants.serve(job.tenant, seconds, 1.0)

    def _over(self, job: Job, when: float) -> None:
        job.ended = when
        del self.active[job.id]
        self.served.leave(job.id)
        if all(other.tenant != job.tenant for other in self.active.values()):
            self.tenants.leave(job.tenant)
        self.done.append(job)

    def _share_out(self, now: float) -> None:
        present = len(self.free) + len(self.work) + len(self.warming)
        needed = sum(min(job.left + job.running, job.wants) for job in self.active.values())
        for _ in range(sizes({"renderer": needed}, {"renderer": present}, self.most, False)["renderer"] - present):
            renderer = next(self.names)
            self.warming.add(renderer)
            heappush(self.events, (now + self.loading, next(self.order), "ready", renderer))
            if self.lifetime < float("inf"):
                lives = float(self.random.exponential(self.lifetime))
                heappush(self.events, (now + lives, next(self.order), "lost", renderer))
        claims = [
            Claim(job.id, job.tenant, min(job.left + job.running, job.wants),
                  tenant_served=self.tenants.served(job.tenant), served=self.served.served(job.id), arrival=job.arrival)
            for job in self.active.values()
        ]  # fmt: skip
        self.targets = shares(len(self.free) + len(self.work), claims)
        for name, target in self.targets.items():
            job = self.active[name]
            while self.free and job.left and job.running < target:
                self._begin(now, self.free.pop(), job)

    def _day(self) -> Day:
        queued = [job.began - job.came for job in self.done if job.began is not None]
        stretch = [self._stretch(job) for job in self.done]
        tenants = {}
        for kind in ("many", "few"):
            theirs = [job for job in self.done if job.tenant.startswith(kind)]
            tenants[kind] = (
                statistics.fmean((job.began or job.came) - job.came for job in theirs),
                statistics.fmean(self._stretch(job) for job in theirs),
            )
        return Day(
            jobs=len(self.coming), completed=len(self.done), failed=len(self.coming) - len(self.done),
            losses=self.losses, utilisation=(self.busy + self.lost) / self.alive_seconds,
            lost_work=self.lost / (self.busy + self.lost), queued=queued, stretch=stretch, tenants=tenants,
        )  # fmt: skip

    def _stretch(self, job: Job) -> float:
        """How many times longer it took than alone on all the renderers that it may have."""
        assert job.ended is not None
        return (job.ended - job.came) / (self.seconds * -(-job.windows // job.wants))


if __name__ == "__main__":
    main()
