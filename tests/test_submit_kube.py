"""Films submitted to clusters: what travels by a log, the job that goes on under its key, and a real Ray cluster."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_model import ToyFactory, request

from sgen_ray.cli.kube_command import Listener, arguments, command, key_of
from sgen_ray.cli.kube_lines import Made, Piece, from_line, joined, pieces, teller, to_line
from sgen_ray.cli.kube_make import film_in_store
from sgen_ray.cli.wanted import Wanted
from sgen_ray.engine import events
from sgen_ray.engine.config import EngineConfig
from sgen_ray.errors import EngineError, RequestError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.states import JobState
from sgen_ray.orders import Order

EVENTS: list[events.Event] = [
    events.JobRecorded("job_1"), events.FilmStarted(4, 5, 2, 1, "cpu", 1, 0), events.PhaseStarted("plan"),
    events.PlanStep(1, 3), events.PhaseFinished("plan", 0.5), events.WindowStep(0, 1, 2, 4),
    events.WindowFinished(0, 1, 2.5), events.SegmentEncoded(0, 1, 5),
    events.WorkerLost("renderer 1", "window 2", "killed"), events.PlanNamed("p"), events.FilmNamed("f"),
    events.FilmFinished(1 << 30),
]  # fmt: skip
MADE = Made("job_1", "f", 3, hashlib.sha256(b"abc").hexdigest(), {"seconds": 2.0})


def test_events_travel_through_a_log_among_other_lines() -> None:
    lines: list[str] = []
    tell = teller(lines.append)
    for event in (*EVENTS, events.Looked()):
        tell(event)
    heard: list[events.Event] = []
    listener = Listener(heard.append)
    listener.hear(["(pid=7) starting", *lines, '@sgen {"type": "News", "of": 3}', "@sgen {broken", to_line(MADE)])
    assert heard == EVENTS
    assert listener.made == MADE


def test_of_a_windows_steps_two_a_second_are_told() -> None:
    now, lines = [0.0], list[str]()
    tell = teller(lines.append, clock=lambda: now[0])
    for step in range(1, 11):
        for window in (0, 1):
            tell(events.WindowStep(window, 0, step, 10))
        now[0] += 0.1
    assert len(lines) == 4


def test_a_film_comes_whole_through_a_log_or_not_at_all() -> None:
    film = os.urandom(50_001)
    made = Made("job_1", "f", len(film), hashlib.sha256(film).hexdigest(), {})
    sent = [from_line(line) for line in pieces(film)]
    parts = [piece for piece in sent if isinstance(piece, Piece)]
    assert len(parts) == len(sent) == 5
    assert joined(iter(parts[::-1]), made) == film
    with pytest.raises(EngineError, match="did not arrive whole; run the same command again"):
        joined(iter(parts[:-1]), made)


def test_the_same_film_has_the_same_key_and_its_command_is_one_of_ours(tmp_path: Path) -> None:
    from manifests import check_command

    story = tmp_path / "story.yaml"
    story.write_text('- prompt: "a dog\'s day"\n  seconds: 3\n- prompt: night\n  seconds: 4\n')
    wishes = {"seconds": 7.0, "size": "64x32", "fps": 8, "seed": 3, "negative_prompt": "rain; rm -rf /"}
    one, other = (
        arguments(Wanted("in the snow", None, wishes)),
        arguments(Wanted("in the snow", None, {**wishes, "seed": 4})),
    )
    assert one == arguments(Wanted("in the snow", None, wishes)) and key_of(one) != key_of(other)
    check_command(command(one))
    check_command(command(arguments(Wanted(None, story, {}))))
    with pytest.raises(RequestError, match="--server"):
        arguments(Wanted("x", None, {"approve": True}))


def test_what_a_job_says_last_is_why_it_failed() -> None:
    listener = Listener(lambda event: None)
    listener.hear(["starting", "error: the model is gone; install it", "bye"])
    assert str(listener.failure("it failed")) == "the model is gone; install it"
    assert str(Listener(lambda event: None).failure("it failed")) == "it failed"


def make(store: Path, factory: ToyFactory, key: str | None = "one", seconds: float = 30) -> Made:
    engine = EngineConfig(in_process=True, renderers=1)
    with Jobs(f"sqlite:///{store}/jobs.db", str(store)) as jobs:
        return film_in_store(jobs, Order(request(seconds), factory), key, str(store), engine, lambda event: None)


def test_under_its_key_a_film_is_made_once_and_kept_in_the_store(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    factory = ToyFactory(notes=notes)
    made = make(tmp_path / "store", factory)
    rendered = len(list(notes.iterdir()))
    film = Artifacts(tmp_path / "store").get("video", made.film)
    assert film is not None and hashlib.sha256(film).hexdigest() == made.sha256 and len(film) == made.size
    again = make(tmp_path / "store", factory)
    assert (again.job, again.film, again.sha256) == (made.job, made.film, made.sha256)
    # Somebody removed it: the film is joined again, of its stored segments.
    shutil.rmtree(tmp_path / "store" / "video")
    again = make(tmp_path / "store", factory)
    assert (again.job, again.sha256) == (made.job, made.sha256)
    assert len(list(notes.iterdir())) == rendered


def test_another_try_goes_on_with_what_a_failed_one_left(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with pytest.raises(EngineError):
        make(tmp_path / "store", ToyFactory(notes=notes, raises=1))
    made = make(tmp_path / "store", ToyFactory(notes=notes))
    with Jobs(f"sqlite:///{tmp_path}/store/jobs.db", str(tmp_path / "store")) as jobs:
        states = [job.state for job in jobs.list().jobs]
        assert states == [JobState.COMPLETED, JobState.FAILED] and jobs.get(made.job).state is JobState.COMPLETED
    rendered = [name.split()[1] for name in os.listdir(notes) if name.startswith("rendered")]
    assert rendered.count("0") == 1


# A real cluster, with its dashboard -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a terminal that knows `--ray URL`, as DASHBOARD in it."""
    folder = tmp_path_factory.mktemp("ray")
    ports = [_free_port() for _ in range(4)]
    env = {
        **os.environ, "SGEN_STORE": str(folder / "store"), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 32,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    line = [
        "ray", "start", "--head", "--block", "--num-cpus=2", f"--port={ports[0]}", f"--dashboard-port={ports[1]}",
        "--node-ip-address=127.0.0.1", f"--dashboard-agent-listen-port={ports[2]}",
        f"--ray-client-server-port={ports[3]}",
        f"--object-store-memory={200 << 20}", "--disable-usage-stats",
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        head = subprocess.Popen(line, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while b"Ray runtime started" not in (folder / "log").read_bytes():
            assert head.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.3)
        yield {**env, "DASHBOARD": f"http://127.0.0.1:{ports[1]}"}
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _submit(cluster: dict[str, str], *words: str) -> list[str]:
    steps = ("--steps", "2", "--plan-steps", "2")
    return [sys.executable, "-m", "sgen_ray.cli.main", "submit", *words, *steps, "--ray", cluster["DASHBOARD"]]


def test_a_film_is_submitted_watched_and_brought_home_and_the_second_time_found(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    line = _submit(cluster, "a red car in the desert", "--seconds", "2", "-o", str(tmp_path / "car.mp4"))
    first = subprocess.run(line, env=cluster, capture_output=True, text=True, timeout=400, check=False)
    assert first.returncode == 0, first.stderr
    assert "windows on" in first.stderr and "render: window 0" in first.stderr
    film = (tmp_path / "car.mp4").read_bytes()
    job = first.stdout.split()[-1]
    second = subprocess.run([*line, "--json"], env=cluster, capture_output=True, text=True, timeout=400, check=False)
    assert second.returncode == 0 and job in second.stdout
    assert (tmp_path / "car.mp4").read_bytes() == film
    fetch = [sys.executable, "-m", "sgen_ray.cli.main", "fetch", job, "-o", "-"]
    assert subprocess.run(fetch, env=cluster, capture_output=True, check=True).stdout == film


def test_a_cluster_that_does_not_answer_or_refuses_is_told_in_one_line(cluster: dict[str, str]) -> None:
    for env, url in ((cluster, "http://127.0.0.1:9"), ({**cluster, "RAY_AUTH_TOKEN": "x" * 32}, cluster["DASHBOARD"])):
        line = _submit({**cluster, "DASHBOARD": url}, "a red car", "--wait")
        done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr


def test_ctrl_c_stops_the_job_on_the_cluster(cluster: dict[str, str], tmp_path: Path) -> None:
    line = _submit(cluster, "a dog in the snow", "--seconds", "40", "-o", str(tmp_path / "dog.mp4"))
    with subprocess.Popen(line, env=cluster, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for said in process.stderr:
            if said.startswith("render: window"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130 and "the same command again goes on" in rest
    with Jobs(f"sqlite:///{cluster['SGEN_STORE']}/jobs.db", cluster["SGEN_STORE"]) as jobs:
        newest = jobs.list(limit=1).jobs[0]
        assert newest.request.seconds == 40 and newest.state is JobState.CANCELLED
