"""`sgen submit --ray ADDRESS`: a film made as a job of a Ray cluster, submitted through its dashboard.

The film is in the store of the cluster when the job ends. It comes home by the log of a second, short job: the log
needs nothing but the connection that submitted the job, while the store (a volume, a bucket whose keys stay in the
cluster) is often out of reach from here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sgen_ray.cli import show
from sgen_ray.cli.kube_command import RUNTIME_ENV, Listener, arguments, command, key_of, tell
from sgen_ray.cli.kube_lines import Made, Piece, from_line, joined
from sgen_ray.errors import EngineError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

    from sgen_ray.cli.wanted import Manner, Wanted

_LARGEST = 512 << 20
_STOPPING = 60.0


@dataclass(frozen=True)
class OnRay:
    """The cluster whose dashboard answers at `address`, like http://127.0.0.1:8265. RAY_AUTH_TOKEN is sent along."""

    address: str

    def submit(self, wanted: Wanted, manner: Manner) -> None:
        from sgen_ray.cli.progress import reporting

        made = arguments(wanted)
        with _connected(self.address) as client:
            name = _begin(client, key_of(made), command(made))
            if not manner.wait:
                print(f"job {name}: ray job logs {name} --follow --address {self.address}")
                return
            goes_on = f"{name} was stopped; finished windows are in its store: the same command again goes on"
            with show.working(f"{name} goes on; the same command shows it again" if manner.detach else goes_on):
                try:
                    with reporting(manner.quiet, begin="wait for the cluster") as on_event:
                        result = _watch(client, name, Listener(on_event))
                    film = None if manner.output is None else _fetched(client, result)
                except KeyboardInterrupt:
                    if not manner.detach:
                        _stop(client, name)
                    raise
        tell(result, manner, film)


@contextmanager
def _connected(address: str) -> Iterator[JobSubmissionClient]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token" if os.environ.get("RAY_AUTH_TOKEN") else "disabled")
    import requests
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)

    try:
        yield JobSubmissionClient(address)
    except (ConnectionError, requests.exceptions.RequestException) as error:
        reason = " ".join(str(error).split())[:200]
        raise EngineError(
            f"no answer from the Ray cluster at {address}: {reason}; is its dashboard's port 8265?"
        ) from error
    except AuthenticationError as error:
        raise EngineError(f"the Ray cluster at {address} wants a token, or another: set RAY_AUTH_TOKEN") from error
    except RuntimeError as error:  # what Ray makes of an answer that is an error
        raise EngineError(f"the Ray cluster at {address} refuses: {_last_line(error)}") from error


def _begin(client: JobSubmissionClient, key: str, line: str) -> str:
    """The name of the job of this key: one that waits, runs or is done, otherwise a new try."""
    from ray.job_submission import JobStatus

    lost = (JobStatus.FAILED, JobStatus.STOPPED)
    tries: dict[int, Any] = {}
    for job in client.list_jobs():
        name = job.submission_id or ""
        if name.startswith(f"sgen-{key}-"):
            tries[int(name.rpartition("-")[2])] = job.status
    last = max(tries, default=0)
    if tries and tries[last] not in lost:
        return f"sgen-{key}-{last}"
    name = f"sgen-{key}-{last + 1}"
    client.submit_job(entrypoint=line, submission_id=name, runtime_env=RUNTIME_ENV)
    return name


def _watch(client: JobSubmissionClient, name: str, listener: Listener) -> Made:
    asyncio.run(_follow(client, name, listener))
    status = _end(client, name)
    if listener.made is None:
        message = client.get_job_info(name).message or ""
        raise listener.failure(f"{name} is {str(status).lower()}: {_last_line(message) or 'see ray job logs ' + name}")
    return listener.made


async def _follow(client: JobSubmissionClient, name: str, listener: Listener) -> None:
    left = ""
    async for text in client.tail_job_logs(name):
        *whole, left = (left + text).split("\n")
        listener.hear(whole)
    listener.hear([left])


def _end(client: JobSubmissionClient, name: str, patience: float = _STOPPING) -> Any:
    """How it ended; waits for that, as a log may end a moment before."""
    deadline = time.monotonic() + patience
    while not (status := client.get_job_status(name)).is_terminal():
        if time.monotonic() > deadline:
            return status
        time.sleep(0.2)
    return status


def _stop(client: JobSubmissionClient, name: str) -> None:
    """Its process gets SIGTERM, and cancels its job in the database at its next step."""
    client.stop_job(name)
    _end(client, name)


def _fetched(client: JobSubmissionClient, made: Made) -> bytes:
    if made.size > _LARGEST:
        raise EngineError(
            f"{made.size >> 20} MiB are too much for a log; fetch it beside the store: sgen fetch {made.job}"
        )
    name = client.submit_job(entrypoint=f"sgen fetch {made.job} --lines")
    if str(_end(client, name, patience=300.0)) != "SUCCEEDED":
        raise EngineError(f"the film does not come: {_last_line(client.get_job_logs(name))}")
    found = (from_line(line) for line in client.get_job_logs(name).splitlines())
    film = joined((piece for piece in found if isinstance(piece, Piece)), made)
    client.delete_job(name)
    return film


def _last_line(what: object) -> str:
    lines = [line.strip() for line in str(what).splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
