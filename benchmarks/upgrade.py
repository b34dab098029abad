"""The drill of an upgrade: two Ray clusters on one PostgreSQL and one store. The first is killed while its service
makes films; the service on the second ends them all, and renders nothing that was finished again.

Both are started as the overlay `kind-cpu` has it; `nodes.py` says what stands in for pods.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common import save, show
from multinode import alone, here, probe
from nodes import HEAD, NETWORK, ROOT, Node, Nodes, deploy, overlay, shared_database, start_command, until

sys.path.insert(0, str(ROOT))  # before an installed one
from sgen_ray.client import Client
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.states import JobState

PROMPTS = (
    "a red car driving through the desert at dusk",
    "a boat sailing on the ocean at night",
    "a dog running in the snow",
    "a bird flying over the forest",
    "a rocket taking off from the moon",
    "a golden watch rotating on a turntable",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--films", type=int, default=6, help="at once", choices=range(2, 7))
    parser.add_argument("--seconds", type=float, default=60, help="of each film")
    parser.add_argument("--small", action="store_true", help="3 films of 30 s")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.films, arguments.seconds = 3, 30
    if os.geteuid() != 0:
        sys.exit("error: network namespaces need root")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nodes end with it
    work = Path(tempfile.mkdtemp(prefix="sgen-nodes-"))
    try:
        figures = drill(work, PROMPTS[: arguments.films], arguments.seconds)
    except BaseException:
        for log in sorted(work.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    show("Upgrade", ["what", "figure"], list(figures.items()))
    save("upgrade", arguments, figures, judged=False, painted=False)
    if {figures["completed"], figures["films as one process makes them"]} != {figures["films"]}:
        sys.exit("error: a film is missing, or is not the one that a single process makes")


def drill(work: Path, prompts: tuple[str, ...], seconds: float) -> dict[str, Any]:
    work.chmod(0o755)
    store = work / "store"
    store.mkdir()
    os.chown(store, 1000, 1000)
    service, settings = overlay("kind-cpu")
    head, (front,) = service["rayClusterConfig"]["headGroupSpec"], service["rayClusterConfig"]["workerGroupSpecs"]
    config = work / "serve.yaml"
    config.write_text(service["serveConfigV2"])
    with ExitStack() as open_:
        url, kept = open_.enter_context(shared_database(work))
        env = {**settings, "SGEN_STORE": f"file://{store}", "SGEN_DATABASE": url}
        nodes = open_.enter_context(Nodes([store, kept], env, work))

        def cluster(name: str, number: int) -> tuple[Node, Node]:
            """A head and a node; the service is not there yet."""
            first = nodes.start(
                f"{name}h", number, start_command(head, None), lambda node: probe(node, head, "liveness")
            )
            join = start_command(front, first.address, cpus=2)
            return first, nodes.start(f"{name}f", number + 1, join, lambda node: probe(node, front, "liveness"))

        def serve(head_node: Node, node: Node) -> None:
            address = f"http://{head_node.address}:8265"
            deploy(lambda: here(nodes, "serve", "deploy", str(config), "--address", address))
            until("the service", lambda: probe(node, front, "readiness"), timeout=600)

        old, new = cluster("old", 1), cluster("new", 11)
        assert (old[0].address, new[0].address) == (HEAD, f"{NETWORK}.11")
        serve(*old)
        key = old[0].run("sgen keys create drill").stdout.strip()
        jobs = open_.enter_context(Jobs(url, f"file://{store}"))
        with Client(f"http://{old[1].address}:8000", key) as client:
            ids = [client.videos.create(prompt, seconds=seconds).id for prompt in prompts]

        def done() -> int:
            return sum(jobs.get(job).progress.windows_done for job in ids)

        until("two windows", lambda: done() >= 2, pause=0.2)
        at_kill = {job: jobs.get(job) for job in ids}
        windows = done()
        for node in reversed(old):
            node.kill()
        begin = time.monotonic()
        serve(*new)
        served = time.monotonic() - begin
        until("all films", lambda: all(jobs.get(job).over for job in ids), timeout=600)
        took = time.monotonic() - begin
        states = Counter(str(jobs.get(job).state) for job in ids)
        painted = Counter(
            (job, event.data["window"]) for job in ids for event in jobs.events(job) if event.type == "window"
        )
        with Client(f"http://{new[1].address}:8000", key) as client:
            films = [client.videos.download(job, work / f"{job}.mp4").read_bytes() for job in ids]
    return {
        "films": len(ids),
        "unfinished when the old cluster was killed": sum(not job.over for job in at_kill.values()),
        "windows finished by then": windows,
        "completed": states[str(JobState.COMPLETED)],
        "windows in all": len(painted),
        "windows finished twice": sum(number > 1 for number in painted.values()),
        "films as one process makes them": sum(
            film == alone(prompt, seconds, work) for film, prompt in zip(films, prompts, strict=True)
        ),
        "seconds from the kill until the new service answers": served,
        "seconds from the kill until all films are made": took,
    }


if __name__ == "__main__":
    main()
