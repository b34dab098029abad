"""The client of the HTTP service: needs httpx and pydantic only, and knows nothing of the rest of sgen-ray.

    from sgen_ray.client import Client
    with Client("http://127.0.0.1:8000") as client:
        video = client.videos.create_and_wait("An astronaut walking on Mars", seconds=60)
        client.videos.download(video.id, "mars.mp4")

The same files are installed alone, as `sgen_ray_client`, by the distribution sgen-ray-client: so imports in here are
relative. Names are loaded when they are first used, as the server needs the schema only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import AsyncClient as AsyncClient
    from .client import Client as Client
    from .errors import APIError as APIError
    from .errors import BadRequest as BadRequest
    from .errors import Conflict as Conflict
    from .errors import Forbidden as Forbidden
    from .errors import NotFound as NotFound
    from .errors import RateLimited as RateLimited
    from .errors import ServerError as ServerError
    from .errors import Unauthorized as Unauthorized
    from .errors import Unreachable as Unreachable
    from .errors import VideoFailed as VideoFailed
    from .retries import Retries as Retries
    from .schema import Event as Event
    from .schema import Model as Model
    from .schema import Shot as Shot
    from .schema import Video as Video

_HOMES = {
    "client": ("AsyncClient", "Client"),
    "errors": ("APIError", "BadRequest", "Conflict", "Forbidden", "NotFound", "RateLimited", "ServerError",
               "Unauthorized", "Unreachable", "VideoFailed"),
    "retries": ("Retries",),
    "schema": ("Event", "Model", "Shot", "Video"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "APIError", "AsyncClient", "BadRequest", "Client", "Conflict", "Event", "Forbidden", "Model", "NotFound",
    "RateLimited", "Retries", "ServerError", "Shot", "Unauthorized", "Unreachable", "Video", "VideoFailed",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
