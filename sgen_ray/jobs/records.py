"""What a job is, as its database tells it: frozen, and the same from SQLite and PostgreSQL."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sgen_ray.jobs.states import TERMINAL, JobState
from sgen_ray.types import Shot, VideoRequest

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: in the order of ASCII, nothing that looks alike


class JobKind(StrEnum):
    GENERATE = "generate"
    RENDER = "render"
    EDIT = "edit"
    EXTEND = "extend"
    REMIX = "remix"


@dataclass(frozen=True)
class Limits:
    """How long things may take.

    Attributes:
        lease: a worker that does not renew for so long has lost its job; the clocks of hosts must agree far
            better than that.
        attempts: so many workers may lose a job before it fails; a plan that is ready for approval counts anew.
        approval: a plan that nobody approves for so long is cancelled.
        queued: so many jobs of all tenants may wait in the queue; None: any number.
    """

    lease: timedelta = timedelta(seconds=60)
    attempts: int = 3
    approval: timedelta = timedelta(hours=24)
    queued: int | None = None


@dataclass(frozen=True)
class Progress:
    """A summary for people, written at milestones only; steps are reported elsewhere."""

    phase: str = ""
    windows_done: int = 0
    windows_total: int = 0


@dataclass(frozen=True)
class Reason:
    """Why a job failed, or was cancelled by nobody: a word for programs and a line for people."""

    kind: str
    message: str


@dataclass(frozen=True)
class Lease:
    """A worker's right to write: `token` grows with every claim of the job, so that an older one is known as such."""

    job: str
    token: int
    owner: str
    expires: datetime


@dataclass(frozen=True)
class Job:
    """One job. Times are UTC.

    Attributes:
        kind, parent: what it does to the job `parent`, where there is one.
        model: fingerprint of the weights; plan, film: fingerprints of its artifacts, None until they are known.
        approve: it stops for approval when its plan is ready.
        priority: higher first among the jobs of one tenant; weight: its share of the renderers beside other jobs.
        attempts: claims since it was queued or approved.
        result: JSON of the finished film: path or URI, and its report.
        held: fingerprint of the artifact with what is held of an earlier plan, where there is one.
        output: where the film is to be written; None: nowhere. engine: settings that differ from the defaults.
    """

    id: str
    tenant: str
    kind: JobKind
    parent: str | None
    request: VideoRequest
    model: str | None
    state: JobState
    created: datetime
    updated: datetime
    finished: datetime | None
    priority: int
    weight: float
    approve: bool
    progress: Progress
    plan: str | None
    film: str | None
    result: Mapping[str, Any] | None
    error: Reason | None
    cancel_requested: bool
    lease: Lease | None
    attempts: int
    idempotency_key: str | None
    held: str | None = None
    output: str | None = None
    engine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.state in TERMINAL


@dataclass(frozen=True)
class Page:
    """Some jobs, newest first; `next` is the cursor of the following page, None on the last."""

    jobs: tuple[Job, ...]
    next: str | None


@dataclass(frozen=True)
class References:
    """Fingerprints that some job still needs."""

    plans: frozenset[str]
    films: frozenset[str]
    held: frozenset[str] = frozenset()


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id(now: datetime, what: str = "job") -> str:
    """ "job_" and 20 letters and digits: microseconds since 1970, then 45 random bits. Sorts by time of creation."""
    micros = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return f"{what}_" + _base32(micros, 11) + _base32(secrets.randbits(45), 9)


def is_job(text: str) -> bool:
    """Whether it looks like `new_id`'s."""
    return re.fullmatch(rf"job_[{_ALPHABET}]{{20}}", text) is not None


def _base32(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))


def request_to_json(request: VideoRequest) -> dict[str, Any]:
    return dataclasses.asdict(request)


def request_from_json(data: Mapping[str, Any]) -> VideoRequest:
    return VideoRequest(**{**data, "shots": tuple(Shot(**shot) for shot in data["shots"])})


def one_line(text: str, limit: int = 500) -> str:
    """Without line breaks and control characters, which PostgreSQL refuses in part, and no longer than `limit`."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
