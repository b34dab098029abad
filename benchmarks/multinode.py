"""A cluster of several nodes on one machine, as k8s/ starts it: films through HTTP and as jobs, while nodes are lost.

The commands, probes, environment and rights are those of the overlay `kind-cpu`; `nodes.py` says what stands in for
pods. Every film is compared with one made by one process without Ray.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from common import save, show
from nodes import DASHBOARD, HEAD, ROOT, Node, Nodes, deploy, overlay, shared_database, start_command, until

sys.path.insert(0, str(ROOT))  # before an installed one
from sgen_ray.cli.kube_lines import Made, from_line
from sgen_ray.client import APIError, Client
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WindowFinished
from sgen_ray.engine.generate import generate_film
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.orders import place_order

_BIN = Path(sys.executable).parent
PROMPTS = (
    "a red car driving through the desert at dusk",
    "a boat sailing on the ocean at night",
    "a dog running in the snow",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of each film")
    parser.add_argument("--small", action="store_const", dest="seconds", const=30, help="films of 30 s")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: network namespaces need root")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nodes end with it
    work = Path(tempfile.mkdtemp(prefix="sgen-nodes-"))
    try:
        rows, times = drill(work, arguments.seconds)
        show("Nodes", ["what", "seconds"], list(times.items()))
        show("Films", ["film", "disturbed by", "as one process makes it", "seconds", "jobs, of them completed"], rows)
        names = ("film", "disturbed", "same", "seconds", "ended")
        films = [dict(zip(names, row, strict=True)) for row in rows]
        figures = {"times": times, "films": films}
        save("multinode", arguments, figures, judged=False, painted=False)
        if not all(film["same"].startswith("yes") for film in films):
            sys.exit("error: a film is not the one that a single process makes")
    except BaseException:
        for log in sorted(work.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def drill(work: Path, seconds: float) -> tuple[list[list[Any]], dict[str, float]]:
    work.chmod(0o755)
    store = work / "store"
    store.mkdir()
    os.chown(store, 1000, 1000)
    service, settings = overlay("kind-cpu")
    cluster = service["rayClusterConfig"]
    head_group, (front,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    join, times, made = start_command(front, HEAD, cpus=1), dict[str, float](), list[tuple[str, str, bytes, float]]()
    with ExitStack() as open_:
        url, kept = open_.enter_context(shared_database(work))
        env = {**settings, "SGEN_STORE": f"file://{store}", "SGEN_DATABASE": url}
        nodes = open_.enter_context(Nodes([store, kept], env, work))

        def alive(node: Node) -> bool:
            return probe(node, head_group if node.name == "head" else front, "liveness")

        begin = time.monotonic()
        head = nodes.start("head", 1, start_command(head_group, None), alive)
        times["head, until its liveness probe passes"] = time.monotonic() - begin
        begin = time.monotonic()
        first, second = nodes.start("front1", 2, join, alive), nodes.start("front2", 3, join, alive)
        times["two nodes, likewise"] = time.monotonic() - begin

        config = work / "serve.yaml"
        config.write_text(service["serveConfigV2"])
        deploy(lambda: here(nodes, "serve", "deploy", str(config), "--address", DASHBOARD))
        times["service, until its readiness probe passes"] = until(
            "service", lambda: any(probe(n, front, "readiness") for n in (first, second)), timeout=600
        )
        key = head.run("sgen keys create drill").stdout.strip()

        film = work / "submitted.mp4"
        begin = time.monotonic()
        here(nodes, "sgen", "submit", PROMPTS[0], "--seconds", f"{seconds:g}", "--ray", DASHBOARD, "-o", str(film))
        made.append(("sgen submit --ray", "nothing", film.read_bytes(), time.monotonic() - begin))

        begin = time.monotonic()
        line = shlex.join(["sgen", "make", PROMPTS[1], "--seconds", f"{seconds:g}", "--key", "two", "--lines"])
        job = ray_job(nodes, line, lambda: second.cut_off())
        data = subprocess.run(
            head_line(head, f"sgen fetch {job.job} -o -"), env=head.env, capture_output=True, check=True
        ).stdout
        made.append(("ray job submit", "the network of a node", data, time.monotonic() - begin))

        second.kill()
        third = nodes.start("front3", 4, join, alive)
        begin = time.monotonic()
        host = next(node for node in (first, third) if probe(node, front, "readiness"))  # of the only HTTP replica
        data = by_http(f"http://{HEAD}:8000", key, PROMPTS[2], seconds, host.kill)
        made.append(("HTTP", "the death of the node that serves", data, time.monotonic() - begin))
        with Jobs(url, f"file://{store}") as jobs:
            states = [str(job.state) for job in jobs.list().jobs]
    ended = f"{len(states)}, {states.count('completed')}"
    rows: list[list[Any]] = []
    for (name, disturbed, data, took), prompt in zip(made, PROMPTS, strict=True):
        same = hashlib.sha256(data).digest() == hashlib.sha256(alone(prompt, seconds, work)).digest()
        rows.append([name, disturbed, "yes, byte for byte" if same else "NO", took, ended])
    return rows, times


def probe(node: Node, group: dict[str, Any], which: str) -> bool:
    command = group["template"]["spec"]["containers"][0][f"{which}Probe"]["exec"]["command"]
    return node.run(shlex.join(command)).returncode == 0


def here(nodes: Nodes, program: str, *words: str) -> str:
    """A program of this machine, as a terminal with Ray's token runs it."""
    line = [str(_BIN / "python"), "-m", "sgen_ray.cli.main"] if program == "sgen" else [str(_BIN / program)]
    env = nodes.env | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*line, *words], env=env, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} {words[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def head_line(head: Node, line: str) -> list[str]:
    inside = ["nsenter", "--target", str(head.pid), "--mount", "--uts", "--net", "--pid"]
    return [*inside, "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "bash", "-c", line]


def ray_job(nodes: Nodes, line: str, disturb: Callable[[], None]) -> Made:
    """`ray job submit`, its log followed; the disturbance comes with the second window."""
    words = [str(_BIN / "ray"), "job", "submit", "--address", DASHBOARD, "--", *shlex.split(line)]
    windows, made = 0, None
    with subprocess.Popen(words, env=nodes.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for said in process.stdout:
            event = from_line(said.rstrip("\n"))
            if isinstance(event, WindowFinished):
                windows += 1
                if windows == 2:
                    disturb()
            if isinstance(event, Made):
                made = event
    if made is None:
        raise RuntimeError("the job made no film")
    return made


def by_http(url: str, key: str, prompt: str, seconds: float, disturb: Callable[[], None]) -> bytes:
    with Client(url, key) as client:
        video = client.videos.create(prompt, seconds=seconds)
        until("the film's middle", lambda: client.videos.retrieve(video.id).windows.done >= 1, pause=0.2)
        disturb()

        def made() -> bool:
            with suppress(APIError):  # nobody answers until Serve has put another replica elsewhere
                return client.videos.retrieve(video.id).status == "completed"
            return False

        until("the film", made, timeout=600)
        with tempfile.TemporaryDirectory() as folder:
            return Path(client.videos.download(video.id, Path(folder) / "film.mp4")).read_bytes()


def alone(prompt: str, seconds: float, work: Path) -> bytes:
    """The same film by this process alone, from an empty store."""
    order, output = place_order(prompt, seconds=seconds), work / "alone.mp4"
    with tempfile.TemporaryDirectory() as store:
        generate_film(order.request, order.factory, output, store=store, engine=EngineConfig(in_process=True))
    return output.read_bytes()


if __name__ == "__main__":
    main()
