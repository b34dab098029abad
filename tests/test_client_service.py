"""The client and the command line against the whole service with real workers: from a prompt to a film on this disk."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flaky import Cut, Flaky
from served import serving
from service import Place, toy_place

from sgen_ray.cli.main import main
from sgen_ray.client import AsyncClient, Client, Conflict, NotFound, Retries
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.plan_file import read_plan
from sgen_ray.media.probe import probe

pytest.importorskip("service", reason="comes with the branch of the service's routes")

ROOT = Path(__file__).parent.parent
QUICK = Retries(attempts=4, first=0.001, longest=0.004)
SMALL = {"seconds": 4.0, "size": "64x32", "steps": 2, "plan_steps": 2}
CLI = "--size 64x32 --steps 2 --plan-steps 2".split()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return toy_place(tmp_path, monkeypatch)


@pytest.fixture
def flaky(place: Place) -> Flaky:
    return Flaky(place.app)


@pytest.fixture
def address(place: Place, flaky: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a service without workers; and an empty working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with serving(flaky) as listening:
        monkeypatch.setenv("SGEN_SERVER", listening)
        yield listening


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address, retries=QUICK) as opened:
        yield opened


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    with Jobs(place.settings.url, place.settings.store) as opened:
        yield opened


def test_everything_that_can_be_done_with_a_film(client: Client, place: Place, tmp_path: Path) -> None:
    shots = [{"prompt": "shot 0", "seconds": 4}, {"prompt": "shot 1", "seconds": 4}]
    with place.films():
        heard: list[str] = []
        video = client.videos.create_and_wait(
            shots=shots, size="64x32", steps=2, plan_steps=2, on_event=lambda event: heard.append(event.type)
        )
        assert (video.status, video.progress, heard[0], heard[-1]) == ("completed", 100, "state", "end")
        film = client.videos.download(video.id, "out/film.mp4")
        assert probe(film).seconds == 8
        for variant in ("thumbnail", "spritesheet"):
            picture = client.videos.download(video.id, f"{variant}.jpg", variant=variant)
            assert picture.read_bytes().startswith(b"\xff\xd8")
        assert client.videos.plan(video.id, "plan.png").read_bytes().startswith(b"\x89PNG")
        assert len(read_plan(client.videos.plan(video.id, "plan.arrow")).request.shots) == 2
        assert client.videos.timeline(video.id, "times.png").read_bytes().startswith(b"\x89PNG")
        assert client.videos.report(video.id)

        changed = [
            client.videos.edit(video.id, 2, "storm"),
            client.videos.extend(video.id, 4, "calm"),
            client.videos.extend(video.id, 4),
            client.videos.remix(video.id, "rain"),
        ]
        done = [client.videos.wait(each.id) for each in changed]
    assert [each.prompt for each in done] == [
        "shot 0 | storm",
        "shot 0 | shot 1 | calm",
        "shot 0 | shot 1",
        "rain | shot 1",
    ]
    assert [each.seconds for each in done] == ["8", "12", "12", "8"]
    assert [each.kind for each in done] == ["edit", "extend", "extend", "remix"]
    assert {each.remixed_from_video_id for each in done} == {video.id}
    assert [model.id for model in client.models()] == ["toy"]

    assert client.videos.delete(video.id).deleted
    with pytest.raises(NotFound):
        client.videos.retrieve(video.id)


def test_a_plan_is_changed_then_approved(client: Client, place: Place) -> None:
    with place.films():
        video = client.videos.create_and_wait("shot 0", approve=True, **SMALL)
        assert (video.status, video.plan_ready) == ("awaiting_approval", True)
        client.videos.plan(video.id, "plan.png")
        with pytest.raises(Conflict):
            client.videos.download(video.id, "film.mp4")
        client.videos.approve(video.id, shots=[{"prompt": "shot 1", "seconds": 4}])
        video = client.videos.wait(video.id)
        assert (video.status, video.prompt) == ("awaiting_approval", "shot 1")
        client.videos.approve(video.id)
        assert client.videos.wait(video.id).status == "completed"
    with pytest.raises(Conflict, match="does not wait for approval"):
        client.videos.approve(video.id)
    assert not Path("film.mp4").exists()


def test_an_answer_that_is_lost_doubles_nothing(client: Client, flaky: Flaky, place: Place, jobs: Jobs) -> None:
    flaky.next("/videos", Cut(0), Cut(20))
    video = client.videos.create("shot 0", approve=True, **SMALL)
    assert [job.id for job in jobs.list().jobs] == [video.id]
    with place.films():
        client.videos.wait(video.id)
        flaky.next("/approve", Cut(0))
        assert client.videos.approve(video.id).status in ("queued", "in_progress", "completed")
        client.videos.wait(video.id)
        for path, change in {
            "/edits": lambda: client.videos.edit(video.id, 1, "storm"),
            "/extensions": lambda: client.videos.extend(video.id, 4),
            "/remix": lambda: client.videos.remix(video.id, "rain"),
        }.items():
            before = len(jobs.list().jobs)
            flaky.next(path, Cut(0), Cut(30))
            change()
            assert len(jobs.list().jobs) == before + 1
    flaky.next(video.id, Cut(0))
    assert client.videos.delete(video.id).deleted
    other = client.videos.create("shot 0", **SMALL)
    flaky.next("/cancel", Cut(0))
    assert client.videos.cancel(other.id).state == "cancelled"
    flaky.next("/retry", Cut(0), Cut(30))
    again = client.videos.retry(other.id)
    assert again.state == "queued" and [job.id for job in jobs.list(limit=2).jobs] == [again.id, other.id]


def test_the_same_asynchronously(address: str, place: Place) -> None:
    async def main() -> None:
        async with AsyncClient(address, retries=QUICK) as client:
            films = [client.videos.create_and_wait(f"shot {n}", **SMALL) for n in range(3)]
            for video in await asyncio.gather(*films):
                film = await client.videos.download(video.id, f"{video.id}.mp4")
                assert probe(film).seconds == 4
            assert len([video async for video in client.videos.list()]) == 3

    with place.films():
        asyncio.run(main())


def test_the_command_line_makes_a_film_elsewhere(address: str, place: Place, capsys) -> None:
    with place.films():
        assert main(["submit", "shot 0", "--seconds", "8", *CLI, "-o", "out/film.mp4"]) == 0
        told = capsys.readouterr()
        job = told.out.splitlines()[-1].removeprefix("job ")
        assert re.fullmatch(r"out/film.mp4: 8 s, 64x32 at 8 frames a second\njob job_\w+\n", told.out)
        assert "render: window" in told.err and probe(Path("out/film.mp4")).seconds == 8

        assert main(["download", job, "--variant", "thumbnail", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts == {"job": job, "variant": "thumbnail", "output": "thumbnail.jpg"}
        assert Path("thumbnail.jpg").is_file()

        wait = [
            "submit",
            "shot 0",
            "--seconds",
            "8",
            *CLI,
            "--seed",
            "5",
            "--approve",
            "--preview",
            "plan.png",
            "--json",
        ]
        assert main(wait) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["state"] == "awaiting_approval" and Path("plan.png").is_file()
        assert main(["approve", facts["job"], "-o", "film.mp4", "--quiet"]) == 0
        assert probe(Path("film.mp4")).provenance["seed"] == 5
    assert main(["cancel", job]) == 2
    assert "nothing to cancel" in capsys.readouterr().err


def test_the_examples_of_the_documentation_run(address: str, place: Place, monkeypatch) -> None:
    monkeypatch.setenv("SGEN_BASE_URL", address)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/client.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    with place.films():
        for block in blocks:
            exec(compile(block, "docs/client.md", "exec"), names)
    assert probe(Path("mars.mp4")).seconds == 8 and Path("plan.png").is_file() and Path("sheet.jpg").is_file()
    assert len(list(Path().glob("job_*.mp4"))) == 2
