"""The life of a job: its states, and the only table of what may follow what.

    queued -> planning -> (awaiting_approval -> queued -> planning ->) rendering -> stitching -> completed

A job that lost its worker is claimed again and begins with planning: what is stored is found, not made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    RENDERING = "rendering"
    STITCHING = "stitching"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = JobState
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    _S.QUEUED: frozenset({_S.PLANNING, _S.CANCELLED}),
    _S.PLANNING: frozenset({_S.PLANNING, _S.AWAITING_APPROVAL, _S.RENDERING, _S.QUEUED, _S.FAILED, _S.CANCELLED}),
    _S.AWAITING_APPROVAL: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.RENDERING: frozenset({_S.PLANNING, _S.STITCHING, _S.QUEUED, _S.FAILED, _S.CANCELLED}),
    _S.STITCHING: frozenset({_S.PLANNING, _S.COMPLETED, _S.QUEUED, _S.FAILED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}
TERMINAL = frozenset(state for state, after in TRANSITIONS.items() if not after)
RUNNING = frozenset({_S.PLANNING, _S.RENDERING, _S.STITCHING})
"""A worker holds a lease on the job, or has lost it by dying."""


def may_follow(before: JobState, after: JobState) -> bool:
    return after in TRANSITIONS[before]


def states_before(after: JobState) -> frozenset[JobState]:
    """The states that `after` may follow."""
    return frozenset(before for before in JobState if may_follow(before, after))
