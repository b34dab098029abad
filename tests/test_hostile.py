"""Hostile requests to a real server, over a real socket, on both databases: none gets in, none makes it fail."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from sgen_ray.serving.app import build_app
from sgen_ray.serving.settings import Settings
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 4),), 480, 240, 8)
IDS = [
    "%00",
    "job_%00",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cjobs.db",
    "job_%0d%0aX-Injected:%201",
    "%ff%fe",
    "%ed%a0%80",
    "a" * 5000,
    "%27%20OR%20%271%27=%271",
    "%f0%9f%92%a5",
    "%25s%25n",
    "${jndi:ldap:%2f%2fevil}",
    "__proto__",
]


@dataclass
class Place:
    """A running service, a tenant's key, and somebody else's job."""

    app: FastAPI
    port: int
    token: str
    job: str
    client: httpx.Client

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}  # type: ignore[dict-item]
        return self.client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]

    def raw(self, text: str) -> bytes:
        """The answer's first line and headers."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(text.encode("latin-1"))
            answer = b""
            while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
                answer += part
        return answer.partition(b"\r\n\r\n")[0]


@pytest.fixture
def place(database: str, tmp_path: Path) -> Iterator[Place]:
    app = build_app(Settings(store=f"file://{tmp_path}", database=database, keys="required"))
    jobs = app.state.service.jobs
    _, token = jobs.create_key("b")
    job = jobs.submit(REQUEST, tenant="a").id
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = listening.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Place(app, port, token, job, client)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        jobs.close()


def test_odd_names_in_every_route(place: Place) -> None:
    for path, methods in place.app.openapi()["paths"].items():
        if "{" not in path:
            continue
        for name in IDS:
            odd = path.split("{")[0] + name + "".join(f"{part.split('}')[1]}" for part in path.split("{")[1:])
            for method in methods:
                answer = place.ask(method.upper(), odd)
                assert answer.status_code < 500, (method, odd, answer.text)
                assert answer.status_code != 200, (method, odd, answer.text)
                assert "x-injected" not in answer.headers
                assert answer.json()["error"]["message"]


def test_odd_queries(place: Place) -> None:
    for query in ("after=%00", "after=%ff", "limit=-1", "limit=x", "limit=" + "9" * 400, "after=" + "a" * 5000):
        answer = place.ask("GET", f"/v1/videos?{query}")
        assert answer.status_code < 500, (query, answer.text)


BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"prompt": "a\\u0000b", "seconds": 4}',
    b'{"prompt": "\\ud800", "seconds": 4}',
    b'{"prompt": "a", "seconds": 1e400}',
    b'{"prompt": "a", "seconds": NaN}',
    b'{"prompt": "a", "seconds": "Infinity"}',
    b'{"prompt": "a", "tenant": "a"}',
    b'{"prompt": "a", "model": "../../etc"}',
    b'{"prompt": "a", "seed": 123456789012345678901234567890}',
    b"[" * 100_000,
    b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}",
]


def test_odd_bodies(place: Place) -> None:
    for body in BODIES:
        answer = place.ask("POST", "/v1/videos", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (body[:80], answer.text)
        assert answer.status_code == 200 or answer.json()["error"]["message"]


HEADERS: list[tuple[list[str], tuple[int, ...]]] = [
    (["GET /v1/videos HTTP/1.1", "Host: x", "Authorization: Bearer {token}\r\n x"], (400, 401)),
    (
        ["GET /v1/videos HTTP/1.1", "Host: x", "Authorization: Bearer sk-x", "Authorization: Bearer {token}"],
        (400, 401),
    ),
    (["GET /v1/videos HTTP/1.1", "Host: x", "X: a\x00b", "Authorization: Bearer {token}"], (400,)),
    (["GET /v1/videos HTTP/1.1", "Host: x", "Cookie: sgen={token}"], (401,)),
    (["GET /v1/videos HTTP/1.1", "Host: x", "Cookie: " + "sgen=x; " * 4000], (400, 401, 431)),
    (["GET http://evil.example/v1/videos HTTP/1.1", "Host: evil.example"], (401, 404)),
    (["GET /v1/videos/{job}/../../videos HTTP/1.1", "Host: x"], (401, 404)),
    (["GET //v1//videos HTTP/1.1", "Host: x"], (401, 404)),
    (["TRACE /v1/videos HTTP/1.1", "Host: x"], (401, 403, 405)),
    (
        ["POST /v1/videos HTTP/1.1", "Host: x", "Content-Length: 5", "Transfer-Encoding: chunked", "", "0"],
        (400, 401),
    ),
    (["POST /v1/videos HTTP/1.1", "Host: x", "Content-Length: -1"], (400,)),
    (["GET /v1/session HTTP/1.1", "Host: x", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: localhost"], (401,)),
    (["GET /v1/videos HTTP/1.1", "Host: x", "X-Tenant: a", "X-User: a"], (401,)),
]


def test_odd_headers(place: Place) -> None:
    for lines, statuses in HEADERS:
        text = "\r\n".join(line.format(token=place.token, job=place.job) for line in lines)
        answer = place.raw(text + "\r\nConnection: close\r\n\r\n")
        assert int(answer.split()[1]) in statuses, (lines, answer)
        assert b"X-Injected" not in answer


def test_nothing_given_comes_back_as_a_header(place: Place) -> None:
    injected = "key%0d%0aX-Injected:%201"
    for method, path in (
        ("GET", f"/v1/videos?after={injected}"),
        ("GET", f"/v1/videos/{injected}?expires={injected}&signature={injected}"),
        ("POST", f"/login?next=//evil.example/{injected}"),
    ):
        answer = place.ask(method, path)
        assert "x-injected" not in answer.headers and "evil" not in answer.headers.get("location", "")
