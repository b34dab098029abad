"""What the examples share: where the service is, and a line a step on what it does."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sgen_ray.client import Client, Event, Video


def arguments(about: str, seconds: float, output: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--server", default=os.environ.get("SGEN_BASE_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--seconds", type=float, default=seconds, help="of the whole film (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path(output), help="%(default)s")
    return parser


def client_of(options: argparse.Namespace) -> Client:
    """Its key, where the service wants one, is in SGEN_API_KEY."""
    return Client(options.server)


def told(event: Event) -> None:
    """Progress: what happened, a line each."""
    match event.type:
        case "state":
            print(f"  {event.data['state']}", flush=True)
        case "window":
            data = event.data
            print(f"  window {data['done']} of {data['total']} by renderer {data['renderer']}", flush=True)


def fetch(client: Client, video: Video, output: Path) -> None:
    client.videos.download(video.id, output)
    print(f"{output}: {video.seconds} s, {video.size}, {video.id}")
