"""Single flight: who makes which artifact just now, so that two jobs do not make the same one at once.

An optimisation only, as an artifact made twice is the same twice. A flight lasts as long as its job's lease, so it is
never renewed, and never left behind by the dead. The collector of rubbish takes one too: jobs wait for it to land.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sgen_ray.jobs.opened import Opened
from sgen_ray.jobs.records import Lease
from sgen_ray.jobs.states import RUNNING
from sgen_ray.jobs.tables import flights, jobs

COLLECTION = "collection"
_AT_ONCE = 200


class ForFlights(Opened):
    def take_off(self, lease: Lease, names: Iterable[str]) -> set[str]:
        """Which of the artifacts, each "kind:fingerprint", this job is to make now: all but those that others make.

        Raises:
            LeaseLost: its worker does not hold it any more; somebody may have deleted it.
        """
        mine: set[str] = set()
        wanted = sorted(names)  # in one order everywhere, so that two never wait for each other
        for start in range(0, len(wanted), _AT_ONCE):
            mine |= self._take_off(lease, wanted[start : start + _AT_ONCE])
        return mine

    def land(self, lease: Lease) -> None:
        """What the job took off is made, or given up."""
        with self._db.write() as connection:
            connection.execute(sa.delete(flights).where(flights.c.job == lease.job, flights.c.token <= lease.token))

    def begin_collection(self, span: timedelta) -> bool:
        """From now on, for `span` at most, jobs wait before they rely on anything stored. False: another collects."""
        now = self._clock()
        with self._db.write() as connection:
            connection.execute(sa.delete(flights).where(flights.c.name == COLLECTION, flights.c.expires <= now))
            row = {"name": COLLECTION, "token": 0, "expires": now + span}
            return bool(connection.scalar(self._insert([row])))

    def extend_collection(self, span: timedelta) -> bool:
        """False: it took longer than it said, and jobs no longer wait for it."""
        now = self._clock()
        chosen = sa.and_(flights.c.name == COLLECTION, flights.c.expires > now)
        with self._db.write() as connection:
            return bool(connection.execute(sa.update(flights).where(chosen).values(expires=now + span)).rowcount)

    def end_collection(self) -> None:
        with self._db.write() as connection:
            connection.execute(sa.delete(flights).where(flights.c.name == COLLECTION))

    def collecting(self) -> bool:
        chosen = sa.and_(flights.c.name == COLLECTION, flights.c.expires > self._clock())
        with self._db.read() as connection:
            return connection.scalar(sa.select(flights.c.name).where(chosen)) is not None

    def _take_off(self, lease: Lease, names: list[str]) -> set[str]:
        flies = sa.exists().where(
            jobs.c.id == flights.c.job,
            jobs.c.token == flights.c.token,
            jobs.c.state.in_(RUNNING),
            jobs.c.lease_expires > self._clock(),
        )
        these = flights.c.name.in_(names)
        job = sa.select(jobs.c.token, jobs.c.state).where(jobs.c.id == lease.job)
        kept = job.with_for_update(read=True, key_share=True)  # nobody deletes it before this is written
        with self._db.write() as connection:
            self._held(lease, connection.execute(kept).first())
            connection.execute(sa.delete(flights).where(these, sa.not_(flies)))
            connection.execute(self._insert([{"name": n, "job": lease.job, "token": lease.token} for n in names]))
            mine = sa.select(flights.c.name).where(these, flights.c.job == lease.job, flights.c.token == lease.token)
            return set(connection.scalars(mine))

    def _insert(self, rows: list[dict[str, object]]) -> sa.Executable:
        insert = (sqlite.insert if self._db.sqlite else postgresql.insert)(flights).values(rows)
        return insert.on_conflict_do_nothing().returning(flights.c.name)
