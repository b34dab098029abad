"""The wire of tenants: the page's session, links to media, and webhooks, which have OpenAI's format."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .schema import _Answer, _Request

WebhookEvent = Literal["video.completed", "video.failed", "video.awaiting_approval"]


class Login(_Request):
    """POST /login: an API key for a session of the page."""

    key: str = Field(examples=["sk-..."])


class SessionKey(_Answer):
    id: str
    name: str
    prefix: str


class Session(_Answer):
    """GET /v1/session: who asks. `login`: whether the service wants keys; without it everybody is the tenant local."""

    object: Literal["session"] = "session"
    tenant: str
    login: bool
    key: SessionKey | None = None


class SignVideo(_Request):
    """POST /v1/videos/{id}/sign"""

    seconds: int = Field(default=3600, ge=1, le=24 * 3600, description="How long the links last.")


class VideoLinks(_Answer):
    """Links to a video's media that need no key, for <video>, <img> and EventSource. `query` goes behind any other
    media path of this video, such as /v1/videos/{id}/hls/3.m4s."""

    object: Literal["video.links"] = "video.links"
    id: str
    expires_at: int
    query: str
    urls: dict[str, str] = Field(description="content, thumbnail, spritesheet, plan, timeline, report, hls, events")


class CreateWebhookEndpoint(_Request):
    """POST /v1/webhook_endpoints"""

    url: str = Field(max_length=2000, examples=["https://example.com/films"])
    event_types: list[WebhookEvent] = Field(min_length=1)
    name: str = Field(default="", max_length=200)


class WebhookDelivery(_Answer):
    """`status`: delivered, waiting (to be tried, or tried again) or given_up."""

    id: str
    event_type: str
    video_id: str
    created_at: int
    attempts: int
    status: Literal["waiting", "delivered", "given_up"]
    next_at: int | None = None
    answer: str | None = Field(default=None, description="To the last attempt.")


class WebhookEndpoint(_Answer):
    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    created_at: int
    event_types: list[str]
    name: str
    url: str
    deliveries: list[WebhookDelivery] = Field(default_factory=list, description="The newest.")


class WebhookEndpointWithSecret(WebhookEndpoint):
    """`signing_secret` is told this once."""

    signing_secret: str = Field(repr=False)


class WebhookEndpointList(_Answer):
    object: Literal["list"] = "list"
    data: list[WebhookEndpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


class WebhookEndpointDeleted(_Answer):
    id: str
    deleted: bool = True
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"


class TestWebhookEndpoint(_Request):
    """POST /v1/webhook_endpoints/{id}/test"""

    event_type: WebhookEvent = "video.completed"


class WebhookEndpointTested(_Answer):
    webhook_endpoint_id: str
    event_type: str
    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    success: Literal[True] = True
    status_code: int
