"""Who gets how many workers: closed-form answers, without workers."""

import pytest

from sgen_ray.engine.policy import QUANTUM, Claim, Ledger, RetryPolicy, idle_too_long, shares, sizes


def test_jobs_of_one_tenant_share_alike_and_by_weight() -> None:
    assert shares(6, [Claim("a", "t", 9), Claim("b", "t", 9, arrival=1)]) == {"a": 3, "b": 3}
    assert shares(6, [Claim("a", "t", 9, weight=2), Claim("b", "t", 9, arrival=1)]) == {"a": 4, "b": 2}
    assert shares(7, [Claim("a", "t", 9), Claim("b", "t", 9, arrival=1)]) == {"a": 4, "b": 3}


def test_what_one_does_not_want_goes_to_the_others() -> None:
    claims = [Claim("a", "t", 1), Claim("b", "t", 9, arrival=1), Claim("c", "u", 2, arrival=2)]
    assert shares(10, claims) == {"a": 1, "b": 7, "c": 2}
    assert shares(99, claims) == {"a": 1, "b": 9, "c": 2}
    assert shares(0, claims) == {"a": 0, "b": 0, "c": 0}
    assert shares(4, [Claim("a", "t", 0)]) == {}


def test_a_tenant_with_many_jobs_gets_no_more_than_one_with_few() -> None:
    many = [Claim(f"m{index}", "many", 5, arrival=index) for index in range(8)]
    given = shares(8, [*many, Claim("one", "few", 8, arrival=9)])
    assert given["one"] == 4
    assert sum(given[claim.job] for claim in many) == 4
    third = shares(9, [Claim("a", "t", 9, share=2), Claim("b", "u", 9, arrival=1)])
    assert third == {"a": 6, "b": 3}


def test_with_more_jobs_than_workers_they_take_turns() -> None:
    def turn(*served: float) -> str:
        claims = [Claim(name, "t", 4, served=seconds, arrival=index)
                  for index, (name, seconds) in enumerate(zip("abc", served, strict=True))]  # fmt: skip
        (winner,) = [job for job, count in shares(1, claims).items() if count]
        return winner

    assert turn(0, 0, 0) == "a"
    assert turn(QUANTUM - 1, 0, 0) == "a"  # not at every window
    assert turn(QUANTUM, 0, 0) == "b"
    assert turn(QUANTUM, QUANTUM, 0) == "c"
    assert turn(QUANTUM, QUANTUM, QUANTUM) == "a"


@pytest.mark.parametrize("workers", [1, 3, 10, 64])
def test_service_follows_the_shares_in_the_long_run(workers: int) -> None:
    """Whoever has workers is served by them; after many rounds, as the shares say, to a few quanta."""
    share = {"a": 1.0, "b": 2.0, "c": 5.0}
    ledger = Ledger()
    for name in share:
        ledger.enter(name)
    seconds = dict.fromkeys(share, 0.0)
    for _ in range(4000):
        claims = [
            Claim(name, name, 99, share=share[name], tenant_served=ledger.served(name), arrival=index)
            for index, name in enumerate(share)
        ]
        for name, count in shares(workers, claims).items():
            ledger.serve(name, count * 10.0, share[name])
            seconds[name] += count * 10.0
    total = sum(seconds.values())
    for name in share:
        assert seconds[name] / total == pytest.approx(share[name] / 8, abs=0.02)


def test_whoever_comes_later_neither_catches_up_nor_pays() -> None:
    ledger = Ledger()
    ledger.enter("old")
    ledger.serve("old", 100, weight=2)
    ledger.enter("new")
    assert ledger.served("old") == ledger.served("new") == 50
    ledger.leave("old")
    ledger.enter("new")  # a second time changes nothing
    assert ledger.served("new") == 50


@pytest.mark.parametrize(
    ("planner", "renderer", "warm", "limit", "exclusive", "expected"),
    [
        (1, 2, (0, 0), 2, True, (1, 1)),  # a GPU each
        (0, 2, (1, 1), 2, True, (0, 2)),  # the planner is done, and makes room
        (0, 1, (1, 1), 2, True, (1, 1)),  # nobody needs its room
        (1, 0, (0, 2), 2, True, (1, 1)),  # a renderer makes room for a planner
        (1, 9, (0, 1), 1, True, (1, 0)),
        (1, 2, (0, 0), 2, False, (1, 2)),  # a planner on a CPU takes nobody's room
        (0, 2, (1, 2), 2, False, (1, 2)),
        (0, 0, (1, 3), 2, False, (1, 2)),
        (9, 99, (0, 0), 64, True, (8, 56)),
        (0, 0, (0, 0), 8, True, (0, 0)),
    ],
)
def test_sizes(
    planner: int, renderer: int, warm: tuple[int, int], limit: int, exclusive: bool, expected: tuple[int, int]
) -> None:
    needs, present = {"planner": planner, "renderer": renderer}, {"planner": warm[0], "renderer": warm[1]}
    assert sizes(needs, present, limit, exclusive) == {"planner": expected[0], "renderer": expected[1]}


def test_other_kinds_get_what_they_need() -> None:
    assert sizes({"stitcher": 1}, {"stitcher": 0}, 0, False) == {"stitcher": 1}


def test_idle_workers_go_down_to_what_is_needed() -> None:
    assert not idle_too_long(9, 10, present=3, needed=0)
    assert idle_too_long(10, 10, present=3, needed=0)
    assert not idle_too_long(10, 10, present=2, needed=2)


def test_where_memory_ran_out_fewer_calls_at_once() -> None:
    policy = RetryPolicy(attempts=3, deaths=2)
    assert policy.depth(2, out_of_memory=True) == 1
    assert policy.depth(2, out_of_memory=False) == 2
