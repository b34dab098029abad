"""A bound on what any request may send, whatever it says about its own length."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sgen_ray.serving.problems import Problem


class BodyLimit:
    """Around the app. A request that announces too much is answered without being read; one that sends more than it
    said is stopped there."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if said.isdigit() and int(said[:20]) > self._most:
            await self._problem().answer()(scope, receive, send)
            return
        got = 0

        async def bounded() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self._most:
                raise self._problem()
            return message

        await self._app(scope, bounded, send)

    def _problem(self) -> Problem:
        return Problem(
            413, f"the body is larger than {self._most / 2**20:g} MiB; send less", code="body_too_large",
            headers={"Connection": "close"},
        )  # fmt: skip
