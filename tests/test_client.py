"""The client against the real application over real connections, good and bad ones."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import toy_model
from fastapi import FastAPI
from flaky import Cut, Flaky, Refuse
from served import app_of, film, serving
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, RedirectResponse
from starlette.routing import Route

from sgen_ray import orders
from sgen_ray.client import (
    APIError,
    AsyncClient,
    Client,
    NotFound,
    RateLimited,
    Retries,
    ServerError,
    Unreachable,
    VideoFailed,
    schema,
)
from sgen_ray.jobs.jobs import Jobs

QUICK = Retries(attempts=4, first=0.001, longest=0.004)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(orders, "load_factory", lambda name: toy_model.ToyFactory())
    return app_of(tmp_path / "store")


@pytest.fixture
def jobs(app: FastAPI) -> Iterator[Jobs]:
    with app.state.service.jobs as opened:
        yield opened


@pytest.fixture
def flaky(app: FastAPI) -> Flaky:
    return Flaky(app)


@pytest.fixture
def client(flaky: Flaky, jobs: Jobs) -> Iterator[Client]:
    with serving(flaky) as address, Client(address, retries=QUICK) as opened:
        yield opened


def worker(folder: Path, jobs: Jobs, pause: float = 0.0) -> threading.Thread:
    """Makes the film that waits."""
    thread = threading.Thread(target=film, args=(folder, jobs), kwargs={"pause": pause})
    thread.start()
    return thread


def make(client: Client, folder: Path, jobs: Jobs) -> schema.Video:
    video = client.videos.create("shot 0", seconds=8, fps=8, size="64x32", steps=3)
    film(folder / "store", jobs)
    return client.videos.retrieve(video.id)


def test_the_asynchronous_client_calls_an_application_without_a_socket(app: FastAPI, jobs: Jobs) -> None:
    async def main() -> None:
        async with AsyncClient("http://app", transport=httpx.ASGITransport(app), retries=QUICK) as client:
            made = [await client.videos.create(f"shot {n}", seconds=4) for n in range(3)]
            assert (made[0].status, made[0].seconds, made[0].prompt) == ("queued", "4", "shot 0")
            assert await client.videos.retrieve(made[1].id) == made[1]
            assert [video.id async for video in client.videos.list(page=2)] == [video.id for video in reversed(made)]
            with pytest.raises(NotFound, match="there is no"):
                await client.videos.retrieve("job_none")

    asyncio.run(main())


def test_a_storyboard_is_given_as_shots_or_as_mappings(client: Client) -> None:
    shots = [schema.Shot(prompt="shot 0", seconds=4), {"prompt": "shot 1", "seconds": 6}]
    video = client.videos.create(shots=shots, seed=7, negative_prompt="rain")
    assert [(shot.prompt, shot.seconds) for shot in video.shots] == [("shot 0", 4), ("shot 1", 6)]
    assert (video.seconds, video.seed) == ("10", 7)
    with pytest.raises(APIError) as refused:
        client.videos.create("a", seconds=-1)
    assert (refused.value.status, refused.value.code) == (400, "invalid_value")


def test_pages_follow_each_other_only_as_far_as_they_are_wanted(client: Client, flaky: Flaky) -> None:
    made = [client.videos.create("a", seconds=4).id for _ in range(5)]
    assert [video.id for video in client.videos.list(page=2)] == made[::-1]
    flaky.seen.clear()
    assert next(client.videos.list(page=2)).id == made[-1]
    assert len(flaky.seen) == 1


def test_calls_are_tried_again_while_it_may_help(client: Client, flaky: Flaky, jobs: Jobs) -> None:
    flaky.next("/videos", Refuse(503), Refuse(429, {"retry-after": "0"}), Refuse(502, body=b"<html>"))
    video = client.videos.create("a", seconds=4)
    assert len(flaky.headers("/videos")) == 4
    assert len({headers["idempotency-key"] for headers in flaky.headers("/videos")}) == 1
    assert [job.id for job in jobs.list().jobs] == [video.id]

    for fault, kind in ((Refuse(500), ServerError), (Refuse(501), ServerError), (Refuse(404), NotFound)):
        flaky.seen.clear()
        flaky.next(video.id, fault)
        with pytest.raises(kind) as raised:
            client.videos.retrieve(video.id)
        assert (len(flaky.seen), raised.value.attempts) == (1, 1)

    flaky.seen.clear()
    flaky.next(video.id, Refuse(429, {"retry-after": "3600"}))
    with pytest.raises(RateLimited) as busy:
        client.videos.retrieve(video.id)
    assert (busy.value.retry_after, len(flaky.seen)) == (3600, 1)

    flaky.next(video.id, *[Refuse(503, {"x-request-id": "r"})] * QUICK.attempts)
    with pytest.raises(ServerError) as down:
        client.videos.retrieve(video.id)
    assert (down.value.status, down.value.request_id, down.value.attempts) == (503, "r", QUICK.attempts)
    assert client.videos.retrieve(video.id) == video


def test_two_calls_have_two_keys_and_a_key_can_be_given(client: Client, flaky: Flaky) -> None:
    client.videos.create("a", seconds=4)
    client.videos.create("a", seconds=4)
    client.videos.create("a", seconds=4, idempotency_key="mine")
    one, two, three = (headers["idempotency-key"] for headers in flaky.headers("/videos"))
    assert one != two and three == "mine"


def test_an_answer_cut_off_is_asked_for_again(client: Client, flaky: Flaky) -> None:
    video = client.videos.create("a", seconds=4)
    flaky.next(video.id, Cut(0), Cut(10))
    assert client.videos.retrieve(video.id) == video
    flaky.next(video.id, *[Cut(5)] * QUICK.attempts)
    with pytest.raises(Unreachable, match="cut off"):
        client.videos.retrieve(video.id)


def test_the_key_does_not_follow_to_another_place() -> None:
    asked = []

    async def away(request: httpx.Request) -> RedirectResponse:
        asked.append(request)
        return RedirectResponse("http://127.0.0.1:9/elsewhere")

    async def page(request: httpx.Request) -> JSONResponse:
        return JSONResponse({"hello": "world"})

    routes = [Route("/v1/videos/a", away), Route("/v1/videos/b", page)]
    with serving(Starlette(routes=routes)) as address, Client(address, "sk", retries=QUICK) as client:
        with pytest.raises(ServerError, match="elsewhere; give that address"):
            client.videos.retrieve("a")
        with pytest.raises(ServerError, match=r"no Video .*is this the service's address"):
            client.videos.retrieve("b")
    assert len(asked) == 1


def test_events_go_on_after_every_cut_and_come_once(client: Client, flaky: Flaky, jobs: Jobs, tmp_path: Path) -> None:
    video = make(client, tmp_path, jobs)
    whole = list(client.videos.events(video.id))
    assert whole[-1].type == "end" and [event.id for event in whole[:-1]] == list(range(1, len(whole)))
    flaky.seen.clear()
    flaky.next("/events", Cut(300), Refuse(503), Cut(1), Cut(700), Cut(900))
    assert list(client.videos.events(video.id))[:-1] == whole[:-1]
    heard = [int(headers.get("last-event-id", 0)) for headers in flaky.headers("/events")]
    assert len(heard) == 6 and heard == sorted(heard) and heard[0] == 0 and heard[-1] > 5

    assert list(client.videos.events(video.id, after=4))[:-1] == whole[4:-1]
    flaky.next("/events", *[Cut(0)] * (QUICK.attempts + 1))
    with pytest.raises(Unreachable, match="cut off|ended before"):
        list(client.videos.events(video.id))


def test_whoever_stops_listening_leaves_no_connection(client: Client, app: FastAPI) -> None:
    video = client.videos.create("a", seconds=4)
    events = client.videos.events(video.id)
    assert next(events).data == {"state": "queued"}
    assert len(app.state.follower) == 1
    events.close()  # type: ignore[attr-defined]
    while app.state.follower._streams:
        time.sleep(0.02)


def test_create_and_wait_tells_what_happens(client: Client, flaky: Flaky, jobs: Jobs, tmp_path: Path) -> None:
    threads, events, progress = [], [], []

    def hear(event: schema.Event) -> None:
        if not threads:
            threads.append(worker(tmp_path / "store", jobs, pause=0.01))
        events.append(event)

    flaky.next("/events", Cut(600), Cut(600), Cut(600))
    video = client.videos.create_and_wait("shot 0", seconds=12, steps=4, on_progress=progress.append, on_event=hear)
    threads[0].join()
    assert (video.status, video.progress) == ("completed", 100)
    assert events[-1].type == "end"
    assert [event for event in events if event.id is not None] == jobs.events(video.id)
    assert progress[-1] == video and [seen.progress for seen in progress] == sorted(seen.progress for seen in progress)


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_waiting_for_what_fails_is_an_error_with_the_reason(client: Client, jobs: Jobs, end: str) -> None:
    video = client.videos.create("a", seconds=4)
    if end == "cancel":
        jobs.request_cancel(video.id)
    else:
        job = jobs.claim("worker")
        assert job is not None and job.lease is not None
        jobs.fail(job.lease, "engine", "window 3 is not finite")
    with pytest.raises(VideoFailed) as failed:
        client.videos.wait(video.id)
    assert failed.value.video.status == "failed"
    assert failed.value.code == ("cancelled" if end == "cancel" else "engine")


def test_waiting_ends_where_somebody_must_approve(client: Client, jobs: Jobs, tmp_path: Path) -> None:
    video = client.videos.create("shot 0", seconds=8, approve=True)
    film(tmp_path / "store", jobs)
    assert client.videos.wait(video.id).status == "awaiting_approval"


DATA = bytes(range(256)) * 4000


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Flaky, Client, Callable[[bytes], None]]]:
    """A server of one file, which can be replaced."""
    served = tmp_path / "served"

    def write(data: bytes) -> None:
        served.write_bytes(data)

    async def content(request: httpx.Request) -> FileResponse:
        return FileResponse(served)

    flaky = Flaky(Starlette(routes=[Route("/v1/videos/a/content", content)]))
    write(DATA)
    with serving(flaky) as address, Client(address, retries=QUICK) as client:
        yield flaky, client, write


def test_a_download_goes_on_where_it_was_cut(files, tmp_path: Path) -> None:
    flaky, client, _ = files
    told: list[tuple[int, int | None]] = []
    flaky.next("/content", Cut(200_000), Refuse(503), Cut(1), *[Cut(100_000)] * 6)
    path = client.videos.download("a", tmp_path / "new/film.mp4", on_bytes=lambda *now: told.append(now))
    assert path.read_bytes() == DATA
    assert [entry.name for entry in path.parent.iterdir()] == ["film.mp4"]
    assert told == sorted(told) and told[-1] == (len(DATA), len(DATA))
    ranges = [headers.get("range") for headers in flaky.headers("/content")]
    assert ranges[:4] == [None, "bytes=200000-", "bytes=200000-", "bytes=200001-"]
    assert all("if-range" in headers for headers in flaky.headers("/content")[1:])


def test_a_later_process_goes_on_with_what_one_left(files, tmp_path: Path) -> None:
    flaky, client, write = files
    path = tmp_path / "out/film.mp4"

    class Killed(BaseException):
        pass

    def die(here: int, total: int | None) -> None:
        if here > 300_000:
            raise Killed

    with pytest.raises(Killed):
        client.videos.download("a", path, on_bytes=die)
    (part,) = path.parent.iterdir()
    assert part.name.startswith(".film.mp4.") and part.stat().st_size > 300_000
    flaky.seen.clear()
    client.videos.download("a", path)
    assert path.read_bytes() == DATA and list(path.parent.iterdir()) == [path]
    assert flaky.headers("/content")[0]["range"].startswith("bytes=3")

    with pytest.raises(Killed):
        client.videos.download("a", path, on_bytes=die)
    assert path.read_bytes() == DATA  # the old one stays until the new one is whole
    write(DATA[::-1])
    client.videos.download("a", path)
    assert path.read_bytes() == DATA[::-1] and list(path.parent.iterdir()) == [path]

    with pytest.raises(Killed):  # it died between the last byte and the new name
        client.videos.download("a", path, on_bytes=lambda here, total: die(here * (here == total), total))
    client.videos.download("a", path)
    assert path.read_bytes() == DATA[::-1] and list(path.parent.iterdir()) == [path]


def test_the_file_changes_while_it_is_downloaded(files, tmp_path: Path) -> None:
    flaky, client, write = files
    flaky.next("/content", Cut(500_000))
    replaced = []

    def replace(here: int, total: int | None) -> None:
        if not replaced and here == 500_000:
            replaced.append(write(DATA[::-1]))

    path = client.videos.download("a", tmp_path / "out/film.mp4", on_bytes=replace)
    assert replaced and path.read_bytes() == DATA[::-1]
    assert list(path.parent.iterdir()) == [path]


def test_two_downloads_of_one_file_do_no_harm(files, tmp_path: Path) -> None:
    flaky, client, _ = files
    path = tmp_path / "out/film.mp4"
    flaky.next("/content", *[Cut(150_000)] * 8)
    threads = [threading.Thread(target=client.videos.download, args=("a", path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == DATA and list(path.parent.iterdir()) == [path]


def test_what_cannot_be_downloaded_leaves_nothing(files, tmp_path: Path) -> None:
    flaky, client, _ = files
    path = tmp_path / "out/film.mp4"
    flaky.next("/content", Refuse(404))
    with pytest.raises(NotFound):
        client.videos.download("a", path)
    assert list(path.parent.iterdir()) == []
    flaky.next("/content", *[Cut(0)] * (QUICK.attempts + 1))
    with pytest.raises(Unreachable):
        client.videos.download("a", path)
