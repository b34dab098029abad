"""Every request is counted, logged and traced; GET /metrics shows the counts.

X-Request-Id comes back in every answer: the caller's own where it is one, else a new one. It is in each log line that
the request caused, as is the trace of the caller's traceparent, or a new one; a job that it submits goes on with it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import In
from sgen_ray.telemetry import metrics, spans
from sgen_ray.telemetry.context import bind, new_trace, parse
from sgen_ray.telemetry.facts import Facts, scrape

log = logging.getLogger("sgen_ray.access")
router = APIRouter(include_in_schema=False)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PROBES = ("/healthz", "/readyz", "/metrics")
"""Asked so often that a line and a span for each would bury the others."""
_GONE = 499
"""As nginx has it: the caller left before the answer began."""


@router.get("/metrics")
def shown(request: Request, service: In) -> Response:
    token = service.settings.metrics_token
    if token is None and service.settings.keys_wanted:
        raise Problem(403, "where keys are wanted, metrics are too: set SGEN_METRICS_TOKEN", code="no_metrics_token")
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token is not None and not secrets.compare_digest(given.encode(), token.encode()):
        raise Problem(401, "metrics need the bearer token that SGEN_METRICS_TOKEN names", code="invalid_metrics_token")
    facts = Facts(lambda: service.jobs, service.settings.store)
    content, content_type = scrape(facts, request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": content_type})


class Observed:
    """The outermost of the app's middlewares: it sees what the caller sees."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = headers.get("x-request-id", "")
        if not re.fullmatch(r"[\w.-]{1,128}", request_id, re.ASCII):
            request_id = f"req_{secrets.token_hex(12)}"
        answer = _Answer(scope, send, request_id)
        span = spans.current()
        trace = parse(headers.get("traceparent")) or new_trace() if span is None else spans.place(span)
        with bind(trace, request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception:
                log.exception("unforeseen")
                if answer.status is not None:  # too late for another answer
                    raise
                problem = Problem(500, f"the service failed; its log says how, by {request_id}", code="internal")
                await problem.answer()(scope, receive, answer)
            except asyncio.CancelledError:
                answer.left = True
                raise
            finally:
                answer.over()


class _Answer:
    """The way back to the caller; counts and logs what went by."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope, self._send, self._id = scope, send, request_id.encode()
        self._began = time.perf_counter()
        self._first: float | None = None
        self.status: int | None = None
        self.left = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self._first = message["status"], time.perf_counter()
            if (span := spans.current()) is not None and (tenant := self._tenant()) is not None:
                span.set_attribute("sgen.tenant", tenant)
            message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", self._id)]}
        await self._send(message)

    def over(self) -> None:
        now, scope = time.perf_counter(), self._scope
        status = self.status or _GONE
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # A path may be anything; its route is one of few.
        route = getattr(scope.get("route"), "path", None) or "none"
        seconds = (self._first or now) - self._began
        metrics.REQUESTS.observe(seconds, method=method, route=route, status=str(status))
        if scope["path"] in PROBES:
            return
        tenant = self._tenant()
        line = {
            "method": scope["method"],
            "path": scope["path"],  # without the query, which may hold what nobody else should have
            "route": route,
            "status": status,
            "ms": round(1000 * (now - self._began), 1),
            **({} if tenant is None else {"tenant": tenant}),
            **({"left": True} if self.left else {}),
        }
        log.info("%s %s %d", scope["method"], scope["path"], status, extra=line)

    def _tenant(self) -> str | None:
        return getattr(self._scope.get("state", {}).get("caller"), "tenant", None)
