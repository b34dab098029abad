"""One request to the service: sent, tried again where that helps, answered with a model of the schema or an error."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from .errors import APIError, ServerError, Unreachable, error_of
from .http import Http
from .retries import Retries, seconds_of

_log = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)


class CutOff(Unreachable):
    """The connection was lost after the answer had begun."""


class Calls:
    def __init__(self, http: Http, base_url: str, headers: Mapping[str, str], retries: Retries) -> None:
        self.http, self.base_url, self.retries = http, base_url, retries
        self._headers = dict(headers)

    async def ask(
        self,
        kind: type[M],
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> M:
        """The answer.

        Raises:
            APIError
        """
        content = None if body is None else body.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        failed = 0
        while True:
            try:
                answer = await self._open(method, path, params=params, headers=headers, json=content)
                try:
                    return self._understood(kind, answer, await self._read(answer))
                finally:
                    await self.http.close(answer)
            except APIError as error:
                failed += 1
                await self.pause(failed, error)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> AsyncIterator[httpx.Response]:
        """An answer whose body is yet to be read; beginning it is tried again like any call, its body is not.

        fine: statuses above 399 that are no error here.
        """
        answer, failed = None, 0
        while answer is None:
            try:
                answer = await self._open("GET", path, fine, params=params, headers=headers)
            except APIError as error:
                failed += 1
                await self.pause(failed, error)
        try:
            yield answer
        finally:
            await self.http.close(answer)

    async def chunks(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises CutOff."""
        try:
            async for chunk in self.http.chunks(answer):
                yield chunk
        except httpx.RequestError as error:
            raise CutOff(f"the connection to {self.base_url} was cut off ({_cause(error)})") from error

    async def pause(self, failed: int, error: APIError) -> None:
        """Waits as the policy says, or raises the error."""
        error.attempts = failed
        pause = self.retries.pause(failed, error)
        if pause is None:
            raise error
        _log.warning("%s; trying again in %.1f s", error.message, pause)
        await self.http.sleep(pause)

    async def _open(
        self,
        method: str,
        path: str,
        fine: tuple[int, ...] = (),
        *,
        headers: Mapping[str, str] | None,
        **parts: Any,
    ) -> httpx.Response:
        """An answer that is no error, its body unread; the caller closes it."""
        request = self.http.build(method, self.base_url + path, headers={**self._headers, **(headers or {})}, **parts)
        try:
            answer = await self.http.send(request)
        except httpx.RequestError as error:
            raise Unreachable(
                f"no answer from {self.base_url} ({_cause(error)}); is the service running there?"
            ) from error
        if answer.status_code < 300 or answer.status_code in fine:
            return answer
        try:
            raise await self._problem(answer)
        finally:
            await self.http.close(answer)

    async def _problem(self, answer: httpx.Response) -> APIError:
        if answer.status_code < 400:  # the key goes nowhere that it was not meant for
            place = answer.headers.get("location")
            return ServerError(f"{self.base_url} sends elsewhere, to {place}; give that address",
                               status=answer.status_code)  # fmt: skip
        wait = seconds_of(answer.headers.get("retry-after"))
        return error_of(answer.status_code, answer.headers, await self._read(answer), wait)

    async def _read(self, answer: httpx.Response) -> bytes:
        try:
            return await self.http.read(answer)
        except httpx.RequestError as error:
            raise Unreachable(f"the connection to {self.base_url} was cut off ({_cause(error)})") from error

    def _understood(self, kind: type[M], answer: httpx.Response, data: bytes) -> M:
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ServerError(
                f"{self.base_url} answers something that is no {kind.__name__} ({place or 'body'}: {first['msg']}); "
                "is this the service's address?",
                status=answer.status_code,
                request_id=answer.headers.get("x-request-id"),
            ) from error


def _cause(error: httpx.RequestError) -> str:
    return str(error) or type(error).__name__
