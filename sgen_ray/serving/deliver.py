"""Delivers what `jobs.announce` wrote down: signed by Standard Webhooks, with OpenAI's payload, until it is taken.

Any number of processes may run `deliver_due`; each delivery is tried by one at a time. It is given up after a day.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from standardwebhooks import Webhook

from sgen_ray import __version__
from sgen_ray.errors import DatabaseError
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import utc_now
from sgen_ray.jobs.webhooks import Delivery, Endpoint
from sgen_ray.serving.addresses import Refused, check_url, resolve
from sgen_ray.telemetry.metrics import WEBHOOKS

LONGEST = 20.0
"""Seconds for one try, in all."""

GIVEN_UP = timedelta(hours=24)
_FIRST, _SLOWEST, _JITTER = 5.0, 7200.0, 0.2
_POLL = 1.0
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_BELONGS = timedelta(seconds=60)  # three times the longest, so that nobody else tries what is still being tried

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """`status`: of the endpoint's answer; None: it gave none. `text`: for people."""

    status: int | None
    text: str

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """It will not want it later either."""
        return self.status == 410


def deliver_due(jobs: Jobs, *, private: bool = False, clock: Callable[[], datetime] = utc_now) -> int:
    """Tries what is due, all at once, and says how it went; how many. Call it every second or so, in any replica.

    private: addresses that are not public are allowed, and http.
    """
    batch = jobs.take_deliveries(_BELONGS)
    if not batch:
        return 0

    async def all_of_them() -> list[Answer]:
        return await asyncio.gather(*(_deliver(delivery, endpoint, private) for delivery, endpoint in batch))

    for (delivery, _), answer in zip(batch, asyncio.run(all_of_them()), strict=True):
        if answer.taken:
            jobs.delivered(delivery, answer.text)
            WEBHOOKS.count(outcome="delivered")
        else:
            again = None if answer.gone else next_try(delivery, clock())
            jobs.not_delivered(delivery, answer.text, again)
            WEBHOOKS.count(outcome="given_up" if again is None else "failed")
    return len(batch)


def keep_delivering(jobs: Jobs, stop: threading.Event, *, private: bool = False) -> None:
    """For a thread: delivers until it is told to stop. A database that does not answer is asked again."""
    while not stop.wait(_POLL):
        try:
            deliver_due(jobs, private=private)
        except DatabaseError as error:
            _log.warning("webhooks wait: %s", error)


def next_try(delivery: Delivery, now: datetime) -> datetime | None:
    """After 5 s, then twice as long each time, to two hours, give or take a fifth; None: a day has passed."""
    wait = min(_SLOWEST, _FIRST * 2 ** min(delivery.attempts - 1, 30)) * random.uniform(1 - _JITTER, 1 + _JITTER)
    again = now + timedelta(seconds=wait)
    return None if again > delivery.created + GIVEN_UP else again


def send(endpoint: Endpoint, event_id: str, event: str, video_id: str, created: datetime, *, private: bool) -> Answer:
    """Sends one event, now and once: for trying an endpoint out."""
    return asyncio.run(_send(endpoint, event_id, event, video_id, created, private))


async def _deliver(delivery: Delivery, endpoint: Endpoint, private: bool) -> Answer:
    return await _send(endpoint, delivery.id, delivery.event, delivery.job, delivery.created, private)


async def _send(
    endpoint: Endpoint, event_id: str, event: str, video_id: str, created: datetime, private: bool
) -> Answer:
    body = json.dumps(
        {
            "id": event_id,
            "object": "event",
            "type": event,
            "created_at": int(created.timestamp()),
            "data": {"id": video_id},
        }
    )
    now = utc_now()
    headers = {
        "content-type": "application/json",
        "user-agent": f"sgen-ray/{__version__}",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(endpoint.secret).sign(event_id, now, body),
    }
    try:
        async with asyncio.timeout(LONGEST):
            return await _post(endpoint.url, body.encode(), headers, private)
    except Refused as refused:
        return Answer(None, str(refused))
    except TimeoutError:
        return Answer(None, f"no answer within {LONGEST:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer(None, f"{type(error).__name__}: {error}")


async def _post(url: str, body: bytes, headers: dict[str, str], private: bool) -> Answer:
    """To an address that was checked, under the name that was given: for TLS and for the Host header."""
    named = check_url(url, private=private)
    addresses = await resolve(named, private=private)
    # No proxy of the environment, which would look the name up again; and no redirects, which lead elsewhere.
    async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, follow_redirects=False) as client:
        for last, address in enumerate(addresses, 1 - len(addresses)):
            request = client.build_request(
                "POST",
                named.copy_with(host=address),
                content=body,
                headers={**headers, "host": named.netloc.decode()},
                extensions={"sni_hostname": named.raw_host.decode()},
            )
            try:
                answer = await client.send(request, stream=True)
            except httpx.ConnectError:
                if last == 0:
                    raise
                continue
            await answer.aclose()  # what it says is not read: it could be endless
            return Answer(answer.status_code, f"HTTP {answer.status_code}")
    raise AssertionError("there was an address, or Refused")
