"""Films as jobs, with real processes that are killed: the record tells, and others go on from what is stored."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SGEN = """
import functools, sys
from pathlib import Path
from toy_model import ToyFactory
from sgen_ray import orders, recorded
from sgen_ray.cli.main import main
from sgen_ray.engine import config
load = lambda name: ToyFactory(notes=Path("notes"), pause=float(sys.argv[1]))
orders.load_factory = recorded.load_factory = load
settings = {"in_process": True, "renderers": 2, "window": 8, "overlap": 4, "segment": 4}
config.EngineConfig = functools.partial(config.EngineConfig, **settings)
config.EngineConfig.__dataclass_fields__ = config.EngineConfig.func.__dataclass_fields__
sys.exit(main(sys.argv[2:]))
"""
FILM = ["generate", "shot 0", "--model", "toy", "--seconds", "20", "--size", "64x32", "-o", "film.mp4"]
WINDOWS = 9


class Place:
    """A folder to work in, with a store and a database."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        (folder / "notes").mkdir(parents=True)

    def start(self, *command: str, pause: float = 0.0) -> subprocess.Popen[str]:
        tests = str(Path(__file__).parent)
        path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "SGEN_STORE": "store", "SGEN_DATABASE": self.database}
        return subprocess.Popen(
            [sys.executable, "-c", SGEN, str(pause), *command],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *command: str) -> dict:
        with self.start(*command, "--json") as process:
            out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return json.loads(out)

    def killed(self, *command: str, number: int = signal.SIGKILL, after: str = "render: window") -> str:
        """What a command had told, which got this signal when it told of its first window."""
        told = ""
        with self.start(*command, pause=0.1) as process:
            assert process.stderr is not None
            for line in process.stderr:
                told += line
                if line.startswith(after):
                    break
            process.send_signal(number)
            told += process.communicate(timeout=300)[1]
        return told

    def rendered(self) -> list[str]:
        return sorted(path.name.split()[1] for path in (self.folder / "notes").glob("rendered *"))


@pytest.fixture
def place(tmp_path: Path, database: str) -> Place:
    return Place(tmp_path / "place", database)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The film of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("truth")
    Place(folder / "here", f"sqlite:///{folder}/jobs.db").run(*FILM)
    return (folder / "here" / "film.mp4").read_bytes()


def test_a_killed_film_is_gone_on_with(place: Place, truth: bytes) -> None:
    told = place.killed(*FILM)
    job = next(line.split()[1] for line in told.splitlines() if line.startswith("job "))
    assert not (place.folder / "film.mp4").exists()
    (listed,) = place.run("jobs")["jobs"]
    assert (listed["job"], listed["state"], listed["windows_total"]) == (job, "lost", WINDOWS)

    facts = place.run("resume", job)
    assert facts["job"] == job and facts["windows_reused"] >= 1
    assert (place.folder / "film.mp4").read_bytes() == truth
    assert place.rendered() == [str(window) for window in range(WINDOWS)]
    status = place.run("status", job)
    assert (status["state"], status["windows_done"], status["error"]) == ("completed", WINDOWS, None)


def test_a_worker_goes_on_with_what_was_lost_and_hands_back_what_it_must_leave(place: Place, truth: bytes) -> None:
    place.killed(*FILM)
    place.killed("worker", "--once", number=signal.SIGTERM)
    (listed,) = place.run("jobs")["jobs"]
    assert listed["state"] == "queued"
    with place.start("worker", "--once") as process:
        out, err = process.communicate(timeout=300)
    assert out == "1 jobs\n", err
    assert (place.folder / "film.mp4").read_bytes() == truth
    assert len(place.rendered()) == WINDOWS


def test_cancel_from_elsewhere_and_resume(place: Place, truth: bytes) -> None:
    with place.start(*FILM, pause=1.0) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("job "):
                job = line.split()[1]
            if line.startswith("render: window"):
                break
        place.run("cancel", job)
        err = process.communicate(timeout=300)[1]
    assert process.returncode == 130 and err.splitlines()[-1].startswith("stopped; ")
    assert place.run("status", job)["state"] == "cancelled"
    facts = place.run("resume")
    assert facts["job"] != job and facts["windows_reused"] >= 1
    assert (place.folder / "film.mp4").read_bytes() == truth


def test_the_film_of_a_job_is_edited_and_killed_and_gone_on_with(place: Place) -> None:
    (place.folder / "story.yaml").write_text("- prompt: shot 0\n  seconds: 10\n- prompt: shot 1\n  seconds: 10\n")
    first = place.run("generate", "--shots", "story.yaml", "--model", "toy", "--size", "64x32", "-o", "film.mp4")
    edit = ["edit", first["job"], "--shot", "2", "storm", "-o", "new.mp4"]
    place.killed(*edit)
    (lost, _) = place.run("jobs")["jobs"]
    assert (lost["kind"], lost["parent"], lost["state"]) == ("edit", first["job"], "lost")
    facts = place.run("resume")
    assert facts["windows_reused"] > 0
    edited = (place.folder / "new.mp4").read_bytes()
    again = place.run("edit", "film.mp4", "--shot", "2", "storm", "-o", "again.mp4")
    assert again["windows_rendered"] == 0
    assert (place.folder / "again.mp4").read_bytes() == edited


def test_a_batch_is_gone_on_with_and_bad_rows_hold_up_nobody(place: Place) -> None:
    rows = [{"prompt": f"shot {n}", "seconds": 8, "size": "64x32", "name": f"f{n}"} for n in range(3)]
    rows.insert(1, {"prompt": "bad", "seconds": 0.1})
    (place.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["batch", "rows.jsonl", "-o", "films", "--model", "toy"]
    with place.start(*command, pause=0.1) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("row 2 "):
                break
        process.kill()
        process.communicate()
    with place.start(*command, "--json") as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 2, err
    done = json.loads(out)
    assert (done["skipped"] + done["made"], done["failed"]) == (3, 1) and done["skipped"] >= 1
    assert done["errors"] == ["row 2: seconds is 0.1; use a number from 1 to 1200"]
    films = place.folder / "films"
    names = ["f0.mp4", "f1.mp4", "f2.mp4", "results.jsonl", "results.parquet"]
    assert sorted(path.name for path in films.iterdir()) == names
    import pyarrow.parquet as pq

    table = pq.read_table(films / "results.parquet").to_pylist()
    assert [row["status"] for row in table] == ["completed", "failed", "completed", "completed"]
    assert len(place.rendered()) == sum(row["windows_rendered"] or 0 for row in table) == 3 * 3
