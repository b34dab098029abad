"""The page at /: HTML, CSS and JavaScript of our own, as they lie in the folder `page`; no build, no other host.

Everything but index.html is addressed by the hash of all of it, so browsers keep it for ever, and modules that import
each other by relative names always get those of one version. All addresses are relative: any prefix will do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from sgen_ray.serving.problems import Problem

FOLDER = Path(__file__).with_suffix("")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self' blob:",  # a film that is still being made is played from memory
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # text from anywhere is only ever set as text
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Pages:
    """The files by name, read once, and the hash of them all."""

    version: str
    files: Mapping[str, bytes]


@lru_cache
def pages(folder: Path = FOLDER) -> Pages:
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in TYPES}
    digest = hashlib.sha256()
    for name, data in files.items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    version = digest.hexdigest()[:16]
    files["index.html"] = files["index.html"].replace(b'"page/', f'"page/{version}/'.encode())
    return Pages(version, files)


@router.api_route("/", methods=["GET", "HEAD"])
def index(request: Request) -> Response:
    return _answer(request, "index.html", "no-cache")


@router.api_route("/page/{version}/{name}", methods=["GET", "HEAD"])
def asset(version: str, name: str, request: Request) -> Response:
    """Of another version, during an upgrade: what there is, not to be kept."""
    if name == "index.html" or name not in pages().files:
        raise Problem(404, f"the page has no file {name[:40]!r}", code="not_found")
    return _answer(request, name, "public, max-age=31536000, immutable" if version == pages().version else "no-store")


def _answer(request: Request, name: str, caching: str) -> Response:
    data = pages().files[name]
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    headers = _HEADERS | {"Cache-Control": caching, "ETag": tag}
    asked = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if tag in asked:
        return Response(status_code=304, headers=headers)
    kind = TYPES[Path(name).suffix]
    return Response(data, media_type=kind, headers=headers)
