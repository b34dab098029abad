"""Does every film come out the same whatever dies? SIGKILL at seeded random times for renderers, planner, stitcher,
the driver that coordinates them, the pool's controller, and whole nodes of a cluster.

Real engine, real Ray, real encoder; only the model is a fast one. One cluster of three nodes serves all runs, and its
pool of renderers stays warm between them, as for the films of a service; each run begins with an empty store. A driver
that was killed is started again, as a person would run the same command again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from fast_model import SMALL, FastFactory, request

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import Event, PlanStep, SegmentEncoded, WindowFinished, WindowStep, WorkerLost
from sgen_ray.engine.generate import generate_film

KINDS = ("renderer", "planner", "stitcher", "coordinator", "controller", "node")
PROCESS = {
    "renderer": "ray::Renderer",
    "planner": "ray::Planner",
    "stitcher": "ray::Stitcher",
    "controller": "ray::Controller",
}
NAMESPACE = "chaos"
IDLE = 10.0
"""Seconds that renderers wait for the next run."""
PLANNED_WITHIN = 0.6
"""Seconds from a driver's begin in which the planner is at work, or nearly so."""
MOST_KILLS = 3
LOOK = 0.01
"""Seconds between two looks for something to kill."""
PATIENCE = 180.0
"""Seconds without an end after which a run counts as hanging."""
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    # A dead node is noticed after some seconds, not after half a minute; much less, and a busy one is taken for dead.
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Kill:
    """kind: of the victim. at: seconds after the driver began with its film, its imports done, or, for a planner, after
    there is one besides."""

    kind: str
    at: float


@dataclass
class Outcome:
    """One run. seconds: of the whole command. film: from its begin to the end of the last driver. struck: (kind, when)
    of what was really killed; missed: kills that came too late. recovery: (kind, seconds from a kill to the film's next
    progress). again: windows painted although they were finished."""

    seed: int
    seconds: float = 0.0
    film: float = 0.0
    completed: bool = False
    identical: bool = False
    again: int = 0
    drivers: int = 0
    missed: int = 0
    struck: list[tuple[str, float]] = field(default_factory=list)
    recovery: list[tuple[str, float]] = field(default_factory=list)
    complaint: str = ""


