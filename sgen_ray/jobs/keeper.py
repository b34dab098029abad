"""Keeps a job's lease while its work goes on, and hears who wants it to stop: a thread beside the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from sgen_ray.errors import Cancelled, DatabaseError
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Lease, Progress

Answer = TypeVar("Answer")

LOOK_EVERY = 0.1
"""Seconds between two looks at whether to stop, which only read."""
WRITE_EVERY = 1.0
"""Progress is written no more often."""


class Keeper:
    """Use as a context; `check` now and then from the work. Nothing else may write progress meanwhile."""

    def __init__(self, jobs: Jobs, lease: Lease) -> None:
        self.jobs, self.lease = jobs, lease
        self.progress = Progress()
        self._written = self.progress
        self._span = jobs.limits.lease.total_seconds()
        self._renewed = time.monotonic()
        self._cancel = False
        self._problem: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keeper of {lease.job}", daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raises Cancelled where somebody wants the job to stop, LeaseLost where it is another's by now."""
        if self._problem is not None:
            raise self._problem
        if self._cancel:
            raise Cancelled(f"{self.lease.job} was cancelled")

    def insist(self, write: Callable[[], Answer]) -> Answer:
        """A write that may take until the lease is over: minutes of work shall not be lost to a database that starts
        again."""
        until = time.monotonic() + self._span
        while True:
            try:
                return write()
            except DatabaseError:
                if time.monotonic() > until:
                    raise
                time.sleep(1.0)

    def _keep(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            try:
                self._look()
            except DatabaseError:  # it may come back; until then, and longer than its lease, the work goes on
                continue
            except Exception as problem:
                self._problem = problem
                return

    def _look(self) -> None:
        progress, now = self.progress, time.monotonic()
        since = now - self._renewed
        if since < self._span / 4 and (progress == self._written or since < WRITE_EVERY):
            self._cancel |= self.jobs.cancel_wanted(self.lease)
            return
        job = self.jobs.renew(self.lease, progress=progress)
        self._written, self._renewed = progress, now
        self._cancel |= job.cancel_requested
