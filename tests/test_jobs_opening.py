"""Opening a database of jobs: migrations, and what is refused."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sgen_ray.errors import DatabaseError
from sgen_ray.jobs.database import VERSION_TABLE, Database, database_url
from sgen_ray.jobs.host import Host, this_host
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.migrations import __file__ as migrations
from sgen_ray.jobs.tables import SCHEMA, metadata
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 4),), 480, 240, 8)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HERE, THERE = Host("here", "boot-1"), Host("there", "boot-2")


def test_migrations_lead_to_the_tables(empty_database: str) -> None:
    database = Database(empty_database)
    with database.read() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    database.close()


def test_the_newest_migration_is_what_the_tables_are_of() -> None:
    assert ScriptDirectory(str(Path(migrations).parent)).get_heads() == [SCHEMA]


def test_jobs_outlive_who_opened_them(empty_database: str) -> None:
    with Jobs(empty_database, "s3://bucket") as jobs:
        job = jobs.submit(REQUEST)
    with Jobs(empty_database, "s3://bucket") as jobs:
        assert jobs.get(job.id) == job


def test_a_newer_database_is_refused(empty_database: str) -> None:
    database = Database(empty_database)
    with database.write() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    with pytest.raises(DatabaseError, match=r"made by a newer version of sgen-ray \(schema 9999.*update this one$"):
        Jobs(empty_database, "s3://bucket")


def test_sqlite_keeps_a_log_beside_its_file(tmp_path: Path) -> None:
    store = str(tmp_path / "new" / "store")
    with Jobs(database_url(store), store) as jobs:
        jobs.submit(REQUEST)
    connection = sqlite3.connect(f"{store}/jobs.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_what_a_store_is_called_is_no_matter(tmp_path: Path) -> None:
    store = tmp_path / "100 % ?a=b #ä"
    with Jobs(database_url(str(store)), str(store)) as jobs:
        assert jobs.list().jobs == ()
    assert (store / "jobs.db").is_file()


def test_a_store_elsewhere_needs_a_database() -> None:
    assert database_url("s3://bucket", "postgresql://host/db") == "postgresql://host/db"
    with pytest.raises(DatabaseError, match="the store s3://bucket is no folder.*name a database"):
        database_url("s3://bucket")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("jobs.db", "is no URL"),
        ("mysql://host/db", "SQLite or PostgreSQL, not in mysql"),
        ("sqlite://", "would not outlive this process"),
        ("sqlite:////dev/null/jobs.db", "cannot use the database sqlite:////dev/null/jobs.db: "),
        ("postgresql://me:secret@/db?host=/nowhere", r"cannot use the database postgresql\+psycopg://me:\*\*\*@/db"),
    ],
)
def test_databases_that_cannot_be(url: str, message: str) -> None:
    with pytest.raises(DatabaseError, match=message) as raised:
        Jobs(url, "s3://bucket")
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("a plain text, which is longer than the head of a database" * 20)
    with pytest.raises(DatabaseError, match="file is not a database"):
        Jobs(database_url(str(tmp_path)), str(tmp_path))


def test_this_host_is_known_again() -> None:
    assert this_host() == this_host()
    assert this_host().name


def opened(url: str, store: str, host: Host, seconds: float = 0) -> Jobs:
    return Jobs(url, store, host=host, clock=lambda: NOW + timedelta(seconds=seconds))


def test_what_two_hosts_cannot_share(database: str, tmp_path: Path) -> None:
    """A folder is on one host, and so is SQLite."""
    reason = "SQLite serves one host only" if database.startswith("sqlite") else "is a folder of this host"
    store = str(tmp_path)
    with opened(database, store, HERE) as here, opened(database, store, THERE) as early:
        here.submit(REQUEST)
        here.submit(REQUEST)
        assert here.claim("worker") is not None
        with pytest.raises(DatabaseError, match=rf"in use by the host here.*{reason}"):
            opened(database, store, THERE)
        with pytest.raises(DatabaseError, match="in use by the host here"):
            early.claim("worker")
        opened(database, store, HERE).close()
        opened(database, store, Host("here", "booted again")).close()
        opened(database, store, Host("a container here", "boot-1")).close()
        opened(database, store, THERE, seconds=61).close()


def test_hosts_share_postgresql_and_a_store_with_a_uri(database: str) -> None:
    if database.startswith("sqlite"):
        pytest.skip("SQLite serves one host only")
    for store in ("s3://bucket", "file:///mnt/shared"):
        with opened(database, store, HERE) as here, opened(database, store, THERE) as there:
            here.submit(REQUEST)
            there.submit(REQUEST)
            assert here.claim("worker") is not None and there.claim("worker") is not None
