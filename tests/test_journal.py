"""What a film's worker tells those who watch: a whole film in this process, and what must not stop one."""

from pathlib import Path

import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray import filling
from sgen_ray.client.schema import Event
from sgen_ray.engine import events as e
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.news import Board, News
from sgen_ray.errors import DatabaseError
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job
from sgen_ray.journal import Journal
from sgen_ray.orders import Order
from sgen_ray.types import Video

LOCAL = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)
WINDOWS, SEGMENTS = 9, 10


def opened(folder: Path) -> Jobs:
    return Jobs(f"sqlite:///{folder}/jobs.db", str(folder))


def made(jobs: Jobs, folder: Path, pause: float = 0.0, **options: object) -> tuple[Job, Video | None]:
    order = Order(toy_model.request(plan_steps=20, steps=12), ToyFactory(pause=pause))
    jobs.submit(order.request, model="toy-1", **options)  # type: ignore[arg-type]
    job = jobs.claim("worker")
    assert job is not None
    return job, filling.fill(jobs, job, order, folder / "film.mp4", store=str(folder), engine=LOCAL)


def test_a_film_tells_all_that_lasts_in_order(tmp_path: Path) -> None:
    with opened(tmp_path) as jobs:
        job, video = made(jobs, tmp_path)
        told = jobs.events(job.id)
    assert video is not None
    assert [event.id for event in told] == list(range(1, len(told) + 1))
    states = [event.data["state"] for event in told if event.type == "state"]
    assert states == ["queued", "planning", "rendering", "stitching", "completed"]
    (started,) = (event.data for event in told if event.type == "started")
    assert started == {
        "windows": WINDOWS, "segments": SEGMENTS, "renderers": 2, "device": "cpu", "windows_reused": 0,
        "segments_reused": 0, "reused": [],
    }  # fmt: skip
    windows = [event.data for event in told if event.type == "window"]
    assert sorted(window["window"] for window in windows) == list(range(WINDOWS))
    assert [(window["done"], window["total"]) for window in windows] == [(n + 1, WINDOWS) for n in range(WINDOWS)]
    assert all(0 <= window["begin"] <= window["end"] and window["renderer"] in (0, 1) for window in windows)
    assert [event.data["done"] for event in told if event.type == "segment"] == list(range(1, SEGMENTS + 1))
    phases = [(event.data["phase"], event.data["state"]) for event in told if event.type == "phase"]
    assert phases.index(("plan", "started")) < phases.index(("plan", "finished")) < phases.index(("render", "started"))
    names = [event.type for event in told]
    rendering = next(n for n, event in enumerate(told) if event.data.get("state") == "rendering")
    assert names.index("started") > rendering and names[-1] == "state"


def test_a_film_that_is_there_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as jobs:
        made(jobs, tmp_path)
        job, _ = made(jobs, tmp_path)
        told = jobs.events(job.id)
    (started,) = (event.data for event in told if event.type == "started")
    assert (started["windows_reused"], started["segments_reused"]) == (WINDOWS, SEGMENTS)
    assert started["reused"] == list(range(WINDOWS))
    assert not [event for event in told if event.type in ("window", "segment")]


def test_steps_pass_by_on_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Event | None] = []
    monkeypatch.setattr(Board, "tell", lambda self, job, event: told.append(event))
    monkeypatch.setattr("sgen_ray.engine.news.on_ray", lambda: False)  # another test's cluster would get it
    with opened(tmp_path) as jobs:
        job, _ = made(jobs, tmp_path, pause=0.05)
        assert not [event for event in jobs.events(job.id) if event.type == "steps"]
    assert told[-1] is None
    steps = [event.data for event in told if event is not None]
    assert any(step["plan"] is not None for step in steps)
    assert any(step["windows"] and step["eta"] is not None for step in steps)
    assert steps[0]["eta"] is None


def test_time_left_is_that_of_what_was_done(tmp_path: Path) -> None:
    now = [1000.0]
    with opened(tmp_path) as jobs:
        job = jobs.submit(toy_model.request(), owner="worker")
        journal = Journal(jobs, job, News(), lambda: now[0])
        journal(e.FilmStarted(10, 4, 2, 1, "cpu", windows_reused=2, segments_reused=0))
        journal(e.WindowStep(3, 0, 1, 4))
        now[0] += 6
        journal(e.WindowStep(3, 0, 2, 4))
        assert journal._steps.now()["eta"] is None
        now[0] += 6
        journal(e.WindowFinished(3, 0, 12.0))
        journal(e.WindowStep(3, 0, 4, 4))  # seen late
        journal(e.WindowStep(4, 1, 2, 4))
        # In 12 s one window and a half; six and a half are left.
        assert journal._steps.now() == {
            "plan": None,
            "windows": [{"window": 4, "renderer": 1, "done": 2, "total": 4}],
            "eta": 12 / 1.5 * 6.5,
        }


def test_a_film_does_not_fail_where_its_events_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as jobs:
        append, refused = Jobs.append, [0]

        def down(self, lease, happened):
            refused[0] += 1
            if refused[0] <= 2:
                raise DatabaseError("it starts again")
            append(self, lease, happened)

        monkeypatch.setattr(Jobs, "append", down)
        job, video = made(jobs, tmp_path)
        assert video is not None and refused[0] > 2
        assert len([event for event in jobs.events(job.id) if event.type == "window"]) == WINDOWS
        monkeypatch.setattr(Jobs, "append", lambda *_: 1 / 0)
        job, video = made(jobs, tmp_path)
        assert video is not None
        assert {event.type for event in jobs.events(job.id)} == {"state"}


def test_a_board_keeps_the_newest_of_those_told_last() -> None:
    board = Board(most=2)
    for number, job in enumerate("abcb"):
        board.tell(job, Event(type="steps", at=number, data={}))
    assert {job: event.at for job, event in board.newest("abcd").items()} == {"b": 3, "c": 2}
    board.tell("b", None)
    assert board.newest("b") == {}
