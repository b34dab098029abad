"""One Ray for all tests that need it, with two GPUs that exist for its scheduler only."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before Ray is imported: it reads these once. A local cluster would write a token into the home folder.
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_IGNORE_UNHANDLED_ERRORS"] = "1"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray takes the name as it is)
os.environ.pop("RAY_ADDRESS", None)
# Ray's workers import the tests' own modules.
os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from postgres import NoPostgres, postgres
from ticking import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    import ray

    ray.init(
        "local",
        num_cpus=2,
        num_gpus=2,
        include_dashboard=False,
        object_store_memory=200 << 20,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Of a server of the tests' own, with a gap for a database's name."""
    try:
        with postgres() as url:
            yield url
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/jobs.db"
    import psycopg

    url: str = request.getfixturevalue("postgres_url")
    name = f"empty_{os.urandom(6).hex()}"
    with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.format(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database for jobs without a job; PostgreSQL's is the same for all tests, and emptied."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/jobs.db"
    import psycopg

    url: str = request.getfixturevalue("postgres_url").format("postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        (found,) = connection.execute("SELECT to_regclass('jobs')").fetchone() or (None,)
        if found is not None:
            made = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'jobs_schema'"
            )
            connection.execute(f"TRUNCATE {', '.join(name for (name,) in made.fetchall())}")
    return url
