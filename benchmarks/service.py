"""How soon the service answers, and what it carries: on `sgen serve` itself, from POST to the first playable segment
and from cancel to an idle renderer; then creates and polls a second, a long queue, many event streams, and memory.

python benchmarks/service.py
python benchmarks/service.py --minutes 30      memory over half an hour
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import common
import httpx
import numpy as np
import psutil

SERVER = """
import sys, uvicorn
from sgen_ray.serving.app import build_app
from sgen_ray.serving.settings import Settings
uvicorn.run(build_app(Settings(store=sys.argv[1], max_queue=None)), port=int(sys.argv[2]), log_level="error")
"""
FILM = {"prompt": "a boat sailing on the ocean at night", "seconds": 60}
AT_ONCE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000, help="created, and waiting while the rest is measured")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=2, help="that memory is watched")
    parser.add_argument("--films", type=int, default=3, help="of a minute, for the times of sgen serve")
    parser.add_argument("--out", type=Path, default=common.RESULTS)
    parser.add_argument("--small", action="store_true")
    wishes = parser.parse_args()
    if wishes.small:
        wishes.jobs, wishes.streams, wishes.seconds, wishes.minutes, wishes.films = 50, 20, 3, 0.1, 1
    with tempfile.TemporaryDirectory(prefix="sgen-") as store:
        command = [str(Path(sys.executable).with_name("sgen")), "serve", "--store", store, "--port"]
        with _served(command) as (at, _):
            times = _times(at, wishes.films)
    with (
        tempfile.TemporaryDirectory(prefix="sgen-") as store,
        _served([sys.executable, "-c", SERVER, store]) as (at, own),
    ):
        load = asyncio.run(_load(at, own, wishes))  # memory last: it may be watched for long
    kinds = ("creates", "polls", "polls_beside_streams")
    rows = [[kind, *(load[kind][name] for name in ("rate", "p50_ms", "p99_ms"))] for kind in kinds]
    common.show("load", ["", "a second", "p50, ms", "p99, ms"], rows)
    common.show("memory of the process", ["", "MiB"], [[name, value] for name, value in load["memory_mib"].items()])
    common.show("sgen serve", ["", "median, s"], [[name, float(np.median(found))] for name, found in times.items()])
    common.save("service", wishes, {"load": load, "times": times}, judged=False, painted=False)


@contextmanager
def _served(command: list[str]) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = subprocess.Popen([*command, str(port)], env=os.environ, start_new_session=True)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code in (200, 503):
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", psutil.Process(started.pid)
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)


async def _load(at: str, server: psutil.Process, wishes: argparse.Namespace) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=at, timeout=60, limits=limits) as client:
        ids: list[str] = []

        async def create() -> None:
            answer = await client.post("/v1/videos", json={**FILM, "seed": len(ids)})
            ids.append(answer.raise_for_status().json()["id"])

        async def poll() -> None:
            (await client.get(f"/v1/videos/{random.choice(ids)}")).raise_for_status()

        memory = {"at the start": server.memory_info().rss / 2**20}
        creates = await _rate(create, count=wishes.jobs)
        memory[f"with {wishes.jobs} queued jobs"] = server.memory_info().rss / 2**20
        polls = await _rate(poll, seconds=wishes.seconds)
        heard = asyncio.Semaphore(0)

        async def follow(job: str) -> None:
            async with client.stream("GET", f"/v1/videos/{job}/events", timeout=None) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        heard.release()

        began = time.perf_counter()
        open_ones = [asyncio.create_task(follow(ids[n % len(ids)])) for n in range(wishes.streams)]
        for _ in range(wishes.streams):
            await heard.acquire()
        opened = time.perf_counter() - began
        before = sum(server.cpu_times()[:2])
        await asyncio.sleep(wishes.seconds)
        idle = (sum(server.cpu_times()[:2]) - before) / wishes.seconds
        beside = await _rate(poll, seconds=wishes.seconds)
        memory[f"with {wishes.streams} streams"] = server.memory_info().rss / 2**20
        for third in (1, 2, 3):
            await _rate(poll, seconds=20 * wishes.minutes, pause=0.05)
            memory[f"after {third * wishes.minutes / 3:.3g} minutes of polls"] = server.memory_info().rss / 2**20
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
    return {
        "creates": creates, "polls": polls, "polls_beside_streams": beside, "streams_opened_s": opened,
        "streams_cpu": idle, "memory_mib": memory,
    }  # fmt: skip


async def _rate(
    call: Callable[[], Awaitable[None]], *, count: int | None = None, seconds: float = 0.0, pause: float = 0.0
) -> dict[str, float]:
    """`AT_ONCE` callers, each with one call after another, until `count` are done or the time is over."""
    took: list[float] = []
    began = time.perf_counter()
    left = count

    async def caller() -> None:
        nonlocal left
        while time.perf_counter() - began < seconds if left is None else left > 0:
            left = None if left is None else left - 1
            one = time.perf_counter()
            await call()
            took.append(1000 * (time.perf_counter() - one))
            if pause:
                await asyncio.sleep(pause)

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    p50, p99 = np.percentile(took, (50, 99))
    return {"rate": len(took) / (time.perf_counter() - began), "p50_ms": float(p50), "p99_ms": float(p99)}


def _times(at: str, films: int) -> dict[str, list[float]]:
    """Seconds: with a cold pool and with a warm one."""
    with httpx.Client(base_url=at, timeout=60) as client:
        cold, _ = _playable(client, 1000)
        warm = [_playable(client, seed) for seed in range(films)]
        cancels = [_cancelled(client, 100 + seed) for seed in range(films)]
    return {
        "POST to the first playable segment, cold": [cold],
        "POST to the first playable segment, warm": [playable for playable, _ in warm],
        "POST to completed, warm": [whole for _, whole in warm],
        "cancel to an idle renderer": [idle for idle, _ in cancels],
        "one step of a renderer": [step for _, step in cancels],
    }


def _playable(client: httpx.Client, seed: int) -> tuple[float, float]:
    began = time.perf_counter()
    job = client.post("/v1/videos", json={**FILM, "seed": seed}).raise_for_status().json()["id"]
    while ".m4s" not in client.get(f"/v1/videos/{job}/hls/film.m3u8").text:
        time.sleep(0.02)
    playable = time.perf_counter() - began
    while (state := client.get(f"/v1/videos/{job}").json()["state"]) != "completed":
        assert state not in ("failed", "cancelled"), state
        time.sleep(0.05)
    return playable, time.perf_counter() - began


def _cancelled(client: httpx.Client, seed: int) -> tuple[float, float]:
    """A job is cancelled when every call of it has stopped at its next step: its renderers are free then."""
    job = client.post("/v1/videos", json={**FILM, "seed": seed}).raise_for_status().json()["id"]
    while client.get(f"/v1/videos/{job}").json()["windows"]["done"] < 1:
        time.sleep(0.02)
    began = time.perf_counter()
    client.post(f"/v1/videos/{job}/cancel").raise_for_status()
    while client.get(f"/v1/videos/{job}").json()["state"] != "cancelled":
        time.sleep(0.01)
    idle = time.perf_counter() - began
    painted = client.get(f"/v1/videos/{job}/report").json().get("timeline") or []
    seconds = [row["end"] - row["begin"] for row in painted]
    return idle, float(np.median(seconds)) / 8 if seconds else float("nan")


if __name__ == "__main__":
    main()
