"""Does every job of the service end completed whatever dies? Kills an ingress replica, the pool's controller, a replica
that makes films, and restarts PostgreSQL, while all films are under way and the events of each are followed.

Real service on real Ray Serve, real PostgreSQL, real encoder; only the model is a fast one. Clients send each request
again, under the same Idempotency-Key, until it is answered, as any client should.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])

import httpx
import psutil
import sqlalchemy as sa
from common import RESULTS, save
from fast_model import FastFactory
from postgres import _other_user, _programs, postgres

from sgen_ray import orders, recorded
from sgen_ray.client import Client
from sgen_ray.client.schema import Event
from sgen_ray.engine.cluster import connected
from sgen_ray.serving import service
from sgen_ray.serving.deployment import Ingress, deployed
from sgen_ray.serving.films import Films
from sgen_ray.serving.settings import Settings

PAUSE = 0.2
"""Seconds that a sampler step takes."""
VICTIMS = {
    "ingress replica": "ray::ServeReplica:sgen:Ingress",
    "pool's controller": "ray::Controller",
    "films replica": "ray::ServeReplica:sgen:Films",
}


def use_fast_model() -> None:
    for module in (orders, recorded, service):
        module.load_factory = lambda name: FastFactory(pause=PAUSE)  # type: ignore[attr-defined]


class FastFilms(Films):
    def __init__(self, settings: Settings) -> None:
        use_fast_model()
        super().__init__(settings)


class FastIngress(Ingress):
    def __init__(self, settings: Settings, films: Any) -> None:
        use_fast_model()
        super().__init__(settings, films)


def kill(name: str) -> int | None:
    """One process of ours with this title; its number."""
    for process in psutil.Process().children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(VICTIMS[name]):
                process.send_signal(signal.SIGKILL)
                return process.pid
        except psutil.Error:
            continue
    return None


def restart_postgres(url: str, action: str = "restart") -> None:
    user = _other_user()
    folder = url.rpartition("host=")[2]
    control = [_programs(user) / "pg_ctl", action, "-D", f"{folder}/data", "-m", "fast", "-w", "-l", f"{folder}/log2"]
    subprocess.run(list(map(str, control)), check=action == "restart", capture_output=True, cwd="/", timeout=60, **user)


def insist(client: httpx.Client, method: str, path: str, within: float, **more: Any) -> httpx.Response:
    end = time.monotonic() + within
    while True:
        try:
            answer = client.request(method, path, **more)
            if answer.status_code < 500:
                return answer
        except httpx.HTTPError:
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"{method} {path} had no answer for {within:g} s")
        time.sleep(0.5)


def drill(count: int, seconds: float, pause: float, patience: float, folder: Path) -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with postgres() as gap:
        url = gap.format("postgres")
        settings = Settings(
            store=str(folder), database=url, model="fast", device="cpu", replicas=2, workers=2,
            films=-(-count // 2), renderers=2,
        )  # fmt: skip
        try:
            with (
                connected(),
                deployed(settings, "127.0.0.1", port, films=FastFilms, ingress=FastIngress),
                httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
                Followers(f"http://127.0.0.1:{port}") as followers,
            ):
                return under_fire(client, followers, url, count, seconds, pause, patience)
        finally:
            restart_postgres(url, "stop")


class Followers:
    """One stream of events for each job, by the project's own client, which connects again where it was cut off."""

    def __init__(self, url: str) -> None:
        self._connections: Counter[str] = Counter()
        self._client = Client(url, transport=_Counting(self._connections))
        self._threads = ThreadPoolExecutor(200)
        self._seen: dict[str, Future[list[Event]]] = {}

    def follow(self, job: str) -> None:
        self._seen[job] = self._threads.submit(lambda: list(self._client.videos.events(job)))

    def result(self, written: dict[str, int], patience: float) -> dict[str, int]:
        """`written`: how many events the record of each job holds, which are numbered from 1."""
        seen = {job: future.result(patience) for job, future in self._seen.items()}
        numbers = {job: [event.id for event in events if event.id is not None] for job, events in seen.items()}
        return {
            "streams": len(seen),
            "connected_again": sum(count - 1 for count in self._connections.values()),
            "streams_cut_off": sum(count > 1 for count in self._connections.values()),
            "ended": sum(events[-1].type == "end" for events in seen.values()),
            "whole": sum(numbers[job] == list(range(1, written[job] + 1)) for job in seen),
            "events": sum(map(len, numbers.values())),
        }

    def __enter__(self) -> Followers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Counting(httpx.HTTPTransport):
    def __init__(self, connections: Counter[str]) -> None:
        super().__init__(limits=httpx.Limits(max_connections=None))
        self._connections = connections

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if answer.status_code == 200:
            self._connections[request.url.path] += 1
        return answer


