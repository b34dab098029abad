"""The records of jobs, the same on SQLite and on PostgreSQL."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from ticking import Clock

from sgen_ray.errors import JobError, LeaseLost, UnknownJob
from sgen_ray.jobs.host import Host
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.owner import this_owner
from sgen_ray.jobs.records import Job, JobKind, Limits, Progress, References
from sgen_ray.jobs.states import RUNNING, TERMINAL, JobState, may_follow
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car – “fast”", 4.5), Shot("snow", 1.1)), 480, 240, 8, seed=2**63 - 1)
OTHER = replace(REQUEST, seed=7)
LIMITS = Limits(lease=timedelta(seconds=60), attempts=3, approval=timedelta(hours=24))
HERE = Host("here", "boot-1")


@pytest.fixture
def jobs(database: str, clock: Clock) -> Iterator[Jobs]:
    with Jobs(database, "s3://bucket", limits=LIMITS, clock=clock, host=HERE) as opened:
        yield opened


def claimed(jobs: Jobs, **options: object) -> Job:
    job = jobs.claim("worker", **options)  # type: ignore[arg-type]
    assert job is not None and job.lease is not None
    return job


def brought_to(jobs: Jobs, state: JobState) -> Job:
    """A new job, the only one in the queue, by the shortest way into the state."""
    job = jobs.submit(REQUEST)
    if state is JobState.QUEUED:
        return job
    if state is JobState.CANCELLED:
        return jobs.request_cancel(job.id)
    job = claimed(jobs)
    lease = job.lease
    assert lease is not None
    if state is JobState.FAILED:
        return jobs.fail(lease, "model", "it does not load")
    if state is JobState.AWAITING_APPROVAL:
        return jobs.advance(lease, state, plan="p")
    for step in (JobState.RENDERING, JobState.STITCHING):
        if job.state is not state:
            job = jobs.advance(lease, step, plan="p")
    return jobs.complete(lease, {"film": "film.mp4"}, film="f") if state is JobState.COMPLETED else job


def test_a_job_is_what_was_submitted(jobs: Jobs) -> None:
    parent = jobs.submit(REQUEST, tenant="studio")
    job = jobs.submit(
        OTHER,
        tenant="studio",
        kind=JobKind.EDIT,
        parent=parent.id,
        model="abc",
        approve=True,
        priority=-3,
        weight=2.5,
        idempotency_key="k",
    )
    assert jobs.get(job.id) == job
    assert job.request == OTHER
    assert (job.kind, job.parent, job.tenant, job.model) == ("edit", parent.id, "studio", "abc")
    assert (job.approve, job.priority, job.weight, job.idempotency_key) == (True, -3, 2.5, "k")
    assert (job.state, job.attempts, job.lease, job.result, job.error, job.finished) == (
        "queued",
        0,
        None,
        None,
        None,
        None,
    )
    assert job.created == job.updated > parent.created
    assert job.created.utcoffset() == timedelta(0)
    assert not job.over and not job.cancel_requested


@pytest.mark.parametrize(
    "options", [{"tenant": ""}, {"tenant": "x" * 201}, {"idempotency_key": ""}, {"weight": 0}, {"weight": float("nan")}]
)
def test_what_cannot_be_submitted(jobs: Jobs, options: dict[str, object]) -> None:
    with pytest.raises(JobError):
        jobs.submit(REQUEST, **options)  # type: ignore[arg-type]


def test_the_same_key_is_the_same_job(jobs: Jobs) -> None:
    job = jobs.submit(REQUEST, idempotency_key="k")
    assert jobs.submit(REQUEST, idempotency_key="k") == job
    assert jobs.submit(REQUEST, idempotency_key="k", tenant="other").id != job.id
    assert jobs.submit(REQUEST).id != jobs.submit(REQUEST).id
    jobs.request_cancel(job.id)
    assert jobs.submit(REQUEST, idempotency_key="k").state is JobState.CANCELLED
    for options in ({"request": OTHER}, {"approve": True}, {"kind": JobKind.REMIX}):
        with pytest.raises(JobError, match=f"'k' belongs to {job.id}, which is another request"):
            jobs.submit(**{"request": REQUEST, "idempotency_key": "k", **options})  # type: ignore[arg-type]


def test_how_long_the_oldest_waits(jobs: Jobs, clock: Clock) -> None:
    assert jobs.waiting_seconds() == 0
    jobs.submit(REQUEST)
    clock.pass_by(seconds=30)
    jobs.submit(REQUEST)
    clock.pass_by(seconds=10)
    assert jobs.waiting_seconds() == pytest.approx(40, abs=0.01)
    job = claimed(jobs)
    assert jobs.waiting_seconds() == pytest.approx(10, abs=0.01)
    assert job.lease is not None
    jobs.release(job.lease)
    assert jobs.waiting_seconds() == pytest.approx(10, abs=0.01)


def test_others_jobs_do_not_exist(jobs: Jobs) -> None:
    job = jobs.submit(REQUEST, tenant="a")
    assert jobs.get(job.id, tenant="a") == job
    for call in (jobs.get, jobs.request_cancel, jobs.approve, jobs.delete):
        with pytest.raises(UnknownJob, match=f"no job {job.id}"):
            call(job.id, tenant="b")
    with pytest.raises(UnknownJob):
        jobs.submit(REQUEST, tenant="b", parent=job.id)
    assert jobs.list(tenant="b").jobs == ()
    assert jobs.get(job.id) == job


def test_pages_are_newest_first_and_stay_so(jobs: Jobs) -> None:
    made = [jobs.submit(REQUEST, tenant="ab"[step % 2]) for step in range(5)]
    newest = [job.id for job in reversed(made)]
    first = jobs.list(limit=2)
    assert [job.id for job in first.jobs] == newest[:2]
    jobs.submit(REQUEST)
    jobs.request_cancel(newest[1])
    jobs.delete(newest[1])
    second = jobs.list(limit=2, cursor=first.next)
    assert [job.id for job in second.jobs] == newest[2:4]
    third = jobs.list(limit=2, cursor=second.next)
    assert [job.id for job in third.jobs] == newest[4:] and third.next is None
    assert jobs.list(limit=5).next is None
    assert [job.id for job in jobs.list(tenant="a").jobs] == newest[0::2]
    claimed(jobs)
    assert [job.id for job in jobs.list(states=[JobState.PLANNING]).jobs] == [made[0].id]
    assert jobs.list(states=[]).jobs == ()


def test_the_life_of_a_job(jobs: Jobs, clock: Clock) -> None:
    submitted = jobs.submit(REQUEST)
    job = claimed(jobs)
    assert (job.id, job.state, job.attempts) == (submitted.id, "planning", 1)
    lease = job.lease
    assert lease is not None and (lease.owner, lease.token) == ("worker", 1)
    assert lease.expires == job.updated + LIMITS.lease
    assert jobs.claim("another") is None

    job = jobs.advance(lease, JobState.RENDERING, plan="plan", progress=Progress("rendering", 0, 9))
    assert (job.state, job.plan, job.progress) == ("rendering", "plan", Progress("rendering", 0, 9))
    clock.pass_by(seconds=30)
    job = jobs.renew(lease, progress=Progress("rendering", 4, 9))
    assert job.progress.windows_done == 4 and job.lease is not None
    assert job.lease.expires == clock.now + LIMITS.lease
    job = jobs.renew(lease)
    assert job.progress.windows_done == 4 and job.plan == "plan"
    assert jobs.advance(lease, JobState.STITCHING).state == "stitching"

    job = jobs.complete(
        lease, {"film": "s3://bucket/film.mp4", "report": {"seam_ratio": 1.02, "drift": {}}}, film="film"
    )
    assert jobs.get(job.id) == job
    assert (job.state, job.film, job.lease, job.over) == ("completed", "film", None, True)
    assert job.result == {"film": "s3://bucket/film.mp4", "report": {"seam_ratio": 1.02, "drift": {}}}
    assert job.finished == job.updated > job.created
    assert jobs.claim("another") is None


def test_why_it_failed_is_one_line(jobs: Jobs) -> None:
    lease = brought_to(jobs, JobState.RENDERING).lease
    assert lease is not None
    job = jobs.fail(lease, "out_of_memory", "CUDA\0 out of memory\n  use a smaller --size")
    assert job.state == "failed" and job.error is not None
    assert (job.error.kind, job.error.message) == ("out_of_memory", "CUDA out of memory use a smaller --size")


@pytest.mark.parametrize("before", sorted(RUNNING))
def test_only_what_may_follow_does(jobs: Jobs, before: JobState) -> None:
    refused = 0
    for after in sorted(RUNNING | {JobState.AWAITING_APPROVAL, JobState.COMPLETED}):
        if may_follow(before, after):
            continue
        refused += 1
        job = brought_to(jobs, before)
        assert job.lease is not None
        with pytest.raises(JobError, match=f"{job.id} is {before}, which {after} cannot follow"):
            if after is JobState.COMPLETED:
                jobs.complete(job.lease, {})
            else:
                jobs.advance(job.lease, after)
        assert jobs.get(job.id) == job
    assert refused >= 2
    with pytest.raises(JobError, match="a call of its own"):
        jobs.advance(job.lease, JobState.FAILED)


def test_what_is_over_is_over(jobs: Jobs) -> None:
    for state in sorted(TERMINAL):
        job = brought_to(jobs, state)
        with pytest.raises(JobError, match=f"is {state} and does not wait for approval"):
            jobs.approve(job.id)
        if state is JobState.CANCELLED:
            assert jobs.request_cancel(job.id) == job
        else:
            with pytest.raises(JobError, match=f"has {state} already"):
                jobs.request_cancel(job.id)
        assert jobs.claim("worker") is None and jobs.expire() == ()
        assert jobs.get(job.id) == job


def test_the_oldest_of_the_highest_priority_goes_first(jobs: Jobs) -> None:
    made = [jobs.submit(REQUEST, priority=priority) for priority in (0, 0, 5, 5, -1)]
    assert [claimed(jobs).id for _ in made] == [made[place].id for place in (2, 3, 0, 1, 4)]


def test_tenants_take_turns(jobs: Jobs) -> None:
    for tenant in "aaaabbc":
        jobs.submit(REQUEST, tenant=tenant, priority=9 if tenant == "a" else 0)
    assert "".join(claimed(jobs).tenant for _ in range(7)) == "abcabaa"


def test_a_share_is_a_part_of_what_runs(jobs: Jobs) -> None:
    for tenant in "aaaaaabbbbbb":
        jobs.submit(REQUEST, tenant=tenant)
    assert sorted(claimed(jobs, shares={"b": 2}).tenant for _ in range(6)) == [*"aabbbb"]


def test_who_finished_jobs_before_waits_for_those_who_did_not(jobs: Jobs) -> None:
    """With one worker nothing runs when it claims."""
    for tenant in "aaabb":
        jobs.submit(REQUEST, tenant=tenant)
    order = ""
    while job := jobs.claim("worker"):
        assert job.lease is not None
        jobs.fail(job.lease, "test", "")
        order += job.tenant
    assert order == "ababa"


def test_a_worker_claims_for_its_own_models(jobs: Jobs) -> None:
    jobs.submit(REQUEST, model="large")
    mine = jobs.submit(REQUEST, model="nano")
    assert claimed(jobs, models=["nano", "tiny"]).id == mine.id
    assert jobs.claim("worker", models=["nano"]) is None
    assert claimed(jobs).model == "large"


def test_a_lost_job_is_claimed_again_from_the_beginning(jobs: Jobs, clock: Clock) -> None:
    job = brought_to(jobs, JobState.STITCHING)
    clock.pass_by(seconds=59)
    assert jobs.claim("another") is None
    clock.pass_by(seconds=2)
    again = jobs.claim("another")
    assert again is not None and again.lease is not None and job.lease is not None
    assert (again.id, again.state, again.plan, again.attempts) == (job.id, "planning", "p", 2)
    assert again.lease.token > job.lease.token


STALE: dict[str, Callable[..., object]] = {
    "renew": lambda jobs, lease: jobs.renew(lease, progress=Progress("x", 1, 2)),
    "advance": lambda jobs, lease: jobs.advance(lease, JobState.RENDERING),
    "approval": lambda jobs, lease: jobs.advance(lease, JobState.AWAITING_APPROVAL),
    "complete": lambda jobs, lease: jobs.complete(lease, {}),
    "fail": lambda jobs, lease: jobs.fail(lease, "kind", "message"),
    "cancel": lambda jobs, lease: jobs.confirm_cancel(lease),
    "release": lambda jobs, lease: jobs.release(lease),
}


def refused(jobs: Jobs, stale: Job) -> None:
    now = jobs.get(stale.id)
    for write in STALE.values():
        with pytest.raises(LeaseLost, match=f"{stale.id} is {now.state} and no longer held by worker"):
            write(jobs, stale.lease)
    assert jobs.get(stale.id) == now


def test_nothing_is_written_by_who_lost_a_job(jobs: Jobs, clock: Clock) -> None:
    stale = brought_to(jobs, JobState.PLANNING)
    clock.pass_by(minutes=2)
    newer = jobs.claim("another")
    refused(jobs, stale)
    assert newer is not None and newer.lease is not None
    jobs.release(newer.lease)
    refused(jobs, stale)
    refused(jobs, replace(newer, lease=replace(newer.lease, owner="worker")))
    jobs.request_cancel(stale.id)
    refused(jobs, stale)
    jobs.delete(stale.id)
    assert stale.lease is not None
    with pytest.raises(LeaseLost, match="is deleted"):
        jobs.renew(stale.lease)


def test_a_late_worker_keeps_what_nobody_else_took(jobs: Jobs, clock: Clock) -> None:
    job = brought_to(jobs, JobState.PLANNING)
    clock.pass_by(minutes=2)
    assert job.lease is not None
    jobs.renew(job.lease)
    assert jobs.claim("another") is None


def test_an_actor_that_died_on_another_host_is_not_waited_for(jobs: Jobs, database: str, clock: Clock) -> None:
    first, second = (jobs.submit(REQUEST).id for _ in range(2))
    with Jobs(database, "s3://bucket", limits=LIMITS, clock=clock, host=Host("there", "boot-2")) as others:
        others.claim(this_owner("worker", "a1"))
        others.claim(this_owner("worker"))
    asked: list[Collection[str]] = []

    def gone(*actors: str) -> Callable[[Collection[str]], Collection[str]]:
        def ended(of: Collection[str]) -> Collection[str]:
            asked.append(of)
            return set(of) & set(actors)

        return ended

    assert jobs.reap() == jobs.reap(gone("a2")) == 0
    assert jobs.reap(gone("a1", "a2")) == 1
    assert jobs.reap(gone("a1")) == 0  # it is not held any more
    assert asked == [{"a1"}, {"a1"}]
    lost, held = (jobs.get(job).lease for job in (first, second))
    assert lost is not None and held is not None and lost.expires < clock() < held.expires


def test_a_job_that_loses_its_workers_fails(jobs: Jobs, clock: Clock) -> None:
    job = jobs.submit(REQUEST)
    for _ in range(LIMITS.attempts):
        assert claimed(jobs).id == job.id
        assert jobs.expire() == ()
        clock.pass_by(minutes=2)
    assert jobs.claim("worker") is None
    (failed,) = jobs.expire()
    assert failed == jobs.get(job.id) and failed.finished is not None and failed.error is not None
    assert (failed.state, failed.lease, failed.error.kind) == ("failed", None, "worker_lost")
    assert "stopped answering 3 times" in failed.error.message
    assert jobs.expire() == ()


def test_a_job_handed_back_has_lost_no_attempt(jobs: Jobs) -> None:
    for _ in range(LIMITS.attempts + 1):
        job = brought_to(jobs, JobState.PLANNING) if not jobs.list().jobs else claimed(jobs)
        assert job.lease is not None and job.attempts == 1
        job = jobs.release(job.lease)
        assert (job.state, job.lease, job.attempts) == ("queued", None, 0)


def test_cancelling_what_nobody_works_on(jobs: Jobs, clock: Clock) -> None:
    waiting, lost = brought_to(jobs, JobState.AWAITING_APPROVAL), brought_to(jobs, JobState.RENDERING)
    clock.pass_by(minutes=2)
    for job in (jobs.submit(REQUEST), waiting, lost):
        cancelled = jobs.request_cancel(job.id)
        assert cancelled.state == "cancelled" and cancelled.finished is not None and cancelled.lease is None
    refused(jobs, lost)
    assert jobs.claim("worker") is None


def test_a_worker_is_told_to_stop(jobs: Jobs) -> None:
    job = brought_to(jobs, JobState.RENDERING)
    assert job.lease is not None and not jobs.renew(job.lease).cancel_requested
    assert jobs.request_cancel(job.id).state == "rendering"
    assert jobs.renew(job.lease).cancel_requested
    job = jobs.confirm_cancel(job.lease)
    assert (job.state, job.lease, job.error) == ("cancelled", None, None)


@pytest.mark.parametrize("end", ["dies", "hands it back", "asks for approval"])
def test_what_was_to_be_cancelled_is_not_taken_up_again(jobs: Jobs, clock: Clock, end: str) -> None:
    job = brought_to(jobs, JobState.PLANNING)
    jobs.request_cancel(job.id)
    assert job.lease is not None
    if end == "dies":
        clock.pass_by(minutes=2)
    elif end == "hands it back":
        jobs.release(job.lease)
    else:
        jobs.advance(job.lease, JobState.AWAITING_APPROVAL)
    assert jobs.claim("another") is None
    assert [(ended.id, ended.state) for ended in jobs.expire()] == [(job.id, "cancelled")]


@pytest.mark.parametrize("request_", [None, OTHER], ids=["as planned", "changed"])
def test_approval(jobs: Jobs, clock: Clock, request_: VideoRequest | None) -> None:
    job = jobs.submit(REQUEST, approve=True, idempotency_key="k")
    lease = claimed(jobs).lease
    assert lease is not None
    job = jobs.advance(lease, JobState.AWAITING_APPROVAL, plan="plan")
    assert (job.state, job.lease, job.attempts, job.approve) == ("awaiting_approval", None, 0, True)
    clock.pass_by(hours=23)
    assert jobs.expire() == () and jobs.claim("worker") is None
    job = jobs.approve(job.id, request=request_)
    assert (job.state, job.approve) == ("queued", False)
    assert (job.request, job.plan) == ((REQUEST, "plan") if request_ is None else (OTHER, None))
    again = claimed(jobs)
    assert again.id == job.id and again.lease is not None and again.lease.token == 2
    assert jobs.submit(REQUEST, approve=True, idempotency_key="k").id == job.id


def test_a_plan_that_nobody_approves(jobs: Jobs, clock: Clock) -> None:
    job = brought_to(jobs, JobState.AWAITING_APPROVAL)
    clock.pass_by(hours=25)
    (cancelled,) = jobs.expire()
    assert cancelled.id == job.id and cancelled.error is not None
    assert (cancelled.state, cancelled.error.kind) == ("cancelled", "approval_expired")
    assert "within 1 day" in cancelled.error.message
    with pytest.raises(JobError, match="does not wait"):
        jobs.approve(job.id)


def test_only_what_is_over_is_deleted(jobs: Jobs) -> None:
    for state in sorted(set(JobState) - TERMINAL):
        job = brought_to(jobs, state)
        with pytest.raises(JobError, match=f"is {state}; cancel it"):
            jobs.delete(job.id)
        jobs.request_cancel(job.id)
        if jobs.get(job.id).lease is None:
            jobs.delete(job.id)
            with pytest.raises(UnknownJob):
                jobs.get(job.id)


def test_a_job_outlives_its_parent(jobs: Jobs) -> None:
    parent = brought_to(jobs, JobState.COMPLETED)
    child = jobs.submit(OTHER, kind=JobKind.EXTEND, parent=parent.id)
    jobs.delete(parent.id)
    assert jobs.get(child.id).parent is None


def test_what_is_still_referenced(jobs: Jobs) -> None:
    assert jobs.references() == {}
    job = brought_to(jobs, JobState.COMPLETED)
    brought_to(jobs, JobState.QUEUED)
    jobs.submit(REQUEST, tenant="studio", plan="theirs")
    names = jobs.references()
    assert (names["local"].plans, names["local"].films) == ({"p"}, {"f"})
    assert names["studio"].plans == {"theirs"}
    jobs.delete(job.id)
    assert jobs.references()["local"] == References(frozenset(), frozenset())


def test_counts(jobs: Jobs) -> None:
    brought_to(jobs, JobState.COMPLETED)
    brought_to(jobs, JobState.RENDERING)
    jobs.submit(REQUEST, tenant="a")
    jobs.submit(REQUEST, tenant="a")
    assert set(jobs.count()) == set(JobState)
    assert {state.value: number for state, number in jobs.count().items() if number} == {
        "queued": 2,
        "rendering": 1,
        "completed": 1,
    }
    assert sum(jobs.count(tenant="a").values()) == jobs.count(tenant="a")[JobState.QUEUED] == 2


def test_a_job_at_work_is_deleted_and_its_worker_hears(jobs: Jobs) -> None:
    job = brought_to(jobs, JobState.RENDERING)
    assert job.lease is not None
    with pytest.raises(JobError, match="cancel it before"):
        jobs.delete(job.id)
    with pytest.raises(UnknownJob):
        jobs.delete(job.id, at_work=True, tenant="another")
    jobs.delete(job.id, at_work=True, tenant="local")
    with pytest.raises(LeaseLost, match="deleted"):
        jobs.cancel_wanted(job.lease)
    with pytest.raises(UnknownJob):
        jobs.get(job.id)


def test_the_oldest_first(jobs: Jobs) -> None:
    made = [jobs.submit(REQUEST).id for _ in range(3)]
    page = jobs.list(limit=2, oldest_first=True)
    assert [job.id for job in page.jobs] == made[:2]
    rest = jobs.list(limit=2, oldest_first=True, cursor=page.next)
    assert ([job.id for job in rest.jobs], rest.next) == (made[2:], None)


def test_a_changed_plan_waits_again(jobs: Jobs) -> None:
    job = brought_to(jobs, JobState.AWAITING_APPROVAL)
    again = jobs.approve(job.id, request=OTHER, held="h", again=True)
    assert (again.state, again.approve, again.plan, again.held) == (JobState.QUEUED, True, None, "h")
