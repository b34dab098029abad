"""What open event streams cost the process that serves them: CPU and memory with none, one and many, on jobs that wait.

python benchmarks/streams.py --streams 200 --jobs 20 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from sgen_ray.jobs.database import database_url
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 4),), 256, 128, 8)
SERVER = """
import sys, uvicorn
from sgen_ray.serving.app import build_app
from sgen_ray.serving.settings import Settings
uvicorn.run(build_app(Settings(store=sys.argv[1])), port=int(sys.argv[2]), log_level="error")
"""


async def measure(address: str, server: psutil.Process, ids: list[str], streams: int, seconds: float) -> dict:
    """CPU seconds a second, and memory, of the server while so many streams are open; and the time to open them."""
    heard = asyncio.Semaphore(0)

    async def follow(client: httpx.AsyncClient, job: str) -> None:
        async with client.stream("GET", f"/v1/videos/{job}/events") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    heard.release()

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=None, limits=limits) as client:
        began = time.perf_counter()
        open_ones = [asyncio.create_task(follow(client, ids[n % len(ids)])) for n in range(streams)]
        for _ in range(streams):
            await heard.acquire()
        opened = time.perf_counter() - began
        before = sum(server.cpu_times()[:2])
        await asyncio.sleep(seconds)
        cpu = (sum(server.cpu_times()[:2]) - before) / seconds
        memory, threads = server.memory_info().rss, server.num_threads()
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
    return {"streams": streams, "open_s": opened, "cpu": cpu, "memory_mib": memory / 2**20, "threads": threads}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as store, Jobs(database_url(store), store) as jobs:
        ids = [jobs.submit(REQUEST).id for _ in range(wishes.jobs)]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen([sys.executable, "-c", SERVER, store, str(port)])
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    httpx.get(f"{address}/v1/videos")
                    break
                except httpx.HTTPError:
                    time.sleep(0.2)
            process = psutil.Process(server.pid)
            rows = [
                asyncio.run(measure(address, process, ids, streams, wishes.seconds))
                for streams in (0, 1, wishes.streams, 0)
            ]
        finally:
            server.terminate()
            server.wait()
    print(f"{'streams':>8} {'open s':>8} {'CPU':>8} {'MiB':>8} {'threads':>8}")
    for row in rows:
        figures = f"{row['open_s']:>8.2f} {row['cpu']:>8.1%} {row['memory_mib']:>8.0f} {row['threads']:>8}"
        print(f"{row['streams']:>8} {figures}")
    if wishes.json:
        wishes.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
