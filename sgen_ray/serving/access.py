"""Who asks: by an API key, by the page's session, or by a signed URL; or anybody of this machine, where no keys are
wanted. `serving.guard` sees to what browsers may do without being asked to."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from starlette.requests import Request

from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.tenants import Key, is_token, key_hash
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.settings import Settings
from sgen_ray.serving.tokens import Signed, Tokens

COOKIES = ("__Host-sgen", "sgen")
"""Of a session: by https with a prefix, with which browsers let nobody but this very host set it; else without."""

MEDIA = ("content", "hls", "events", "plan", "timeline", "report")
"""What a signed URL may be of: /v1/videos/{id}/ and one of these."""

FRESH = 5.0
"""Seconds for which the database's word on a key is taken: a poll costs no query, and a revoked key ends so soon."""

_MOST = 10_000


@dataclass(frozen=True)
class Caller:
    """Who asks: a tenant, by a key of theirs where keys are wanted."""

    tenant: str = "local"
    key: str | None = None


class Access:
    """One a process; from any thread."""

    def __init__(self, settings: Settings, jobs: Jobs, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._jobs, self._clock = settings, jobs, clock
        self._known: OrderedDict[str, tuple[float, Key | None]] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self._settings.secret or self._jobs.secret("session"))

    def caller(self, request: Request) -> Caller:
        """Raises Problem: 401, with what to do."""
        if not self._settings.keys_wanted:
            return Caller()
        named = request.headers.get("authorization")
        if named is not None:
            scheme, _, token = named.partition(" ")
            key = self.key(token.strip()) if scheme.lower() == "bearer" else None
            return Caller(key.tenant, key.id) if key is not None else refuse("the API key is not, or no longer, valid")
        signature = request.query_params.get("signature")
        if signature is not None and request.method in ("GET", "HEAD"):
            signed = self._signed(request, signature)
            return Caller(signed.tenant, signed.key) if signed is not None else refuse("the link is not valid any more")
        key = self.session(request)
        return Caller(key.tenant, key.id) if key is not None else refuse("this needs an API key")

    def key(self, token: str) -> Key | None:
        """Of an API key's token."""
        if not is_token(token):
            return None
        return self._fresh(key_hash(token), lambda: self._jobs.find_key(token=token))

    def holds(self, key_id: str) -> bool:
        """Whether the key is still valid: for what goes on for long after it was asked for."""
        return self._by_id(key_id) is not None

    def session(self, request: Request) -> Key | None:
        """With which somebody has logged in to the page."""
        cookie = next((request.cookies[name] for name in COOKIES if name in request.cookies), None)
        key_id = None if cookie is None else self.tokens.read_session(cookie)
        return None if key_id is None else self._by_id(key_id)

    def _signed(self, request: Request, signature: str) -> Signed | None:
        video_id = str(request.path_params.get("video_id", ""))
        place = request.scope["path"].partition(f"/{video_id}/")[2].split("/")[0]
        if not video_id or place not in MEDIA:
            return None
        expires = request.query_params.get("expires", "")
        signed = self.tokens.verify(video_id, expires, signature, time.time())
        if signed is None or signed.key is None or not self.holds(signed.key):
            return None
        return signed

    def _by_id(self, key_id: str) -> Key | None:
        return self._fresh(key_id, lambda: self._jobs.find_key(key_id=key_id))

    def _fresh(self, name: str, ask: Callable[[], Key | None]) -> Key | None:
        now = self._clock()
        with self._lock:
            found = self._known.get(name)
        if found is not None and now - found[0] < FRESH:
            return found[1]
        key = ask()
        with self._lock:
            self._known[name] = now, key
            self._known.move_to_end(name)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return key


def refuse(reason: str) -> Caller:
    raise Problem(
        401,
        f"{reason}; send `Authorization: Bearer sk-…` with a key that `sgen keys create` made, or log in to the page",
        code="invalid_api_key",
        headers={"WWW-Authenticate": 'Bearer realm="sgen-ray"'},
    )
