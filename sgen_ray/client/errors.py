"""What calls raise, each one line that says what happened.

APIError                  any of these: message, code, param, status, request_id
├── BadRequest            400, 413, 415, 422: the request cannot be met as it is; `param` names the field
├── Unauthorized          401: the key is missing, unknown or revoked
├── Forbidden             403: the key does not allow this
├── NotFound              404: there is no such video, or none of yours
├── Conflict              409: the video's state does not allow this
├── RateLimited           429: ask again after `retry_after` seconds
├── ServerError           5xx, or an answer that is not one of this service
├── Unreachable           no answer: refused, cut off or timed out
└── VideoFailed           wait and create_and_wait: the film failed or was cancelled; it is `video`

Whatever may go away by itself (RateLimited, Unreachable, 502, 503, 504) has been tried again before it is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .schema import ErrorAnswer

if TYPE_CHECKING:
    from .schema import Video


class APIError(Exception):
    """Attributes: code, param as in OpenAI's error object; status of HTTP; request_id to find it in the server's log;
    attempts: how often it was tried, this one included."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.param, self.status, self.request_id = message, code, param, status, request_id
        self.attempts = 1


class BadRequest(APIError):
    """The request cannot be met as it is."""


class Unauthorized(APIError):
    """The key is missing, unknown or revoked."""


class Forbidden(APIError):
    """The key does not allow this."""


class NotFound(APIError):
    """There is no such thing, or none of yours."""


class Conflict(APIError):
    """The video's state does not allow this."""


class RateLimited(APIError):
    """Too much at once. `retry_after`: seconds, where the server says it."""

    retry_after: float | None = None


class ServerError(APIError):
    """The server failed, or what answers is not this service. `retry_after`: as for RateLimited."""

    retry_after: float | None = None


class Unreachable(APIError):
    """No answer."""


class VideoFailed(APIError):
    """The film failed or was cancelled."""

    def __init__(self, video: Video) -> None:
        error = video.error
        super().__init__(f"{video.id} failed: {error.message if error else 'no reason given'}",
                         code=error.code if error else None)  # fmt: skip
        self.video = video


_BY_STATUS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 429: RateLimited}


def error_of(status: int, headers: Mapping[str, str], body: bytes, retry_after: float | None) -> APIError:
    """The error that an answer of 400 or more is; also of one that a proxy made, which knows nothing of our format."""
    try:
        told = ErrorAnswer.model_validate_json(body).error
        message, code, param = told.message, told.code, told.param
    except ValidationError:
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        message, code, param = f"status {status}" + (f": {text}" if text else ""), None, None
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else BadRequest)
    error = kind(message, code=code, param=param, status=status, request_id=headers.get("x-request-id"))
    if isinstance(error, RateLimited | ServerError):
        error.retry_after = retry_after
    return error
