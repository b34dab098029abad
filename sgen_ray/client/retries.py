"""When a call is tried again, and after how long. A pure policy: the loop that asks it is in `calls`.

A loop of its own and no retry library: those bring a second dependency and two sets of loops (blocking and not), and
the part that matters here, Retry-After, would still be ours.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .errors import APIError, RateLimited, ServerError, Unreachable

_PASSING = (429, 502, 503, 504)


@dataclass(frozen=True)
class Retries:
    """Seconds throughout.

    Attributes:
        attempts: of one call, the first included.
        first, longest: the pause doubles from the one to the other; half of it is chance, so that many clients that
            failed together do not come back together.
        patience: a server that says to come back later than that is not waited for: the call fails with `retry_after`.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 20.0
    patience: float = 120.0

    def pause(self, failed: int, error: APIError, chance: Callable[[], float] = random.random) -> float | None:
        """How long to wait after `failed` attempts of which the last ended with `error`; None: give up."""
        if failed >= self.attempts or not (isinstance(error, Unreachable) or error.status in _PASSING):
            return None
        pause = min(self.longest, self.first * 2 ** (failed - 1)) * (1 + chance()) / 2
        asked = error.retry_after if isinstance(error, RateLimited | ServerError) else None
        if asked is None:
            return pause
        return None if asked > self.patience else max(pause, asked * (1 + chance() / 4))


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Retry-After as seconds; it may be a date. None: there is none, or none that can be read."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdigit():
            return float(retry_after)
        date = parsedate_to_datetime(retry_after)
        return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError):
        return None
