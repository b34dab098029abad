"""`Client` and `AsyncClient`: where the service is and with which key, and what can be asked of it."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from . import schema
from .calls import Calls
from .http import AsyncHttp, BlockingHttp, Http, each, finish
from .retries import Retries
from .videos import AsyncVideos

P = ParamSpec("P")
T = TypeVar("T")

LOCAL = "http://127.0.0.1:8000"
TIMEOUT = httpx.Timeout(60, connect=10)
"""Seconds. Between two pieces of an answer; an event stream says more often than that that it lives."""
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)  # an event stream holds one all the time


class AsyncClient:
    """A client for asyncio and trio. Used as `async with`, or closed with `aclose`.

    Args:
        base_url: by default SGEN_BASE_URL, or this machine's port 8000. With or without "/v1" at its end.
        api_key: by default SGEN_API_KEY.
        retries: what is tried again, and when.
        timeout: as httpx has it.
        transport: instead of sockets, as httpx has it: httpx.ASGITransport(app) calls an application directly.

    Raises:
        ValueError: an address or key that cannot be one.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        retries: Retries = Retries(),  # noqa: B008 (frozen)
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        http = httpx.AsyncClient(timeout=timeout, transport=transport, limits=_LIMITS)
        self._calls = _calls(AsyncHttp(http), base_url, api_key, retries)
        self.base_url = self._calls.base_url
        self.videos = AsyncVideos(self._calls)

    async def models(self) -> list[schema.Model]:
        """What the service makes films with."""
        return await _models(self._calls)

    async def aclose(self) -> None:
        await self._calls.http.shut()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Client:
    """A blocking client. Used as `with`, or closed with `close`; threads may share it. Arguments as AsyncClient."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        retries: Retries = Retries(),  # noqa: B008 (frozen)
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        http = httpx.Client(timeout=timeout, transport=transport, limits=_LIMITS)
        self._calls = _calls(BlockingHttp(http), base_url, api_key, retries)
        self.base_url = self._calls.base_url
        self.videos = Videos(AsyncVideos(self._calls))

    def models(self) -> list[schema.Model]:
        """What the service makes films with."""
        return finish(_models(self._calls))

    def close(self) -> None:
        finish(self._calls.http.shut())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _blocking(
    method: Callable[Concatenate[AsyncVideos, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Videos, P], T]:
    @functools.wraps(method)
    def call(self: Videos, *args: P.args, **kwargs: P.kwargs) -> T:
        return finish(method(self._videos, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[AsyncVideos, P], AsyncIterator[T]],
) -> Callable[Concatenate[Videos, P], Iterator[T]]:
    @functools.wraps(method)
    def call(self: Videos, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return each(method(self._videos, *args, **kwargs))

    return call


class Videos:
    """AsyncVideos, blocking: the same calls with the same arguments; iterators are plain ones."""

    def __init__(self, videos: AsyncVideos) -> None:
        self._videos = videos

    create = _blocking(AsyncVideos.create)
    create_and_wait = _blocking(AsyncVideos.create_and_wait)
    wait = _blocking(AsyncVideos.wait)
    retrieve = _blocking(AsyncVideos.retrieve)
    list = _iterating(AsyncVideos.list)
    events = _iterating(AsyncVideos.events)
    approve = _blocking(AsyncVideos.approve)
    edit = _blocking(AsyncVideos.edit)
    extend = _blocking(AsyncVideos.extend)
    remix = _blocking(AsyncVideos.remix)
    retry = _blocking(AsyncVideos.retry)
    character = _blocking(AsyncVideos.character)
    cancel = _blocking(AsyncVideos.cancel)
    delete = _blocking(AsyncVideos.delete)
    download = _blocking(AsyncVideos.download)
    plan = _blocking(AsyncVideos.plan)
    timeline = _blocking(AsyncVideos.timeline)
    report = _blocking(AsyncVideos.report)


async def _models(calls: Calls) -> list[schema.Model]:
    return (await calls.ask(schema.ModelList, "GET", "/v1/models")).data


def _calls(http: Http, base_url: str | None, api_key: str | None, retries: Retries) -> Calls:
    base = (base_url or os.environ.get("SGEN_BASE_URL") or LOCAL).strip().rstrip("/").removesuffix("/v1")
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base!r} is no address of a service: {error}; write it like {LOCAL}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{base!r} is no address of a service; write it like {LOCAL}")
    key = (api_key or os.environ.get("SGEN_API_KEY") or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ValueError("the key holds characters that no key has; copy it again")
    headers = {"User-Agent": f"sgen-ray-client/{_version()}"} | ({"Authorization": f"Bearer {key}"} if key else {})
    return Calls(http, base, headers, retries)


def _version() -> str:
    """Of the distribution that these files came in: sgen-ray or sgen-ray-client."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(__name__.partition(".")[0])
    except PackageNotFoundError:
        return "0"
