"""Events of videos as they come over a real connection: in order, once each, to many, and gone with their clients."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import toy_model
from fastapi import FastAPI
from httpx_sse import ServerSentEvent, aconnect_sse, connect_sse
from served import app_of, film, serving

from sgen_ray.client.schema import Event
from sgen_ray.engine import news
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job
from sgen_ray.serving import events


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return app_of(tmp_path)


@pytest.fixture
def jobs(app: FastAPI) -> Iterator[Jobs]:
    with app.state.service.jobs as opened:
        yield opened


@pytest.fixture
def client(app: FastAPI, jobs: Jobs) -> Iterator[httpx.Client]:
    with serving(app) as address, httpx.Client(base_url=address, timeout=60) as opened:
        yield opened


def read(message: ServerSentEvent) -> Event:
    """As the schema says that it is sent."""
    return Event(type=message.event, id=int(message.id) if message.id else None, **json.loads(message.data))


def all_events(client: httpx.Client, job: Job, query: str = "", headers: dict[str, str] | None = None) -> list[Event]:
    """Until the stream ends by itself."""
    found = []
    with connect_sse(client, "GET", f"/v1/videos/{job.id}/events{query}", headers=dict(headers or {})) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        for message in source.iter_sse():
            event = read(message)
            # httpx-sse gives the last id again with events that have none.
            found.append(event.model_copy(update={"id": None}) if event.type in ("steps", "end") else event)
    return found


def test_a_film_is_followed_from_the_queue_to_its_end(client: httpx.Client, jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.submit(toy_model.request(steps=12, plan_steps=20), model="toy-1")
    worker = threading.Thread(target=film, args=(tmp_path, jobs), kwargs={"pause": 0.05})
    worker.start()
    try:
        found = all_events(client, job)
    finally:
        worker.join()
    lasting = [event for event in found if event.id is not None]
    assert lasting == jobs.events(job.id)
    assert found[-1].type == "end" and found[-1].data == {"status": "completed"}
    assert [event.type for event in found].count("end") == 1
    steps = [event.data for event in found if event.type == "steps"]
    assert any(step["windows"] for step in steps) and any(step["plan"] for step in steps)


def test_it_goes_on_after_what_was_heard_at_any_replica(
    client: httpx.Client, jobs: Jobs, tmp_path: Path, app: FastAPI
) -> None:
    job = film(tmp_path, jobs, toy_model.request())
    everything = all_events(client, job)
    assert everything[:-1] == jobs.events(job.id)
    with serving(app_of(tmp_path)) as address, httpx.Client(base_url=address) as other:
        for heard in (3, len(everything) - 2):
            expected = everything[heard:-1]
            assert all_events(other, job, headers={"Last-Event-ID": str(heard)})[:-1] == expected
            assert all_events(client, job, query=f"?after={heard}")[:-1] == expected
    (end,) = all_events(client, job, headers={"Last-Event-ID": str(len(everything) - 1)})
    assert end.type == "end"
    assert [event.type for event in all_events(client, job, headers={"Last-Event-ID": "999999"})] == ["end"]
    for nonsense in ("x", "-1", "1" * 50):
        assert len(all_events(client, job, headers={"Last-Event-ID": nonsense})) == len(everything)


def test_what_people_do_is_told_too(client: httpx.Client, jobs: Jobs) -> None:
    cancelled, deleted = (jobs.submit(toy_model.request()) for _ in range(2))

    def act() -> None:
        jobs.request_cancel(cancelled.id)
        jobs.request_cancel(deleted.id)

    later = threading.Timer(0.3, act)
    later.start()
    assert [event.data for event in all_events(client, cancelled)] == [
        {"state": "queued"},
        {"state": "cancelled"},
        {"status": "failed"},
    ]
    later.join()


def test_a_job_that_is_deleted_ends_its_streams(client: httpx.Client, jobs: Jobs, app: FastAPI) -> None:
    job = jobs.submit(toy_model.request())
    with connect_sse(client, "GET", f"/v1/videos/{job.id}/events") as source:
        events = source.iter_sse()
        assert read(next(events)).data == {"state": "queued"}
        with jobs._db.write() as connection:  # as a collection does with old ones
            connection.exec_driver_sql("DELETE FROM jobs")
        assert [read(message).data for message in events] == [{"status": "deleted"}]


def test_unknown_videos_are_errors_and_no_streams(client: httpx.Client, jobs: Jobs) -> None:
    other = jobs.submit(toy_model.request(), tenant="other")
    for name in ("job_none", other.id):
        answer = client.get(f"/v1/videos/{name}/events")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert client.get(f"/v1/videos/{other.id}/events?after=-1").status_code == 400


def test_many_streams_are_one_task_and_leave_nothing(client: httpx.Client, jobs: Jobs, app: FastAPI) -> None:
    made = [jobs.submit(toy_model.request()) for _ in range(20)]
    threads = threading.active_count()

    async def follow(opened: httpx.AsyncClient, job: Job, seen: asyncio.Semaphore) -> list[str]:
        async with aconnect_sse(opened, "GET", f"/v1/videos/{job.id}/events") as source:
            found = []
            async for message in source.aiter_sse():
                found.append(message.event)
                seen.release()
        return found

    async def main() -> list[list[str]]:
        limits = httpx.Limits(max_connections=None)
        seen = asyncio.Semaphore(0)
        async with httpx.AsyncClient(base_url=client.base_url, timeout=60, limits=limits) as opened:
            streams = [asyncio.create_task(follow(opened, made[n % 20], seen)) for n in range(200)]
            for _ in range(200):
                await seen.acquire()
            assert len(app.state.follower) == 200
            assert threading.active_count() < threads + 50  # the pool of threads that all routes share
            for stream in streams[:100]:
                stream.cancel()
            await asyncio.gather(*streams[:100], return_exceptions=True)
            while len(app.state.follower) > 100:
                await asyncio.sleep(0.02)
            for job in made:
                jobs.request_cancel(job.id)
            return await asyncio.gather(*streams[100:])

    assert asyncio.run(main()) == [["state", "state", "end"]] * 100
    while app.state.follower._task is not None:
        time.sleep(0.02)
    assert len(app.state.follower) == 0 and not app.state.follower._streams


def test_a_quiet_stream_says_that_it_is_there(
    client: httpx.Client, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    job = jobs.submit(toy_model.request())
    with client.stream("GET", f"/v1/videos/{job.id}/events") as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": ping"


def test_steps_of_a_dead_worker_are_not_told_of_a_job_that_waits(client: httpx.Client, jobs: Jobs) -> None:
    job = jobs.submit(toy_model.request())
    news.HERE.tell(job.id, Event(type="steps", at=1, data={}))
    later = threading.Timer(0.3, lambda: jobs.request_cancel(job.id))
    later.start()
    assert "steps" not in [event.type for event in all_events(client, job)]
    later.join()


def test_who_comes_during_a_look_gets_nothing_of_it_that_leaves_a_gap(jobs: Jobs, tmp_path: Path) -> None:
    job = film(tmp_path, jobs, toy_model.request())
    follower = events.Follower(jobs, news.News())
    late, early = events.Stream(2), events.Stream(6)
    follower._streams[job.id] = {early}
    found = events.look(jobs, news.News(), {job.id: early.sent})
    follower._streams[job.id].add(late)
    follower._hand_out(job.id, 6, found)
    assert (late.sent, late.queue.empty()) == (2, True)
    assert early.sent == len(jobs.events(job.id))


def test_a_stream_ends_with_its_key(jobs: Jobs) -> None:
    job = jobs.submit(toy_model.request())
    valid = {"kept", "revoked"}

    async def types(follower: events.Follower, key: str) -> list[str | None]:
        found = []
        async for event in follower.follow(job.id, 0, key):
            found.append(event.event)
            if key == "revoked":
                valid.discard(key)
        return found

    async def main() -> list[list[str | None]]:
        follower = events.Follower(jobs, news.News(), valid.__contains__)
        kept = asyncio.create_task(types(follower, "kept"))
        revoked = await types(follower, "revoked")
        jobs.request_cancel(job.id)
        return [revoked, await kept]

    assert asyncio.run(main()) == [["state"], ["state", "state", "end"]]
