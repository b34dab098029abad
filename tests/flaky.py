"""An application around another that answers as badly as networks and busy servers do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Refuse:
    """An answer without asking the application."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Cut:
    """The application answers, but of the body so many bytes arrive, and the connection is gone."""

    after: int


class _Gone(Exception):
    pass


class Flaky:
    """`faults` belong to the next requests to paths that end so, in order; each is used once. `seen` are all requests:
    method, path and headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.faults: list[tuple[str, Refuse | Cut]] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    def next(self, path: str, *faults: Refuse | Cut) -> None:
        self.faults += [(path, fault) for fault in faults]

    def headers(self, path: str) -> list[dict[str, str]]:
        return [headers for _, seen, headers in self.seen if seen.endswith(path)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"]
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        self.seen.append((scope["method"], path, headers))
        mine = next((found for found in self.faults if path.endswith(found[0])), None)
        if mine is None:
            return await self.app(scope, receive, send)
        self.faults.remove(mine)
        match mine[1]:
            case Refuse(status, told, body):
                pairs = [(name.encode(), value.encode()) for name, value in told.items()]
                await send({"type": "http.response.start", "status": status, "headers": pairs})
                await send({"type": "http.response.body", "body": body})
            case Cut(after):
                await self._cut(scope, receive, send, after)

    async def _cut(self, scope: Scope, receive: Receive, send: Send, left: int) -> None:
        gone = False

        async def some(message: Message) -> None:
            nonlocal left, gone
            if gone:
                raise _Gone
            if message["type"] == "http.response.start":
                await send(message)
                return
            body = message.get("body", b"")[:left]
            left -= len(body)
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if left == 0:
                gone = True
                raise _Gone

        try:
            await self.app(scope, receive, some)
        except Exception:
            if not gone:
                raise
