"""What every answer and every browser's request passes: headers that keep a page from being misused, and a refusal of
what other sites' pages make a browser send.

A browser adds cookies, or the mere fact that it is on this machine, to requests that any page may cause. So what
changes something and carries no key of its own is taken from the service's own pages only; and where no keys are
wanted, the service must be called by this machine's names, as a stranger's name can be made to lead here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sgen_ray.serving.access import COOKIES
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.settings import Settings

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self' blob:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer", with which a form of the page itself would come from the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD", "OPTIONS")


def protect(app: FastAPI, settings: Settings) -> None:
    if settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Range"],
        )
    app.add_middleware(Guard, settings=settings)


class Guard:
    """ASGI, so that streams pass as they come."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._headers = {**_HEADERS, "Cross-Origin-Resource-Policy": "cross-origin" if settings.cors else "same-origin"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/v1/"):  # a tenant's own: no cache that others use may keep it
                    headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        problem = self._refusal(scope["method"], Headers(scope=scope))
        if problem is None:
            await self._app(scope, receive, guarded)
        else:
            await problem.answer()(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> Problem | None:
        settings = self._settings
        if not settings.keys_wanted and settings.loopback and is_strange(headers.get("host", "")):
            message = "without keys the service answers to this machine's own names only; call it localhost"
            return Problem(403, message, code="wrong_host")
        if method in _SAFE or "authorization" in headers:
            return None
        marked = "sec-fetch-site" in headers or "origin" in headers
        if is_cross_site(headers) or (not marked and _has_session(headers)):
            return Problem(
                403, "this came from another site's page; use the service's own page, or an API key", code="cross_site"
            )
        return None


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page, or one of a neighbour, made it send this."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def is_strange(host: str) -> bool:
    """Whether a name can be a stranger's, who makes it lead here after his page was loaded by it. An address cannot,
    nor can a name without a dot: nobody can register one."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        name = name if host else ""
        return "." in name.rstrip(".") and not name.endswith(".localhost")
    return False


def _has_session(headers: Headers) -> bool:
    cookies = headers.get("cookie", "")
    return any(f"{name}=" in cookies for name in COOKIES)
