"""Input and output, in the two ways there are; everything above is written once, as coroutines over `Http`.

`BlockingHttp` has the same coroutines, but none of them ever suspends: `finish` runs such a coroutine to its end by one
`send`, without an event loop. So `Client` and `AsyncClient` cannot drift apart, and neither starts a thread.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import httpx

T = TypeVar("T")


class Http(Protocol):
    """What calls need of httpx. Answers come with their body unread, and are closed by whoever asked."""

    def build(self, method: str, url: str, **parts: Any) -> httpx.Request: ...
    async def send(self, request: httpx.Request) -> httpx.Response: ...
    async def read(self, answer: httpx.Response) -> bytes: ...
    def chunks(self, answer: httpx.Response) -> AsyncIterator[bytes]: ...
    async def close(self, answer: httpx.Response) -> None: ...
    async def sleep(self, seconds: float) -> None: ...
    async def shut(self) -> None: ...


class AsyncHttp:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def build(self, method: str, url: str, **parts: Any) -> httpx.Request:
        return self._client.build_request(method, url, **parts)

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await self._client.send(request, stream=True)

    async def read(self, answer: httpx.Response) -> bytes:
        return await answer.aread()

    def chunks(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        return answer.aiter_bytes()

    async def close(self, answer: httpx.Response) -> None:
        await answer.aclose()

    async def sleep(self, seconds: float) -> None:
        import anyio  # httpx's own: works under asyncio and trio

        await anyio.sleep(seconds)

    async def shut(self) -> None:
        await self._client.aclose()


class BlockingHttp:
    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def build(self, method: str, url: str, **parts: Any) -> httpx.Request:
        return self._client.build_request(method, url, **parts)

    async def send(self, request: httpx.Request) -> httpx.Response:
        return self._client.send(request, stream=True)

    async def read(self, answer: httpx.Response) -> bytes:
        return answer.read()

    async def chunks(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        for chunk in answer.iter_bytes():
            yield chunk

    async def close(self, answer: httpx.Response) -> None:
        answer.close()

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def shut(self) -> None:
        self._client.close()


def finish(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine over `BlockingHttp` returns."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise AssertionError("a blocking call suspended")


def each(items: AsyncIterator[T]) -> Iterator[T]:
    """What an asynchronous generator over `BlockingHttp` yields; it is closed when this is."""
    try:
        while True:
            try:
                item = finish(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        finish(items.aclose())  # type: ignore[attr-defined]  # all of ours are generators


async def _next(items: AsyncIterator[T]) -> T:
    return await items.__anext__()
