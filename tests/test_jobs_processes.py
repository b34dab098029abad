"""Jobs under real processes, which do the same thing at the same time."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from sgen_ray.errors import LeaseLost
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.states import JobState
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 4),), 480, 240, 8)
STORE = "s3://bucket"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROCESSES = 4

meet: Callable[[], Any]


def _set_meeting(barrier: Barrier) -> None:
    global meet
    meet = partial(barrier.wait, 120)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context, _set_meeting, (context.Barrier(PROCESSES),)) as pool:
        yield pool


def at_once(pool: ProcessPoolExecutor, function: Callable[[str, int], Any], url: str) -> list[Any]:
    """`function` calls `meet` first: so every process takes one call."""
    return list(pool.map(function, [url] * PROCESSES, range(PROCESSES), timeout=240))


def open_and_submit(url: str, index: int) -> str:
    meet()
    with Jobs(url, STORE) as jobs:
        return jobs.submit(REQUEST).id


def test_a_fresh_database_is_opened_by_many_at_once(processes: ProcessPoolExecutor, empty_database: str) -> None:
    made = at_once(processes, open_and_submit, empty_database)
    with Jobs(empty_database, STORE) as jobs:
        assert sorted(made) == [job.id for job in reversed(jobs.list().jobs)]


def claim_all(url: str, index: int) -> list[str]:
    with Jobs(url, STORE) as jobs:
        meet()
        mine = []
        while job := jobs.claim(f"worker {index}"):
            assert job.lease is not None
            jobs.renew(job.lease)
            mine.append(job.id)
        return mine


def test_no_job_is_claimed_twice(processes: ProcessPoolExecutor, database: str) -> None:
    with Jobs(database, STORE) as jobs:
        submitted = [jobs.submit(REQUEST, tenant="abc"[step % 3]).id for step in range(30)]
        shares = at_once(processes, claim_all, database)
        assert sorted(job for share in shares for job in share) == sorted(submitted)
        assert all(job.lease is not None and job.lease.token == 1 for job in jobs.list().jobs)


def submit_same(url: str, index: int) -> str:
    with Jobs(url, STORE) as jobs:
        meet()
        return jobs.submit(REQUEST, idempotency_key="k").id


def test_one_key_is_one_job(processes: ProcessPoolExecutor, database: str) -> None:
    assert len(set(at_once(processes, submit_same, database))) == 1
    with Jobs(database, STORE) as jobs:
        assert len(jobs.list().jobs) == 1


def lose_a_job(url: str, index: int) -> str:
    """The first claims, and sleeps; the second claims two minutes later; the first wakes up."""
    with Jobs(url, STORE, clock=lambda: NOW + timedelta(minutes=2 * index)) as jobs:
        job = jobs.claim("sleeper") if index == 0 else None
        meet()
        if index == 1:
            job = jobs.claim("second")
        meet()
        if job is None or job.lease is None:
            return ""
        try:
            return jobs.advance(job.lease, JobState.RENDERING).state
        except LeaseLost as error:
            return str(error)


def test_a_process_that_slept_writes_nothing(processes: ProcessPoolExecutor, database: str) -> None:
    with Jobs(database, STORE, clock=lambda: NOW) as jobs:
        job = jobs.submit(REQUEST)
        first, second, *_ = at_once(processes, lose_a_job, database)
        assert "no longer held by sleeper, whose token was 1" in first
        assert second == "rendering"
        job = jobs.get(job.id)
        assert job.lease is not None and (job.state, job.lease.owner, job.lease.token) == ("rendering", "second", 2)


FORK = f"""
import os, sys
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.types import Shot, VideoRequest

with Jobs(sys.argv[1], {STORE!r}) as jobs:
    request = {REQUEST!r}
    jobs.submit(request)
    child = os.fork()
    for _ in range(10):
        jobs.submit(request)
        jobs.claim("worker")
        jobs.count()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert sum(jobs.count().values()) == 21
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_uses_connections_of_its_own(database: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", FORK, database], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
