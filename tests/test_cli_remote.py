"""`sgen` with a service: the real command line against the real application, on a port of this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_model
from fastapi import FastAPI
from served import app_of, film, serving

from sgen_ray import orders
from sgen_ray.cli.main import main
from sgen_ray.cli.told import known_of
from sgen_ray.client.schema import Event
from sgen_ray.engine import events as e
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.states import JobState

FACTS = """job state kind parent prompt seconds size fps seed model windows_done windows_total output error created
finished server""".split()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(orders, "load_factory", lambda name: toy_model.ToyFactory())
    return app_of(tmp_path / "store")


@pytest.fixture
def jobs(app: FastAPI) -> Iterator[Jobs]:
    with app.state.service.jobs as opened:
        yield opened


@pytest.fixture
def server(app: FastAPI, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a service, in SGEN_SERVER; and an empty working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with serving(app) as address:
        monkeypatch.setenv("SGEN_SERVER", address)
        yield address


def worker(tmp_path: Path, jobs: Jobs, pause: float = 0.0) -> threading.Thread:
    """Makes the next film that somebody asks for."""

    def make() -> None:
        for _ in range(600):
            if jobs.count()[JobState.QUEUED]:
                film(tmp_path / "store", jobs, pause=pause)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    return thread


def test_submit_says_how_to_go_on_and_the_job_is_found_there(server, jobs, capsys) -> None:
    assert main("submit shot --seconds 8 --seed 3 --json".split()) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == FACTS
    assert (told["state"], told["seed"], told["seconds"], told["server"]) == ("queued", 3, 8.0, server)

    assert main(["submit", "shot 1", "--seconds", "8", "--server", server]) == 0
    out = capsys.readouterr().out
    (job,) = re.findall(r"^job (job_\w+)$", out, re.MULTILINE)
    assert f"sgen watch {job}" in out

    assert main(["jobs", "--json"]) == 0
    assert [found["job"] for found in json.loads(capsys.readouterr().out)["jobs"]] == [job, told["job"]]
    assert main(["jobs", "--limit", "1"]) == 0
    out = capsys.readouterr().out
    assert (job in out, told["job"] in out) == (True, False)
    assert main(["status", told["job"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert main(["status", told["job"]]) == 0
    assert re.search(r"^state +queued$", capsys.readouterr().out, re.MULTILINE)


def test_a_storyboard_is_read_here_and_made_there(server, jobs, capsys) -> None:
    Path("story.yaml").write_text("- prompt: shot 0\n  seconds: 4\n- prompt: shot 1\n  seconds: 6\n")
    assert main("submit --shots story.yaml --json".split()) == 0
    assert json.loads(capsys.readouterr().out)["prompt"] == "shot 0 | shot 1"
    (job,) = jobs.list().jobs
    assert [(shot.prompt, shot.seconds) for shot in job.request.shots] == [("shot 0", 4), ("shot 1", 6)]


def test_waiting_shows_what_generate_shows(server, jobs, tmp_path, capsys) -> None:
    thread = worker(tmp_path, jobs)
    assert main("submit shot --seconds 12 --wait --json".split()) == 0
    thread.join()
    told = capsys.readouterr()
    facts = json.loads(told.out)
    assert (facts["state"], facts["windows_done"]) == ("completed", facts["windows_total"])
    lines = told.err.splitlines()
    assert lines[0] == f"job {facts['job']}"
    assert any(re.fullmatch(r"\d+ windows on 2 cpu renderers", line) for line in lines)
    shown = [line for line in lines if line.startswith("render: window")]
    assert len(shown) == facts["windows_total"]
    assert all(any(line.startswith(phase) for line in lines) for phase in ("plan: ", "encode: ", "join: "))

    assert main(["watch", facts["job"], "--quiet"]) == 0  # of what is over, the same again
    told = capsys.readouterr()
    assert (told.out.splitlines()[-1], told.err) == (f"job {facts['job']}", "")


BAD = [
    (["submit", ""], "the prompt is empty"),
    (["submit", "a", "--seconds", "0"], "from 1 to 1200"),
    (["submit", "a", "-o", "film.avi"], ".mp4"),
    (["submit", "a", "--preview", "plan.jpg"], ".png"),
    (["submit", "a", "--shots", "none.yaml"], "none.yaml does not exist"),
    (["submit", "a", "--image", "none.png"], "none.png does not exist"),
    (["submit", "a", "--image", "bad.png"], "no PNG, JPEG or WebP"),
    (["submit", "a", "--server", "localhost"], "'localhost' is no address of a service"),
    (["status", "job_none"], "there is no"),
    (["watch", "job_none"], "there is no"),
    (["download", "job_none", "--variant", "sound"], "none of video, thumbnail, spritesheet"),
    (["jobs", "--server", "http://a", "--store", "x"], "leave out the others"),
]


@pytest.mark.parametrize(("command", "message"), BAD, ids=lambda value: " ".join(value)[:40] if value[1:] else None)
def test_what_is_wrong_is_one_line_and_nothing_is_asked_for(server, jobs, capsys, command, message) -> None:
    Path("bad.png").write_bytes(b"GIF89a")
    assert main(command) == 2
    told = capsys.readouterr()
    assert re.fullmatch(r"error: [^\n]+\n", told.err) and message in told.err
    assert (told.out, jobs.list().jobs) == ("", ())


def test_without_a_service_commands_look_at_the_database(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("SGEN_SERVER", raising=False)
    monkeypatch.setenv("SGEN_STORE", str(tmp_path))
    assert main(["jobs"]) == 0
    assert capsys.readouterr().out == "no jobs yet\n"
    assert main(["submit", "a"]) == 2
    assert "give --server" in capsys.readouterr().err
    monkeypatch.setenv("SGEN_SERVER", "http://127.0.0.1:9")  # yields to what is named
    assert main(["jobs", "--store", str(tmp_path)]) == 0


def test_a_film_that_fails_is_told_with_its_reason(server, jobs, capsys) -> None:
    assert main(["submit", "a", "--json"]) == 0
    job = jobs.claim("worker")
    capsys.readouterr()
    jobs.fail(job.lease, "engine", "window 3 is not finite")
    assert main(["watch", job.id, "--quiet"]) == 2
    assert capsys.readouterr().err == f"error: {job.id} failed: window 3 is not finite\n"


def sgen(*command: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "sgen_ray.cli.main", *command]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)


@pytest.mark.parametrize("detach", [False, True])
def test_ctrl_c_cancels_unless_told_to_leave_it(server, jobs, detach) -> None:
    with sgen("submit", "a", "--wait", "--json", *["--detach"] * detach) as film:
        assert film.stderr is not None
        assert film.stderr.readline().startswith("job job_")
        film.send_signal(signal.SIGINT)
        out, err = film.communicate(timeout=60)
    (job,) = jobs.list().jobs
    assert (film.returncode, out) == (130, "")
    assert job.state is (JobState.QUEUED if detach else JobState.CANCELLED)
    assert err.splitlines()[-1].startswith("stopped; " + job.id)
    assert (f"sgen watch {job.id}" if detach else "the same command again goes on") in err
    assert "Traceback" not in err


def test_a_new_kind_of_event_is_not_shown_and_does_no_harm() -> None:
    def read(kind: str, **data: object) -> list[e.Event]:
        return list(known_of(Event(type=kind, at=0, data=data)))

    assert read("thought", text="?") == read("window", window=1) == read("steps", plan=None, windows=None) == []
    assert read("steps", plan={"done": 1, "total": 3}, windows=[]) == [e.PlanStep(1, 3)]
    steps = [{"window": 2, "renderer": 1, "done": 3, "total": 8}]
    assert read("steps", plan=None, windows=steps, eta=None) == [e.WindowStep(2, 1, 3, 8)]


def test_commands_that_talk_to_a_service_load_neither_torch_nor_ray(server) -> None:
    code = (
        "import sys, sgen_ray.cli.main as m; m.main(['jobs']); "
        "print({'torch', 'ray', 'sqlalchemy', 'pyarrow'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "set()"
