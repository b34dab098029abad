"""/v1/webhook_endpoints: where a tenant wants to hear how films end. As OpenAI's clients have it."""

from __future__ import annotations

import secrets

from fastapi import APIRouter

from sgen_ray.client import tenancy as wire
from sgen_ray.jobs.records import new_id, utc_now
from sgen_ray.jobs.webhooks import Delivery, Endpoint
from sgen_ray.serving.addresses import Refused, check_url
from sgen_ray.serving.deliver import Answer, send
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import By, In

router = APIRouter(prefix="/v1/webhook_endpoints", tags=["webhooks"])


@router.post("")
def create(body: wire.CreateWebhookEndpoint, service: In, caller: By) -> wire.WebhookEndpointWithSecret:
    """The answer has the secret that signs what is sent; it is not told again."""
    try:
        check_url(body.url, private=service.settings.webhooks_private)
    except Refused as refused:
        raise Problem(400, str(refused), param="url", code="invalid_value") from refused
    made = service.jobs.add_endpoint(caller.tenant, body.url, body.event_types, body.name)
    return wire.WebhookEndpointWithSecret(**endpoint_of(made).model_dump(), signing_secret=made.secret)


@router.get("")
def listed(service: In, caller: By) -> wire.WebhookEndpointList:
    data = [endpoint_of(endpoint) for endpoint in service.jobs.endpoints(caller.tenant)]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return wire.WebhookEndpointList(data=data, first_id=ends[0], last_id=ends[1])


@router.get("/{endpoint_id}")
def retrieve(endpoint_id: str, service: In, caller: By) -> wire.WebhookEndpoint:
    """With its newest deliveries: what was answered, and when it is tried again."""
    found = service.jobs.endpoint(endpoint_id, tenant=caller.tenant)
    return endpoint_of(found, service.jobs.deliveries(found.id))


@router.delete("/{endpoint_id}")
def delete(endpoint_id: str, service: In, caller: By) -> wire.WebhookEndpointDeleted:
    service.jobs.remove_endpoint(endpoint_id, tenant=caller.tenant)
    return wire.WebhookEndpointDeleted(id=endpoint_id)


@router.post("/{endpoint_id}/test")
def test(
    endpoint_id: str, service: In, caller: By, body: wire.TestWebhookEndpoint | None = None
) -> wire.WebhookEndpointTested:
    """Sends an event of a video that does not exist, and tells what was answered."""
    found = service.jobs.endpoint(endpoint_id, tenant=caller.tenant)
    event = (body or wire.TestWebhookEndpoint()).event_type
    answer = try_out(found, event, private=service.settings.webhooks_private)
    if answer.status is None:
        raise Problem(400, f"the webhook was not reached: {answer.text}", code="not_reached")
    return wire.WebhookEndpointTested(webhook_endpoint_id=found.id, event_type=event, status_code=answer.status)


def try_out(endpoint: Endpoint, event: str, *, private: bool) -> Answer:
    now = utc_now()
    return send(endpoint, new_id(now, "evt"), event, f"job_test_{secrets.token_hex(4)}", now, private=private)


def endpoint_of(endpoint: Endpoint, newest: tuple[Delivery, ...] = ()) -> wire.WebhookEndpoint:
    return wire.WebhookEndpoint(
        id=endpoint.id,
        created_at=int(endpoint.created.timestamp()),
        event_types=list(endpoint.events),
        name=endpoint.name,
        url=endpoint.url,
        deliveries=[_delivery(delivery) for delivery in newest],
    )


def _delivery(delivery: Delivery) -> wire.WebhookDelivery:
    waits = delivery.due is not None
    return wire.WebhookDelivery(
        id=delivery.id,
        event_type=delivery.event,
        video_id=delivery.job,
        created_at=int(delivery.created.timestamp()),
        attempts=delivery.attempts,
        status="waiting" if waits else "delivered" if delivery.delivered else "given_up",
        next_at=int(delivery.due.timestamp()) if delivery.due is not None else None,
        answer=delivery.answer,
    )
