"""The pure parts of jobs: states, turns, ids, records."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from sgen_ray.jobs.fairness import Standing, claim_order
from sgen_ray.jobs.records import new_id, one_line, request_from_json, request_to_json
from sgen_ray.jobs.states import RUNNING, TERMINAL, TRANSITIONS, JobState, may_follow, states_before
from sgen_ray.types import Shot, VideoRequest

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def reachable(state: JobState) -> set[JobState]:
    seen, left = set(), [state]
    while left:
        seen.add(state := left.pop())
        left += TRANSITIONS[state] - seen
    return seen


def test_every_state_can_be_reached_and_ends() -> None:
    assert set(TRANSITIONS) == set(JobState)
    assert reachable(JobState.QUEUED) == set(JobState)
    for state in JobState:
        assert reachable(state) & TERMINAL


def test_what_is_over_stays_so() -> None:
    assert {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED} == TERMINAL
    for state in TERMINAL:
        assert not any(may_follow(state, after) for after in JobState)


def test_every_job_that_is_not_over_can_be_cancelled() -> None:
    assert states_before(JobState.CANCELLED) == set(JobState) - TERMINAL


def test_a_lost_job_is_claimed_again_from_wherever_it_was() -> None:
    assert states_before(JobState.PLANNING) == RUNNING | {JobState.QUEUED}
    assert states_before(JobState.QUEUED) == RUNNING | {JobState.AWAITING_APPROVAL}


def test_only_a_stitched_film_is_completed() -> None:
    assert states_before(JobState.COMPLETED) == {JobState.STITCHING}


def standing(tenant: str, running: int = 0, last: float | None = None, oldest: float = 100) -> Standing:
    ago = timedelta(seconds=1)
    return Standing(tenant, running, None if last is None else NOW - last * ago, NOW - oldest * ago)


@pytest.mark.parametrize(
    ("standings", "shares", "order"),
    [
        ([], {}, []),
        ([standing("a", running=2), standing("b", running=1)], {}, ["b", "a"]),
        ([standing("a", running=2), standing("b", running=1)], {"a": 4}, ["a", "b"]),
        ([standing("a", last=10), standing("b", last=20)], {}, ["b", "a"]),
        ([standing("a", last=10), standing("b", last=20)], {"a": 3}, ["a", "b"]),
        ([standing("a", last=10**9), standing("b")], {}, ["b", "a"]),
        ([standing("a", oldest=1), standing("b", oldest=2)], {}, ["b", "a"]),
        ([standing("b"), standing("a")], {}, ["a", "b"]),
    ],
)
def test_whose_turn_it_is(standings: list[Standing], shares: dict[str, float], order: list[str]) -> None:
    assert claim_order(standings, NOW, shares) == order


def turns(shares: dict[str, float], count: int) -> str:
    """Who gets a single worker, each job taking a second, when everybody always has more."""
    last: dict[str, datetime] = {}
    order = ""
    for second in range(count):
        now = NOW + timedelta(seconds=second)
        order += claim_order([Standing(name, 0, last.get(name), NOW) for name in shares], now, shares)[0]
        last[order[-1]] = now
    return order


def test_a_single_worker_is_shared_by_turns() -> None:
    assert turns({"a": 1, "b": 1, "c": 1}, 9) == "abcabcabc"
    order = turns({"a": 3, "b": 1}, 400)
    assert 2 <= order.count("a") / order.count("b") <= 4


def test_ids_sort_by_time_and_suit_urls() -> None:
    times = [NOW + timedelta(microseconds=step) for step in (0, 1, 31, 32, 1000, 10**12)]
    ids = [new_id(time) for time in times]
    assert ids == sorted(ids)
    assert {len(name) for name in ids} == {24}
    assert all(name.isascii() and name == name.lower() and name.replace("_", "").isalnum() for name in ids)
    assert len({new_id(NOW) for _ in range(1000)}) == 1000


def test_requests_come_back_from_json_as_they_were() -> None:
    request = VideoRequest(
        (Shot("ä 'quoted' \"shot\"", 1.1), Shot("雪", 0.3)), 480, 240, 8, seed=2**63 - 1, guidance=0.1, model="m"
    )
    assert request_from_json(json.loads(json.dumps(request_to_json(request)))) == request
    assert set(request_to_json(request)) == {field.name for field in dataclasses.fields(request)}


def test_one_line() -> None:
    assert one_line("a\r\n b\0\tc\x1b") == "a b c"
    assert one_line("x" * 600) == "x" * 499 + "…"
