"""The engine on a cluster of several machines, each a real raylet: labels, and a machine that is about to go."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.generate import generate_film

HEALTH = {"RAY_health_check_period_ms": "2000", "RAY_health_check_timeout_ms": "10000"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, dict[str, str]]]:
    """Address, and the ids of two machines of two cores by their zones; the head, a third, has no core."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in HEALTH.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": 100 << 20, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        try:
            nodes = {
                zone: made.add_node(
                    wait=False, num_cpus=2, num_gpus=0, object_store_memory=100 << 20, labels={"zone": zone}
                )
                for zone in ("near", "far")
            }
            made.wait_for_nodes(timeout=120)
            yield made.address, {zone: node.node_id for zone, node in nodes.items()}
        finally:
            made.shutdown()


DRIVER = """
import sys
from pathlib import Path
import ray
import toy_model
from ray._private.state import state
from ray.core.generated import autoscaler_pb2
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WindowFinished, WorkerLost
from sgen_ray.engine.generate import generate_film

ray.init(log_to_driver=False, logging_level="ERROR")
zone, drained = sys.argv[1:]
settings = EngineConfig(renderers=2, device="cpu", window=8, overlap=4, segment=4, namespace=zone + drained, idle=0.2,
                        labels={"zone": zone} if zone else {})
factory = toy_model.ToyFactory(Path("notes").absolute(), pause=0.1, in_process=False)
waiting = [drained] if drained else []

def on_event(event):
    if isinstance(event, WorkerLost):
        print("lost", event.worker, event.cause, flush=True)
    if isinstance(event, WindowFinished) and waiting:
        client = ray._raylet.GcsClient(address=ray.get_runtime_context().gcs_address)
        reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        print("drained", client.drain_node(waiting.pop(), reason, "spot", 2**62), flush=True)

generate_film(toy_model.request(), factory, Path("film.mp4"), store="store", engine=settings, on_event=on_event)

for actor in state.actor_table(None).values():
    if actor["ActorClassName"] == "Renderer" and actor["JobID"] == ray.get_runtime_context().get_job_id():
        print("renderer", actor["Address"]["NodeID"], flush=True)
"""


def drive(folder: Path, address: str, zone: str = "", drained: str = "") -> list[str]:
    """What a driver said of a film made in `folder`."""
    (folder / "notes").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, zone, drained],
        cwd=folder, env={**os.environ, "RAY_ADDRESS": address}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Ray itself says something now and then.
    return [line for line in done.stdout.splitlines() if line.startswith(("renderer ", "lost ", "drained "))]


def truth(folder: Path) -> bytes:
    engine = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)
    return generate_film(
        toy_model.request(), ToyFactory(), folder / "truth.mp4", store=folder / "truth", engine=engine
    ).path.read_bytes()


def test_labels_choose_the_machines(tmp_path: Path, cluster: tuple[str, dict[str, str]]) -> None:
    address, nodes = cluster
    said = drive(tmp_path, address, zone="far")
    assert set(said) == {f"renderer {nodes['far']}"}
    assert (tmp_path / "film.mp4").read_bytes() == truth(tmp_path)


def test_a_machine_that_drains_hands_its_windows_over(tmp_path: Path, cluster: tuple[str, dict[str, str]]) -> None:
    """Renderers may be on either machine; those of the one that drains are replaced, without a loss."""
    address, nodes = cluster
    began = time.monotonic_ns()
    said = drive(tmp_path, address, drained=nodes["near"])
    assert said[0].startswith("drained (True")
    assert not any(line.startswith("lost") for line in said)
    assert (tmp_path / "film.mp4").read_bytes() == truth(tmp_path)
    painted = [int(path.name.split()[1]) for path in (tmp_path / "notes").glob("rendered *")]
    assert sorted(painted) == list(range(9))
    assert all(int(path.name.rsplit(" ", 1)[1]) > began for path in (tmp_path / "notes").glob("rendered *"))
    assert f"renderer {nodes['far']}" in said


ACTORS = """
import os, signal, time
import ray
from sgen_ray.engine.cluster import ended_actors, this_actor

ray.init(log_to_driver=False, logging_level="ERROR")
assert this_actor() == ""

@ray.remote(num_cpus=0)
class Somebody:
    def who(self):
        return this_actor(), os.getpid()

actors = [Somebody.remote() for _ in range(2)]
(killed, pid), (alive, _) = ray.get([actor.who.remote() for actor in actors])
unknown = "0" * len(alive)
asked = {killed, alive, unknown}
assert ended_actors(asked) == set()
os.kill(pid, signal.SIGKILL)
until = time.monotonic() + 60
while not (ended := ended_actors(asked)) and time.monotonic() < until:
    time.sleep(0.1)
assert ended == {killed}, ended
"""


def test_who_has_ended_is_known_by_its_actor(cluster: tuple[str, dict[str, str]]) -> None:
    environment = {**os.environ, "RAY_ADDRESS": cluster[0]}
    done = subprocess.run([sys.executable, "-c", ACTORS], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
