"""Ray, started or joined: what that changes in this process is mended, and what a cluster leaves behind is ended."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from sgen_ray.engine.ray_calls import last_line
from sgen_ray.errors import EngineError

log = logging.getLogger(__name__)


def set_environment(own: bool) -> None:
    """What Ray reads when it is imported. own: this process starts a cluster of its own."""
    if own:
        # Since Ray 2.59 a cluster of one's own turns token authentication on and writes into the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        # Ray's workers are at nice 15, so that anything else on a small machine would starve the renderers.
        os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A payload whose call failed is never fetched, and its error was already seen through the small value.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def join(address: str | None, object_store: int) -> list[psutil.Process]:
    """Connects to the cluster at the address; by default starts one, and returns what it consists of.

    Raises:
        EngineError: there is no cluster at the address.
    """
    import ray

    before = set(psutil.Process().children())
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if os.environ.get("SGEN_LOG_FORMAT") == "json":  # telemetry.logs
        quiet["logging_config"] = ray.LoggingConfig(encoding="JSON", log_level="INFO")
    try:
        with _keeping_sigterm():
            if address is None:
                _let_workers_import_us()
                ray.init("local", include_dashboard=False, object_store_memory=object_store, **quiet)
            else:
                _answers(address)
                ray.init(address, **quiet)
    except BaseException as error:
        # Ray leaves helpers of a half-started cluster running.
        those = family(set(psutil.Process().children()) - before)
        with suppress(Exception):
            ray.shutdown()
        end(those)
        if not isinstance(error, OSError | RuntimeError | ValueError):
            raise
        place = f"at {address}" if address else "on this machine"
        raise EngineError(f"no Ray cluster {place}: {last_line(error)}; mend or unset RAY_ADDRESS") from error
    _log_what_ray_prints()
    return [] if address else list(set(psutil.Process().children()) - before)


def family(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """These and all that they started, as long as that can still be seen."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found += [process, *process.children(recursive=True)]
    return found


def end(processes: Sequence[psutil.Process], patience: float = 0.0) -> None:
    """Ends those that have not ended by themselves."""
    _, alive = psutil.wait_procs(processes, timeout=patience)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=1.0)


@contextmanager
def _keeping_sigterm() -> Iterator[None]:
    """Ray's own answer to SIGTERM aborts the process 3 seconds later, whatever it still has to end or to write down.
    Whoever has an answer keeps it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _log_what_ray_prints() -> None:
    """Ray prints troubles of its cluster on stdout, which is ours: a film's facts as JSON, for instance. They are
    logged instead. This is private too: without it they are printed again."""
    from ray._private import worker

    def tell(data: dict[str, Any], ignore_prefix: bool = False) -> None:
        for line in data["lines"]:
            log.info("Ray: %s", line)

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = tell


def _answers(address: str) -> None:
    """Raises OSError where nothing listens at host:port; Ray would go on trying for many minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _let_workers_import_us() -> None:
    """Workers get this process's environment but not its `sys.path`, which alone may lead to a checkout."""
    home = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH", "")
    if Path(home).name != "site-packages" and home not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join([home, known] if known else [home])
