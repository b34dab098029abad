"""A clock for jobs: it stands still, but for a microsecond a look, as jobs are told apart by their times."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def pass_by(self, **spans: float) -> None:
        self.now += timedelta(**spans)