def main() -> None:
    if sys.argv[1:2] == ["--drive"]:
        drive(Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first run's kills; each run has the next")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the film")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="what may be killed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--small", action="store_const", dest="runs", const=5, help="the same as --runs 5")
    arguments = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, cluster() as nodes:
        folder = Path(name)
        truth = make(folder / "truth", None, arguments.seconds).read_bytes()
        # Two films, so that what is measured is no longer the first use of a fresh cluster.
        calm = [run(folder, truth, nodes, arguments.seconds, -1, []) for _ in range(2)]
        usual = min(calm, key=lambda outcome: outcome.film)
        if not all(outcome.completed and outcome.identical for outcome in calm):
            sys.exit(f"the undisturbed film did not come out: {calm[0].complaint or calm[1].complaint}")
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            # The shortest so far: on a machine that has become faster, kills would come after the end.
            span = min([usual.film, *(outcome.film for outcome in outcomes if outcome.completed)])
            kills = schedule(seed, span, arguments.kinds)
            outcomes.append(run(folder, truth, nodes, arguments.seconds, seed, kills))
            print(line(outcomes[-1], usual.seconds), file=sys.stderr, flush=True)
    report(outcomes, usual.seconds, arguments)


def schedule(seed: int, usual: float, kinds: list[str]) -> list[Kill]:
    """What is killed in a run, and when: a function of the seed. Kinds take turns, so that each gets its share."""
    chance = random.Random(seed)
    count = chance.randint(1, MOST_KILLS)
    chosen = [kinds[seed % len(kinds)], *(chance.choice(kinds) for _ in range(count - 1))]
    kills = [Kill(kind, chance.uniform(0, PLANNED_WITHIN if kind == "planner" else usual)) for kind in chosen]
    return sorted(kills, key=lambda kill: kill.at)


def run(folder: Path, truth: bytes, nodes: Nodes, seconds: float, seed: int, kills: list[Kill]) -> Outcome:
    """One film on an empty store, with kills while it is made; a killed driver is started again."""
    home = folder / "run"
    shutil.rmtree(home, ignore_errors=True)
    (home / "journal").mkdir(parents=True)
    result, waiting = Outcome(seed), list(kills)
    began = time.monotonic()
    driver = start(home, nodes.address, seconds)
    result.drivers = 1
    begun = planner = 0.0  # when the film was begun, and when there was a planner then
    try:
        while (code := driver.poll()) is None and time.monotonic() - began < PATIENCE:
            time.sleep(LOOK)
            now = time.monotonic()
            if not begun:
                begun = now if (home / "begun").exists() else 0.0
                continue
            if not planner and any(kill.kind == "planner" for kill in waiting) and nodes.processes("planner"):
                planner = now
            for kill in list(waiting):
                since = (planner or now) if kill.kind == "planner" else begun
                if now - since < kill.at or (struck := strike(kill.kind, nodes, driver)) is None:
                    continue
                waiting.remove(kill)
                result.struck.append((kill.kind, struck))
                if kill.kind == "coordinator":
                    driver.wait()
                    driver = start(home, nodes.address, seconds)
                    result.drivers += 1
                elif kill.kind == "node":
                    nodes.replace()
        now = time.monotonic()
        result.seconds, result.film, result.missed = now - began, now - (begun or now), len(waiting)
        result.completed = code == 0
        result.complaint = "" if code == 0 else f"exit code {code}: {(home / 'stderr').read_text()[-2000:].strip()}"
        film = home / "film.mp4"
        result.identical = film.exists() and film.read_bytes() == truth
        result.again = len(list((home / "journal").glob("again *")))
        progress = [float(word) for word in (home / "progress").read_text().split()]
        for kind, when in result.struck:
            if after := [moment for moment in progress if moment > when]:
                result.recovery.append((kind, min(after) - when))
    finally:
        if driver.poll() is None:
            driver.kill()
            driver.wait()
    return result


def strike(kind: str, nodes: Nodes, driver: subprocess.Popen[bytes]) -> float | None:
    """Kills one of that kind; when, or None where there is none to kill."""
    if kind == "coordinator":
        victims = [psutil.Process(driver.pid)] if driver.poll() is None else []
    elif kind == "node":
        return nodes.kill()
    else:
        victims = nodes.processes(kind)
    for victim in victims[:1]:
        with suppress(psutil.NoSuchProcess):
            now = time.monotonic()
            victim.send_signal(signal.SIGKILL)
            return now
    return None


class Nodes:
    """A cluster of a head, which only leads it, and two nodes that work. All its processes are children of this one."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20, "include_dashboard": False},
        )
        self.address = self._cluster.address
        self._nodes: list[Any] = []
        for _ in range(2):
            self.replace(wait=True)

    def replace(self, wait: bool = False) -> None:
        for attempt in range(3):
            try:
                node = self._cluster.add_node(wait=wait, num_cpus=2, object_store_memory=100 << 20)
            except Exception:  # Ray gives a new node half a minute, too little on a machine that does much else
                if attempt == 2:
                    raise
            else:
                self._nodes.append(node)
                return

    def processes(self, kind: str) -> list[psutil.Process]:
        """Ray's workers of one kind, on any node."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if (line := process.cmdline()) and line[0].startswith(PROCESS[kind]):
                    found.append(process)
        return found

    def kill(self) -> float:
        """SIGKILL for every process of the older node at once, as when the power goes."""
        node = self._nodes.pop(0)
        own = [info.process for infos in node.all_processes.values() for info in infos]
        family = [child for process in own for child in psutil.Process(process.pid).children(recursive=True)]
        now = time.monotonic()
        for process in (*own, *family):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
        for process in own:
            process.wait()
        self._cluster.worker_nodes.discard(node)
        return now

    def close(self) -> None:
        self._cluster.shutdown()


@contextmanager
def cluster() -> Iterator[Nodes]:
    here = Path(__file__).parent
    known = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
    os.environ.update(ENVIRONMENT, PYTHONPATH=os.pathsep.join(filter(None, known)))
    os.environ.pop("RAY_ADDRESS", None)
    nodes = Nodes()
    try:
        yield nodes
    finally:
        nodes.close()


def start(home: Path, address: str, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--drive", str(home), address, str(seconds), "2"]
    with (home / "stderr").open("ab") as complaints:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=complaints)


def drive(home: Path, address: str, seconds: float, renderers: int) -> None:
    """The process that coordinates a film, as `sgen generate` does; a line in `progress` for each step forward."""
    progress = (home / "progress").open("a", buffering=1)
    (home / "begun").touch()

    def on_event(event: Event) -> None:
        if isinstance(event, PlanStep | WindowStep | WindowFinished | SegmentEncoded):
            print(time.monotonic(), file=progress)
        if isinstance(event, WorkerLost):
            print(f"lost {event.worker}, {event.work}: {event.cause}", file=sys.stderr, flush=True)

    make(home, address, seconds, renderers, on_event)
    print(time.monotonic(), file=progress)


def make(home: Path, address: str | None, seconds: float, renderers: int = 2, on_event: Any = None) -> Path:
    """The film in `home`, on a cluster or, without an address, in this process."""
    home.mkdir(exist_ok=True)
    store, pause = home / "store", 0.03 if address else 0.0
    engine = EngineConfig(
        renderers=renderers, device="cpu", window=8, overlap=4, segment=8, address=address, in_process=address is None,
        namespace=NAMESPACE, idle=IDLE,
    )  # fmt: skip
    journal = home / "journal" if address else None
    factory = FastFactory(SMALL, pause, journal, store)
    return generate_film(
        request(SMALL, seconds), factory, home / "film.mp4", store=store, engine=engine, on_event=on_event
    ).path


def line(run: Outcome, usual: float) -> str:
    struck = ", ".join(f"{kind} {recovery:.1f} s" for kind, recovery in run.recovery) or "nothing"
    fine = run.completed and run.identical and not run.again
    verdict = "the same film" if fine else f"FAILED {run.complaint or 'another film' * (not run.identical)}"
    return f"seed {run.seed}: {run.seconds:.1f} s (undisturbed {usual:.1f}), killed {struck}: {verdict}"


def report(outcomes: list[Outcome], usual: float, arguments: argparse.Namespace) -> None:
    from common import save, show

    struck = Counter(kind for run in outcomes for kind, _ in run.struck)
    rows, kinds = [], {}
    for kind in (*KINDS, "all"):
        seconds = sorted(s for run in outcomes for k, s in run.recovery if kind in (k, "all"))
        kinds[kind] = {
            "kills": struck[kind] if kind != "all" else struck.total(),
            "p50": quantile(seconds, 0.5),
            "p95": quantile(seconds, 0.95),
            "most": max(seconds, default=None),
        }
        rows.append([kind, *kinds[kind].values()])
    show("From a kill to the next progress", ["killed", "kills", "p50, s", "p95, s", "most, s"], rows)
    totals = {
        "runs": len(outcomes),
        "completed": sum(run.completed for run in outcomes),
        "identical": sum(run.identical for run in outcomes),
        "painted_again": sum(run.again for run in outcomes),
        "kills_too_late": sum(run.missed for run in outcomes),
        "undisturbed": usual,
        "disturbed": statistics.median(run.seconds for run in outcomes),
    }
    print(", ".join(f"{name.replace('_', ' ')} {cell}" for name, cell in totals.items()))
    figures = {**totals, "kinds": kinds, "each": [asdict(run) for run in outcomes]}
    save("chaos", arguments, json.loads(json.dumps(figures)), judged=False, painted=False)


def quantile(values: list[float], share: float) -> float | None:
    """Of sorted values, the nearest rank."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


if __name__ == "__main__":
    main()
