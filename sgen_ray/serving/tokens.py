"""What the service signs, to believe it when it comes back: the page's session, and URLs of one video's media."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

SESSION = 7 * 24 * 3600
"""Seconds that a login lasts."""

_HOW: dict[str, Any] = {"key_derivation": "hmac", "digest_method": sha256}


@dataclass(frozen=True)
class Signed:
    """Who let others look at a video: they see it as long as that key is not revoked (None: there are no keys)."""

    tenant: str
    key: str | None


class Tokens:
    """The same secret in all replicas; what each token is for is part of its key, so that none passes for another."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._sessions = URLSafeTimedSerializer(secret, salt="sgen-ray session", signer_kwargs=_HOW)

    def session(self, key_id: str) -> str:
        return self._sessions.dumps(key_id)

    def read_session(self, text: str) -> str | None:
        """The key's id; None: forged, or too old."""
        try:
            found = self._sessions.loads(text, max_age=SESSION)
        except BadData:
            return None
        return found if isinstance(found, str) else None

    def sign(self, video_id: str, signed: Signed, expires: int) -> str:
        """`expires` in seconds since 1970."""
        return self._media(video_id, expires).dumps([signed.tenant, signed.key])

    def verify(self, video_id: str, expires: str, signature: str, now: float) -> Signed | None:
        """None: forged, of another video or time, or too old."""
        if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12) or int(expires) <= now:
            return None
        try:
            tenant, key = self._media(video_id, int(expires)).loads(signature)
        except (BadData, ValueError, TypeError):
            return None
        return Signed(tenant, key)

    def _media(self, video_id: str, expires: int) -> URLSafeSerializer:
        return URLSafeSerializer(self._secret, salt=f"sgen-ray media\n{expires}\n{video_id}", signer_kwargs=_HOW)
