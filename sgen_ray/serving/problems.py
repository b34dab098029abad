"""Errors in OpenAI's format: {"error": {message, type, param, code}}, each with what a person can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sgen_ray.client.schema import ErrorAnswer, ErrorBody
from sgen_ray.errors import JobError, PlanError, QuotaExceeded, RequestError, SgenError, UnknownJob

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
          409: "conflict_error", 413: "invalid_request_error", 429: "rate_limit_error"}  # fmt: skip


class Problem(Exception):
    """An answer that is an error; anything may raise it while a request is served."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.headers = status, message, code, param, headers

    def answer(self) -> JSONResponse:
        body = ErrorBody(
            message=self.message, type=_TYPES.get(self.status, "server_error"), param=self.param, code=self.code
        )
        return JSONResponse(ErrorAnswer(error=body).model_dump(), self.status, self.headers)


def problem_of(error: SgenError) -> Problem:
    """What a caller is told of an error of ours."""
    match error:
        case QuotaExceeded():
            return Problem(429, str(error), code=error.code, headers={"Retry-After": str(error.retry_after)})
        case UnknownJob():
            return Problem(404, str(error), code="not_found")
        case RequestError():
            return Problem(400, str(error), code="invalid_value")
        case JobError() | PlanError():
            return Problem(409, str(error), code="conflict")
    return Problem(503, str(error), code=type(error).__name__)


def not_valid(first: Mapping[str, Any]) -> Problem:
    """Of the first thing that pydantic found wrong."""
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))[:200]
    if first["type"] == "extra_forbidden":
        return Problem(400, f"{place}: there is no such field", param=place, code="unknown_parameter")
    return Problem(400, f"{place or 'the body'}: {first['msg']}", param=place or None, code="invalid_value")


def handle_problems(app: FastAPI) -> None:
    """Every error that leaves the app has this format."""

    @app.exception_handler(Problem)
    async def _(request: Request, error: Problem) -> JSONResponse:
        return error.answer()

    @app.exception_handler(SgenError)
    async def _(request: Request, error: SgenError) -> JSONResponse:
        return problem_of(error).answer()

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> JSONResponse:
        return not_valid(error.errors()[0]).answer()

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        return Problem(error.status_code, str(error.detail), headers=dict(error.headers or {})).answer()

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> JSONResponse:
        return Problem(500, "the service failed; its log says how", code="internal").answer()
