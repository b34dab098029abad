"""Links to a video's media that work without a key for a while: <video>, <img> and EventSource cannot send one.

A signature is for one video, one time, and the media in `access.MEDIA`, which can only be looked at. All of these share
it, so that a playlist passes it on to its segments as it came.
"""

from __future__ import annotations

import time
from urllib.parse import quote, urlencode

from fastapi import APIRouter

from sgen_ray.client.tenancy import SignVideo, VideoLinks
from sgen_ray.serving.service import By, In
from sgen_ray.serving.tokens import Signed

router = APIRouter(prefix="/v1/videos", tags=["videos"])

_PLACES = {
    "content": "content",
    "thumbnail": "content?variant=thumbnail",
    "spritesheet": "content?variant=spritesheet",
    "plan": "plan",
    "timeline": "timeline",
    "report": "report",
    "hls": "hls/film.m3u8",
    "events": "events",
}


@router.post("/{video_id}/sign")
def sign(video_id: str, service: In, caller: By, body: SignVideo | None = None) -> VideoLinks:
    """Links that need no key, for a while."""
    job = service.jobs.get(video_id, tenant=caller.tenant)
    expires = int(time.time()) + (body or SignVideo()).seconds
    signature = service.access.tokens.sign(job.id, Signed(caller.tenant, caller.key), expires)
    query = urlencode({"expires": expires, "signature": signature})
    return VideoLinks(
        id=job.id,
        expires_at=expires,
        query=query,
        urls={
            name: f"/v1/videos/{quote(job.id, safe='')}/{place}{'&' if '?' in place else '?'}{query}"
            for name, place in _PLACES.items()
        },
    )
