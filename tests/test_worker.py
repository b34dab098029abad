"""Workers of the queue and batches, in this process, with the toy model: approval, and what a failure leaves warm."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray import batch, orders, recorded, worker
from sgen_ray.cli.main import main
from sgen_ray.engine.config import EngineConfig
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.states import JobState

ENGINE = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyFactory:
    """What every model's name stands for; it leaves word in a folder."""
    (tmp_path / "notes").mkdir()
    toy = ToyFactory(tmp_path / "notes")
    monkeypatch.setattr(orders, "load_factory", lambda name: toy)
    monkeypatch.setattr(recorded, "load_factory", lambda name: toy)
    return toy


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.setenv("SGEN_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("SGEN_DATABASE", raising=False)
    (tmp_path / "store").mkdir()
    with Jobs(f"sqlite:///{tmp_path}/store/jobs.db", str(tmp_path / "store")) as opened:
        yield opened


def work(jobs: Jobs, tmp_path: Path) -> int:
    return worker.run(jobs, str(tmp_path / "store"), ENGINE, once=True)


def test_a_plan_waits_until_it_is_approved(tmp_path: Path, factory: ToyFactory, jobs: Jobs) -> None:
    job = jobs.submit(toy_model.request(), approve=True, output=str(tmp_path / "film.mp4")).id
    assert work(jobs, tmp_path) == 1
    waiting = jobs.get(job)
    assert (waiting.state, waiting.lease) == (JobState.AWAITING_APPROVAL, None)
    assert waiting.plan is not None
    assert work(jobs, tmp_path) == 0
    assert main(["approve", job]) == 0
    assert main(["approve", job]) == 2  # it waits no more
    assert work(jobs, tmp_path) == 1
    assert jobs.get(job).state is JobState.COMPLETED
    assert (tmp_path / "film.mp4").is_file()
    assert (factory.noted("planned"), factory.noted("rendered *")) == (1, 9)


def test_another_story_is_planned_anew_and_waits_again(tmp_path: Path, factory: ToyFactory, jobs: Jobs) -> None:
    job = jobs.submit(toy_model.request(), approve=True, output=str(tmp_path / "film.mp4")).id
    work(jobs, tmp_path)
    (tmp_path / "story.yaml").write_text("- {prompt: shot 1, seconds: 4}\n- {prompt: shot 2, seconds: 4}\n")
    assert main(["approve", job, "--shots", str(tmp_path / "story.yaml"), "--json"]) == 0
    work(jobs, tmp_path)
    assert jobs.get(job).state is JobState.AWAITING_APPROVAL
    assert main(["approve", job]) == 0
    work(jobs, tmp_path)
    done = jobs.get(job)
    assert done.state is JobState.COMPLETED
    assert [shot.prompt for shot in done.request.shots] == ["shot 1", "shot 2"]
    assert (done.request.width, done.request.steps) == (64, 4)
    assert factory.noted("planned") == 2


def test_a_film_that_fails_leaves_the_renderers_warm(
    tmp_path: Path, factory: ToyFactory, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = ToyFactory(factory.notes, raises=8)  # shorter films have no such window
    monkeypatch.setattr(recorded, "load_factory", lambda name: poison)
    bad = jobs.submit(toy_model.request(), output=str(tmp_path / "bad.mp4")).id
    good = jobs.submit(toy_model.request(8), output=str(tmp_path / "good.mp4")).id
    assert work(jobs, tmp_path) == 2
    assert (jobs.get(bad).state, jobs.get(good).state) == (JobState.FAILED, JobState.COMPLETED)
    assert "render 8 failed 3 times" in str(jobs.get(bad).error)
    assert factory.noted("renderer *") == 2


def test_a_row_that_fails_leaves_the_renderers_warm(
    tmp_path: Path, factory: ToyFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = ToyFactory(factory.notes, raises=8)
    monkeypatch.setattr(orders, "load_factory", lambda name: poison)
    rows = [
        {"prompt": "shot", "seconds": 20.0, "size": "64x32", "name": "bad"},
        {"prompt": "shot", "seconds": 8.0, "size": "64x32"},
    ]
    done = batch.run(rows, tmp_path / "films", store=str(tmp_path / "store"), engine=ENGINE)
    assert (done.made, done.failed) == (1, 1)
    assert "render 8 failed 3 times" in done.errors[0]
    assert factory.noted("renderer *") == 2
