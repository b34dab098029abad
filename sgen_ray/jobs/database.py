"""The database of jobs: SQLite on one host, PostgreSQL for more. Opening it migrates it, and refuses what cannot work.

SQLite writes under BEGIN IMMEDIATE, so that two writers wait for each other at the beginning and never fail half-way;
WAL lets readers go on meanwhile. Its connections live for one operation, so that a fork inherits none; PostgreSQL's are
pooled, one pool a process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from sgen_ray.errors import DatabaseError
from sgen_ray.jobs.tables import SCHEMA

VERSION_TABLE = "jobs_schema"
_WAIT = 30.0  # seconds that a writer waits for others
_MIGRATION_LOCK = 0x7367656E  # any number of our own: PostgreSQL's advisory locks are known by numbers
_alembic = threading.Lock()  # Alembic's operations are global to a process

_engines: weakref.WeakSet[sa.Engine] = weakref.WeakSet()
_of_the_parent: list[sa.Pool] = []  # never let go: closing these in a child would close them for its parent


def database_url(store: str, named: str | None = None) -> str:
    """The URL that was named, or of `jobs.db` in the store.

    Raises:
        DatabaseError: the store is no folder, and no database was named.
    """
    if named:
        return named
    if "://" in store:
        raise DatabaseError(f"the store {store} is no folder that could hold jobs.db; name a database, postgresql://…")
    return sa.URL.create("sqlite", database=str(Path(store).expanduser().absolute() / "jobs.db")).render_as_string()


class Database:
    """Transactions on the database of jobs, from any thread and after any fork.

    Raises:
        DatabaseError: it cannot be opened, is of a newer version, or fails later.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise DatabaseError(
                "the database's name is no URL; write postgresql://… or sqlite:////…/jobs.db"
            ) from error
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
            raise DatabaseError(f"jobs are kept in SQLite or PostgreSQL, not in {parsed.drivername}; name one of these")
        if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise DatabaseError("jobs kept in memory would not outlive this process; name a file, sqlite:////…/jobs.db")
        self.name = parsed.render_as_string(hide_password=True)
        self.sqlite = parsed.drivername == "sqlite"
        self._url = parsed
        self._engine = self._make_engine()
        if self.sqlite:
            self._make_file(Path(str(parsed.database)))
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction, committed unless something is raised."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only reads; in SQLite it waits for nobody."""
        with self._translated(), self._engine.execution_options(reads=True).begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def _make_engine(self) -> sa.Engine:
        if not self.sqlite:
            engine = sa.create_engine(self._url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
            _engines.add(engine)
            return engine
        engine = sa.create_engine(self._url, poolclass=NullPool, connect_args={"timeout": _WAIT})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _make_file(self, path: Path) -> None:
        """WAL is a lasting property of the file. Turning it on fails at once where another process is just doing so."""
        deadline = time.monotonic() + _WAIT
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                connection = sqlite3.connect(path, timeout=_WAIT)
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    return
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
                finally:
                    connection.close()

    def _migrate(self) -> None:
        with self.read() as connection:
            found = _schema(connection)
        if found == SCHEMA:
            return
        if found is not None and found > SCHEMA:
            raise DatabaseError(
                f"the database {self.name} was made by a newer version of sgen-ray (schema {found}, this one knows"
                f" {SCHEMA}); update this one"
            )
        from alembic import command
        from alembic.config import Config

        with self.write() as connection, _alembic:
            if not self.sqlite:  # SQLite has the lock by BEGIN IMMEDIATE
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            if _schema(connection) != SCHEMA:
                config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
                config.set_main_option("script_location", "sgen_ray.jobs:migrations")
                command.upgrade(config, SCHEMA)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error, OSError) as error:
            cause = getattr(error, "orig", None) or error
            reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
            raise DatabaseError(f"cannot use the database {self.name}: {reason}") from error


def _after_fork() -> None:
    for engine in _engines:
        _of_the_parent.append(engine.pool)
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own; `_begin_sqlite` does
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _schema(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return version
