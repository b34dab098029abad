"""Tenants, their keys and their quotas, the same on SQLite and on PostgreSQL."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from ticking import Clock

from sgen_ray.errors import JobError, QuotaExceeded, UnknownJob
from sgen_ray.jobs.host import Host
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.quotas import LONGEST_WAIT, Load, refusal
from sgen_ray.jobs.records import Limits
from sgen_ray.jobs.states import JobState
from sgen_ray.jobs.tenant_tables import keys
from sgen_ray.jobs.tenants import Tenant, is_token
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 10),), 480, 240, 8)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HERE = Host("here", "boot-1")


@pytest.fixture
def jobs(database: str, clock: Clock) -> Iterator[Jobs]:
    with Jobs(database, "s3://bucket", clock=clock, host=HERE) as opened:
        yield opened


def test_a_key_lets_its_tenant_in_until_it_is_revoked(jobs: Jobs) -> None:
    key, token = jobs.create_key("studio", "of Ada's laptop")
    assert is_token(token) and token.startswith(key.prefix) and len(key.prefix) < 12
    assert (key.tenant, key.name, key.last_used, key.revoked) == ("studio", "of Ada's laptop", None, None)
    assert jobs.create_key("studio")[1] != token
    found = jobs.find_key(token=token)
    assert found is not None and (found.id, found.tenant) == (key.id, "studio")
    assert jobs.find_key(key_id=key.id) == jobs.find_key(token=token)
    assert jobs.find_key(token=token[:-1] + "x") is None
    assert jobs.find_key(token="sk-") is None
    revoked = jobs.revoke_key(key.id)
    assert revoked.revoked is not None and jobs.revoke_key(key.id) == revoked
    assert jobs.find_key(token=token) is None and jobs.find_key(key_id=key.id) is None
    assert [(key.name, key.revoked is None) for key in jobs.keys("studio")] == [("of Ada's laptop", False), ("", True)]
    assert jobs.keys("other") == ()
    with pytest.raises(JobError, match="no key key_x"):
        jobs.revoke_key("key_x")


def test_the_database_has_no_token(jobs: Jobs, database: str) -> None:
    _, token = jobs.create_key("studio")
    with jobs._db.read() as connection:
        row = connection.execute(sa.select(keys)).one()
    assert row.hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row)


def test_when_a_key_was_last_used_is_coarse(jobs: Jobs, clock: Clock) -> None:
    _, token = jobs.create_key("studio")
    seen = []
    for _ in range(3):
        jobs.find_key(token=token)
        seen.append(jobs.keys()[0].last_used)
        clock.now += timedelta(minutes=40)
    assert seen[0] is not None and seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize("name", ["", "a/b", "..", "Studio", "a" * 64, "ä", "-a", "a b", "a\n"])
def test_names_that_are_no_tenants(jobs: Jobs, name: str) -> None:
    with pytest.raises(JobError, match="a tenant's name has"):
        jobs.create_key(name)


def test_limits_of_a_tenant(jobs: Jobs) -> None:
    assert jobs.tenant("studio") == Tenant("studio")
    jobs.set_tenant("studio", share=2.5, concurrent=3)
    jobs.set_tenant("studio", seconds_a_day=60)
    assert jobs.tenant("studio") == Tenant("studio", 2.5, 3, 60.0)
    assert jobs.set_tenant("studio", concurrent=0) == Tenant("studio", 2.5, None, 60.0)
    assert jobs.tenants() == (Tenant("studio", 2.5, None, 60.0),)
    for wrong in ({"share": 0}, {"share": float("nan")}, {"concurrent": -1}, {"seconds_a_day": float("inf")}):
        with pytest.raises(JobError):
            jobs.set_tenant("studio", **wrong)  # type: ignore[arg-type]


def test_stores_of_tenants(jobs: Jobs) -> None:
    assert jobs.store_of("local") == "s3://bucket"
    assert jobs.store_of("a") == "s3://bucket/tenants/a" != jobs.store_of("b")
    jobs.set_tenant("a", common=True)
    assert jobs.store_of("a") == "s3://bucket"
    job = jobs.submit(REQUEST, tenant="a", plan="p")
    jobs.submit(REQUEST, tenant="b", plan="q")
    jobs.submit(REQUEST, plan="r")
    with pytest.raises(JobError, match="a has jobs"):
        jobs.set_tenant("a", common=False)
    names = {tenant: set(found.plans) for tenant, found in jobs.references().items()}
    assert names == {"local": {"p", "r"}, "b": {"q"}}
    assert job.tenant == "a"


def test_a_share_says_whose_turn_it_is(jobs: Jobs) -> None:
    jobs.set_tenant("a", share=3)
    for _ in range(8):
        for tenant in "ab":
            jobs.submit(REQUEST, tenant=tenant)
    claimed = [job.tenant for _ in range(8) if (job := jobs.claim("w")) is not None]
    assert claimed.count("a") == 6


def test_a_secret_is_the_same_for_all(jobs: Jobs, database: str) -> None:
    with Jobs(database, "s3://bucket", host=HERE) as other:
        assert jobs.secret("session") == other.secret("session") != jobs.secret("another")
    assert len(jobs.secret("session")) == 43


def test_so_many_jobs_at_once(jobs: Jobs) -> None:
    jobs.set_tenant("a", concurrent=2)
    first = jobs.submit(REQUEST, tenant="a", idempotency_key="k")
    jobs.submit(REQUEST, tenant="a")
    with pytest.raises(QuotaExceeded, match="may have 2 jobs at once and has 2") as refused:
        jobs.submit(REQUEST, tenant="a")
    assert (refused.value.code, refused.value.retry_after) == ("concurrent_quota_exceeded", 60)
    assert jobs.submit(REQUEST, tenant="a", idempotency_key="k") == first
    jobs.submit(REQUEST, tenant="b")
    jobs.request_cancel(first.id)
    jobs.submit(REQUEST, tenant="a")


def test_when_to_ask_again_is_what_jobs_took_of_late(jobs: Jobs, clock: Clock) -> None:
    jobs.submit(REQUEST)
    done = jobs.claim("w")
    assert done is not None and done.lease is not None
    clock.now += timedelta(seconds=50)
    for state in (JobState.RENDERING, JobState.STITCHING):
        jobs.advance(done.lease, state)
    jobs.complete(done.lease, {})
    jobs.set_tenant("a", concurrent=1)
    jobs.submit(REQUEST, tenant="a")
    assert jobs.claim("w") is not None
    clock.now += timedelta(seconds=20)
    with pytest.raises(QuotaExceeded) as refused:
        jobs.submit(REQUEST, tenant="a")
    assert 29 <= refused.value.retry_after <= 31


def test_so_much_film_a_day(jobs: Jobs, clock: Clock) -> None:
    jobs.set_tenant("a", seconds_a_day=25)
    jobs.delete(jobs.request_cancel(jobs.submit(REQUEST, tenant="a").id).id)  # it was asked for all the same
    jobs.submit(REQUEST, tenant="a")
    with pytest.raises(QuotaExceeded, match="has 5 s left") as refused:
        jobs.submit(REQUEST, tenant="a")
    assert (refused.value.code, refused.value.retry_after) == ("daily_quota_exceeded", 12 * 3600)
    jobs.submit(replace(REQUEST, shots=(Shot("snow", 5),)), tenant="a")
    jobs.submit(REQUEST, tenant="b")
    clock.now += timedelta(hours=12)
    jobs.submit(REQUEST, tenant="a")


def test_a_queue_of_bounded_length(database: str) -> None:
    with Jobs(database, "s3://bucket", limits=Limits(queued=2), host=HERE) as jobs:
        first = jobs.submit(REQUEST, tenant="a")
        jobs.submit(REQUEST, tenant="b")
        with pytest.raises(QuotaExceeded, match="the queue is full: 2 jobs wait"):
            jobs.submit(REQUEST, tenant="c")
        assert jobs.claim("w") is not None
        jobs.submit(REQUEST, tenant="c")
        assert jobs.get(first.id).state is JobState.PLANNING


def test_what_was_refused_leaves_nothing(jobs: Jobs) -> None:
    jobs.set_tenant("a", concurrent=1, seconds_a_day=1000)
    with pytest.raises(UnknownJob):
        jobs.submit(REQUEST, tenant="a", parent="job_x")
    with pytest.raises(QuotaExceeded):
        jobs.submit(replace(REQUEST, shots=(Shot("snow", 1001),)), tenant="a")
    jobs.submit(replace(REQUEST, shots=(Shot("snow", 1000),)), tenant="a")
    assert len(jobs.list(tenant="a").jobs) == 1


@pytest.mark.parametrize("quota", [{"concurrent": 3}, {"seconds_a_day": 30}, {}])
def test_those_who_race_for_the_last_place_do_not_all_get_it(database: str, quota: dict[str, int]) -> None:
    limits = Limits(queued=None if quota else 3)
    with Jobs(database, "s3://bucket", limits=limits, host=HERE) as jobs:
        jobs.set_tenant("a", **quota)  # type: ignore[arg-type]
        line, got = threading.Barrier(8), []

        def ask(key: str | None) -> None:
            line.wait()
            for _ in range(3):
                try:
                    got.append(jobs.submit(REQUEST, tenant="a", idempotency_key=key).id)
                except QuotaExceeded as refused:
                    got.append(refused.code)

        _all_at_once([lambda key=key: ask(key) for key in (*"kk", *[None] * 6)])  # type: ignore[misc]
        assert len(got) == 24
        assert len({answer for answer in got if answer.startswith("job_")}) == 3 == len(jobs.list(tenant="a").jobs)


def _all_at_once(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


COUNTS = st.integers(0, 5)
SECONDS = st.floats(0, 100)


@given(
    st.builds(Tenant, st.just("a"), concurrent=st.none() | st.integers(1, 5), seconds_a_day=st.none() | SECONDS),
    st.floats(1, 60),
    st.builds(
        Load, COUNTS, st.none() | st.just(NOW - timedelta(hours=2)), SECONDS, COUNTS, COUNTS,
        st.timedeltas(timedelta(0), timedelta(days=2)),
    ),
    st.none() | st.integers(1, 5),
)  # fmt: skip
def test_who_is_refused(tenant: Tenant, seconds: float, load: Load, max_queue: int | None) -> None:
    refused = refusal(tenant, seconds, load, max_queue, NOW)
    fits = (
        (tenant.seconds_a_day is None or load.today + seconds <= tenant.seconds_a_day)
        and (tenant.concurrent is None or load.open < tenant.concurrent)
        and (max_queue is None or load.queued < max_queue)
    )
    assert (refused is None) == fits
    if refused is not None:
        assert 1 <= refused.retry_after <= (12 * 3600 if refused.code == "daily_quota_exceeded" else LONGEST_WAIT)