def under_fire(
    client: httpx.Client, followers: Followers, url: str, count: int, seconds: float, pause: float, patience: float
) -> dict[str, Any]:
    def create(number: int) -> str:
        film = {"prompt": "noise", "seconds": seconds, "size": "64x32", "seed": number, "steps": 4, "plan_steps": 4}
        key = {"Idempotency-Key": f"film {number}"}
        answer = insist(client, "POST", "/v1/videos", patience, json=film, headers=key)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    insist(client, "GET", "/readyz", 120)
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as several:
        ids = list(several.map(create, range(count)))
    for job in ids:
        followers.follow(job)
    while sum(job["status"] == "in_progress" for job in listed(client)) < count and time.monotonic() - begun < patience:
        time.sleep(0.2)
    kills: list[dict[str, Any]] = []
    for what in (*VICTIMS, "postgresql"):
        at = time.monotonic() - begun
        under_way = sum(job["status"] == "in_progress" for job in listed(client))
        if what == "postgresql":
            restart_postgres(url)
            hit = True
        else:
            hit = kill(what) is not None
        kills.append({"what": what, "at": round(at, 1), "hit": hit, "films_under_way": under_way})
        print(kills[-1], file=sys.stderr)
        time.sleep(pause)
    while time.monotonic() - begun < patience:
        found = listed(client)
        if all(job["status"] in ("completed", "failed") for job in found):
            break
        time.sleep(1)
    with sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://")).connect() as connection:
        rows = connection.execute(sa.text("SELECT id, state, error, events FROM jobs")).all()
        written = connection.scalar(sa.text("SELECT count(*) FROM events"))
    playable = sum(insist(client, "GET", f"/v1/videos/{one}/content", 60).content[4:8] == b"ftyp" for one in ids)
    return {
        "jobs": count,
        "seconds_each": seconds,
        "kills": kills,
        "states": dict(Counter(row.state for row in rows)),
        "errors": [row.error for row in rows if row.error],
        "lost": len(set(ids) - {row.id for row in rows}),
        "doubled": len(rows) - count,
        "films_downloaded": playable,
        "events_written": written,
        "event_streams": followers.result({row.id: row.events for row in rows}, patience),
        "wall": round(time.monotonic() - begun, 1),
    }


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = insist(client, "GET", "/v1/videos", 120, params={"limit": 100}).json()["data"]
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60, help="of each film")
    parser.add_argument("--pause", type=float, default=10, help="seconds between two kills")
    parser.add_argument("--patience", type=float, default=900, help="seconds for everything")
    parser.add_argument("--small", action="store_true", help="4 jobs, to prove the script")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    count, seconds, pause = (4, 20.0, 8.0) if chosen.small else (chosen.jobs, chosen.seconds, chosen.pause)
    with tempfile.TemporaryDirectory(prefix="sgen-faults-") as folder:
        result = drill(count, seconds, pause, chosen.patience, Path(folder) / "store")
    print(json.dumps(result, indent=2))
    save("service_faults", chosen, result, judged=False, painted=False)
    streams = result["event_streams"]
    sys.exit(result["states"] != {"completed": count} or streams["ended"] != count or streams["whole"] != count)


if __name__ == "__main__":
    main()
