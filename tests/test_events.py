"""What happened to jobs, as the database keeps it: the same on SQLite and on PostgreSQL."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from ticking import Clock

from sgen_ray.client.schema import Event
from sgen_ray.errors import JobError, LeaseLost
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job, Progress
from sgen_ray.jobs.states import JobState
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 4),), 480, 240, 8)


@pytest.fixture
def jobs(database: str, clock: Clock) -> Iterator[Jobs]:
    with Jobs(database, "s3://bucket", clock=clock) as opened:
        yield opened


def claimed(jobs: Jobs) -> Job:
    job = jobs.claim("worker")
    assert job is not None
    return job


def window(number: int) -> Event:
    return Event(type="window", at=1_700_000_000.25 + number, data={"window": number})


def told(jobs: Jobs, job: Job, after: int = 0) -> list[tuple[int | None, str, object]]:
    return [(e.id, e.type, e.data.get("state", e.data.get("window"))) for e in jobs.events(job.id, after)]


def test_every_change_of_state_is_an_event_whoever_makes_it(jobs: Jobs) -> None:
    job = jobs.submit(REQUEST, approve=True, idempotency_key="once")
    assert jobs.submit(REQUEST, approve=True, idempotency_key="once").id == job.id
    lease = claimed(jobs).lease
    assert lease is not None
    jobs.advance(lease, JobState.PLANNING, plan="p")
    jobs.renew(lease, progress=Progress("plan", 1, 2))
    jobs.advance(lease, JobState.AWAITING_APPROVAL)
    jobs.approve(job.id)
    lease = claimed(jobs).lease
    assert lease is not None
    jobs.advance(lease, JobState.RENDERING, film="f")
    jobs.request_cancel(job.id)
    jobs.confirm_cancel(lease)
    states = ["queued", "planning", "awaiting_approval", "queued", "planning", "rendering", "rendering", "cancelled"]
    assert told(jobs, job) == [(number, "state", state) for number, state in enumerate(states, 1)]
    happened = jobs.events(job.id)
    assert happened[-2].data == {"state": "rendering", "cancel_requested": True}
    assert happened[-1].data == {"state": "cancelled"}
    assert [event.at for event in happened] == sorted(event.at for event in happened)
    assert jobs.standings_of([job.id, "job_none"])[job.id].events == 8


def test_a_failure_says_why(jobs: Jobs) -> None:
    job = jobs.submit(REQUEST, owner="worker")
    assert job.lease is not None
    jobs.fail(job.lease, "model", "it does not load")
    assert jobs.events(job.id)[-1].data == {
        "state": "failed",
        "error": {"code": "model", "message": "it does not load"},
    }


def test_numbers_go_on_after_another_worker_took_over(jobs: Jobs, clock: Clock) -> None:
    job = jobs.submit(REQUEST)
    first = claimed(jobs).lease
    assert first is not None
    jobs.append(first, [window(0), window(1)])
    clock.now += timedelta(minutes=2)
    second = claimed(jobs).lease
    assert second is not None and second.token > first.token
    with pytest.raises(LeaseLost):
        jobs.append(first, [window(9)])
    jobs.append(second, [window(2)])
    jobs.append(second, [])
    expected = [(1, "state", "queued"), (2, "state", "planning"), (3, "window", 0), (4, "window", 1)]
    expected += [(5, "state", "planning"), (6, "window", 2)]
    assert told(jobs, job) == expected
    assert told(jobs, job, after=4) == expected[4:] and told(jobs, job, after=6) == []
    assert jobs.events(job.id, 5)[0].at == window(2).at
    jobs.confirm_cancel(second)
    with pytest.raises(LeaseLost):
        jobs.append(second, [window(3)])


def test_what_is_refused_leaves_no_event(jobs: Jobs) -> None:
    job = jobs.submit(REQUEST)
    with pytest.raises(JobError):
        jobs.approve(job.id)
    with pytest.raises(JobError):
        jobs.delete(job.id)
    assert told(jobs, job) == [(1, "state", "queued")]


def test_events_go_with_their_job(jobs: Jobs) -> None:
    job, other = jobs.submit(REQUEST), jobs.submit(REQUEST)
    jobs.request_cancel(job.id)
    jobs.delete(job.id)
    assert jobs.events(job.id) == [] and len(jobs.events(other.id)) == 1
    assert jobs.events_of({job.id: 0, other.id: 0, "job_none": 0}).keys() == {other.id}
    assert jobs.standings_of([job.id, other.id]).keys() == {other.id}


def test_many_jobs_are_looked_at_at_once(jobs: Jobs) -> None:
    ids = [jobs.submit(REQUEST).id for _ in range(450)]
    assert jobs.standings_of(ids).keys() == set(ids)
    assert all(len(found) == 1 for found in jobs.events_of(dict.fromkeys(ids, 0)).values())
    assert jobs.events_of(dict.fromkeys(ids, 1)) == {}


def test_writers_at_the_same_time_leave_no_gap_and_no_double(jobs: Jobs) -> None:
    job = jobs.submit(REQUEST, owner="worker")
    lease = job.lease
    assert lease is not None

    def write() -> None:
        for number in range(20):
            jobs.append(lease, [window(number)])

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    jobs.advance(lease, JobState.RENDERING)
    for thread in threads:
        thread.join()
    assert [event.id for event in jobs.events(job.id)] == list(range(1, len(jobs.events(job.id)) + 1))
    assert len(jobs.events(job.id)) == 62
