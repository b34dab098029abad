"""Tenants and their API keys.

A key is 32 random bytes, shown once; the database has its SHA-256. A slow hash (bcrypt, Argon2) protects what people
choose and others guess; 256 random bits cannot be guessed, however fast the hash is, and a service has to check one at
every request. Nor does looking it up by its hash tell anything by its time: nobody can choose how a hash begins.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sgen_ray.errors import JobError
from sgen_ray.jobs.opened import Opened
from sgen_ray.jobs.records import new_id, one_line
from sgen_ray.jobs.statements import MAX_NAME
from sgen_ray.jobs.tables import jobs
from sgen_ray.jobs.tenant_tables import keys, secrets, tenants
from sgen_ray.paths import LOCAL, tenant_store

LAST_USED_EVERY = timedelta(hours=1)
"""`last_used` is no more exact than that, so that using a key costs no write."""

_TOKEN = re.compile(r"sk-[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Tenant:
    """Attributes:
    share: its weight among tenants, where there is not enough for all.
    concurrent: jobs that it may have at once, over ones not counted; seconds_a_day: of film, by the day in UTC.
        None: as many as it likes.
    common: its artifacts are in the common store, with those of the command line and of other such tenants, and any
        of these gets what another has made; else in a store of its own.
    """

    name: str
    share: float = 1.0
    concurrent: int | None = None
    seconds_a_day: float | None = None
    common: bool = False


@dataclass(frozen=True)
class Key:
    """A key as it may be shown: `prefix` is the beginning of its token."""

    id: str
    tenant: str
    name: str
    prefix: str
    created: datetime
    last_used: datetime | None
    revoked: datetime | None


class ForTenants(Opened):
    def tenant(self, name: str) -> Tenant:
        with self._db.read() as connection:
            return tenant_of(connection, name)

    def tenants(self) -> tuple[Tenant, ...]:
        """Those with a key or a quota, by name."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(tenants).order_by(tenants.c.name))
            return tuple(_tenant(row) for row in rows)

    def store_of(self, tenant: str, store: str | None = None) -> str:
        """Where the artifacts of its jobs are. `store`: of all tenants, by default that of these jobs."""
        common = tenant == LOCAL or self.tenant(tenant).common
        return tenant_store(self._store if store is None else store, LOCAL if common else tenant)

    def set_tenant(
        self,
        name: str,
        *,
        share: float | None = None,
        concurrent: int | None = None,
        seconds_a_day: float | None = None,
        common: bool | None = None,
    ) -> Tenant:
        """A new tenant, or other limits for one; None leaves what is, 0 lifts a quota.

        Raises:
            JobError: a value cannot be; or it has jobs, so that its store can no longer be chosen.
        """
        if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name) is None:
            raise JobError(
                "a tenant's name has small letters, digits, - and _ only, 63 at most, and begins with no sign"
            )
        if share is not None and not 0 < share < float("inf"):
            raise JobError(f"a tenant's share is a number above 0, not {share}")
        if (concurrent or 0) < 0 or not 0 <= (seconds_a_day or 0) < float("inf"):
            raise JobError("a quota is a number above 0, or 0 for none")
        values: dict[str, Any] = {}
        if share is not None:
            values["share"] = share
        if concurrent is not None:
            values["concurrent"] = concurrent or None
        if seconds_a_day is not None:
            values["seconds_a_day"] = seconds_a_day or None
        with self._db.write() as connection:
            connection.execute(self._ignoring(tenants).values(name=name, created=self._clock()))
            if common is not None and common != tenant_of(connection, name).common:
                if connection.scalar(sa.select(jobs.c.id).where(jobs.c.tenant == name).limit(1)) is not None:
                    raise JobError(f"{name} has jobs, whose artifacts would no longer be found in another store")
                values["common"] = common
            if values:
                connection.execute(sa.update(tenants).where(tenants.c.name == name).values(values))
            return tenant_of(connection, name)

    def create_key(self, tenant: str, name: str = "") -> tuple[Key, str]:
        """A new key, and its token, which nobody can be told again. The tenant is made where there is none."""
        self.set_tenant(tenant)
        now, token = self._clock(), "sk-" + random.token_urlsafe(32)
        values = {
            "id": new_id(now, "key"),
            "tenant": tenant,
            "name": one_line(name, MAX_NAME),
            "hash": key_hash(token),
            "prefix": token[:10],
            "created": now,
        }
        with self._db.write() as connection:
            row = connection.execute(sa.insert(keys).values(values).returning(*keys.c)).one()
        return _key(row), token

    def keys(self, tenant: str | None = None) -> tuple[Key, ...]:
        """The oldest first, the revoked too."""
        chosen = sa.true() if tenant is None else keys.c.tenant == tenant
        with self._db.read() as connection:
            return tuple(_key(row) for row in connection.execute(sa.select(keys).where(chosen).order_by(keys.c.id)))

    def revoke_key(self, key_id: str) -> Key:
        """From now on nobody gets in with it; nothing where it is revoked already."""
        with self._db.write() as connection:
            revoked = sa.func.coalesce(keys.c.revoked, sa.bindparam("now", self._clock(), keys.c.revoked.type))
            update = sa.update(keys).where(keys.c.id == key_id).values(revoked=revoked).returning(*keys.c)
            row = connection.execute(update).first()
        if row is None:
            raise JobError(f"there is no key {one_line(key_id, 40)}; sgen keys list shows those that there are")
        return _key(row)

    def find_key(self, *, token: str | None = None, key_id: str | None = None) -> Key | None:
        """The key of this token, or id, unless it is unknown or revoked; that it was used is written down."""
        assert (token is None) != (key_id is None)
        digest = "" if token is None else key_hash(token)
        with self._db.read() as connection:
            chosen = keys.c.id == key_id if token is None else keys.c.hash == digest
            row = connection.execute(sa.select(keys).where(chosen, keys.c.revoked.is_(None))).first()
        if row is None or (token is not None and not hmac.compare_digest(row.hash, digest)):
            return None
        now = self._clock()
        if row.last_used is None or row.last_used < now - LAST_USED_EVERY:
            with self._db.write() as connection:
                connection.execute(sa.update(keys).where(keys.c.id == row.id).values(last_used=now))
        return _key(row)

    def secret(self, name: str) -> str:
        """43 random letters, made when they are first asked for: the same for all processes from then on."""
        chosen = sa.select(secrets.c.value).where(secrets.c.name == name)
        with self._db.read() as connection:
            found: str | None = connection.scalar(chosen)
        if found is not None:
            return found
        with self._db.write() as connection:
            connection.execute(self._ignoring(secrets).values(name=name, value=random.token_urlsafe(32)))
            return str(connection.scalar(chosen))

    def _ignoring(self, table: sa.Table) -> Any:
        """An insert that does nothing where the row is there."""
        return (sqlite.insert if self._db.sqlite else postgresql.insert)(table).on_conflict_do_nothing()


def key_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def is_token(text: str) -> bool:
    """Whether it looks like a key's: what does not needs no look into the database."""
    return _TOKEN.fullmatch(text) is not None


def tenant_of(connection: sa.Connection, name: str) -> Tenant:
    row = connection.execute(sa.select(tenants).where(tenants.c.name == name)).first()
    return Tenant(name) if row is None else _tenant(row)


def shares_of(connection: sa.Connection) -> Mapping[str, float]:
    """Of the tenants whose share is not 1."""
    query = sa.select(tenants.c.name, tenants.c.share).where(tenants.c.share != 1.0)
    return {name: share for name, share in connection.execute(query)}


def _tenant(row: sa.Row[Any]) -> Tenant:
    return Tenant(row.name, row.share, row.concurrent, row.seconds_a_day, row.common)


def _key(row: sa.Row[Any]) -> Key:
    return Key(row.id, row.tenant, row.name, row.prefix, row.created, row.last_used, row.revoked)
