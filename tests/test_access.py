"""Who gets in: keys, sessions, signed links, browsers of others; and that nobody sees what is another's."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sgen_ray.jobs.tenants import key_hash
from sgen_ray.serving import access as access_module
from sgen_ray.serving import app as app_module
from sgen_ray.serving import signed, videos
from sgen_ray.serving.access import COOKIES, MEDIA, Access
from sgen_ray.serving.app import build_app
from sgen_ray.serving.guard import is_cross_site, is_strange
from sgen_ray.serving.service import By, In, Service
from sgen_ray.serving.settings import Settings
from sgen_ray.serving.tokens import SESSION, Signed, Tokens
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 4),), 480, 240, 8)
SECRET = "a secret of at least 32 letters, for tests"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=str(tmp_path), database=None, keys="required")


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return build_app(settings)


@pytest.fixture
def service(app: FastAPI) -> Service:
    service: Service = app.state.service
    return service


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_key_is_wanted_and_shows_its_tenants_videos_only(client: TestClient, service: Service) -> None:
    (_, a), (_, b) = service.jobs.create_key("a"), service.jobs.create_key("b")
    job = service.jobs.submit(REQUEST, tenant="a")
    assert client.get(f"/v1/videos/{job.id}", headers=bearer(a)).json()["id"] == job.id
    assert client.get(f"/v1/videos/{job.id}", headers=bearer(b)).status_code == 404
    assert client.get("/v1/videos", headers=bearer(b)).json()["data"] == []
    assert len(client.get("/v1/videos", headers=bearer(a)).json()["data"]) == 1
    assert client.get("/v1/videos", headers={"Authorization": f"bearer  {a} "}).status_code == 200


FORGED = [
    None,
    "",
    "Bearer",
    "Bearer sk-",
    "Bearer sk-" + "x" * 43,
    "Bearer " + "x" * 100_000,
    "Bearer sk-' OR 1=1 --",
    "Basic c2VjcmV0OnNlY3JldA==",
    "Token {token}",
    "{token}",
    "Bearer {token}x",
    "Bearer {token} {token}",
    "Bearer {hash}",
    "Bearer {id}",
]


@pytest.mark.parametrize("header", FORGED)
def test_forged_keys(client: TestClient, service: Service, header: str | None) -> None:
    key, token = service.jobs.create_key("a")
    facts = {"token": token, "hash": hashlib.sha256(token.encode()).hexdigest(), "id": key.id}
    headers = {} if header is None else {"Authorization": header.format(**facts)}
    answer = client.get("/v1/videos", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="sgen-ray"'
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("authentication_error", "invalid_api_key", None)
    assert token not in answer.text


def test_a_revoked_key_ends_within_seconds_and_a_used_one_costs_no_query(settings: Settings) -> None:
    now = 0.0
    service = Service(settings)
    access = Access(settings, service.jobs, clock=lambda: now)
    key, token = service.jobs.create_key("a")
    assert access.key(token) is not None
    service.jobs.revoke_key(key.id)
    assert access.key(token) is not None
    now += access_module.FRESH
    assert access.key(token) is None
    assert set(access._known) == {key_hash(token)}


def test_what_is_known_of_keys_is_bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "_MOST", 3)
    access = Access(settings, Service(settings).jobs)
    for number in range(9):
        assert access.key("sk-" + f"{number}" * 43) is None
    assert len(access._known) == 3


@pytest.mark.parametrize(
    ("host", "keys", "wanted"),
    [
        ("127.0.0.1", "auto", False),
        ("127.8.8.8", "auto", False),
        ("::1", "auto", False),
        ("localhost", "auto", False),
        ("0.0.0.0", "auto", True),
        ("::", "auto", True),
        ("10.0.0.1", "auto", True),
        ("films.example", "auto", True),
        ("localhost.films.example", "auto", True),
        ("127.0.0.1", "required", True),
        ("127.0.0.1", "off", False),
        ("0.0.0.0", "off", None),
    ],
)
def test_when_keys_are_wanted(host: str, keys: Any, wanted: bool | None) -> None:
    if wanted is None:
        with pytest.raises(ValidationError, match=r"anybody who reaches 0\.0\.0\.0 .* leave keys on"):
            Settings(host=host, keys=keys)
        assert not Settings(host=host, keys=keys, insecure=True).keys_wanted
    else:
        assert Settings(host=host, keys=keys).keys_wanted is wanted


def test_a_secret_is_not_shown_nor_short() -> None:
    assert SECRET not in repr(Settings(secret=SECRET))
    with pytest.raises(ValidationError):
        Settings(secret="short")


def test_without_keys_everything_works_without_login(tmp_path: Path) -> None:
    app = build_app(Settings(store=str(tmp_path)))
    with TestClient(app, base_url="http://localhost:8000") as client:
        job = app.state.service.jobs.submit(REQUEST)
        assert client.get("/v1/session").json() == {
            "object": "session", "tenant": "local", "login": False, "key": None
        }  # fmt: skip
        assert client.get("/v1/videos").json()["data"][0]["id"] == job.id
        assert client.post(f"/v1/videos/{job.id}/sign").status_code == 200
        assert client.post("/login", json={"key": "sk-"}).cookies == {}


def logged_in(client: TestClient, token: str, **options: Any) -> Any:
    return client.post("/login", json={"key": token}, headers={"Origin": str(client.base_url)}, **options)


def test_the_page_logs_in_with_a_cookie(client: TestClient, service: Service) -> None:
    key, token = service.jobs.create_key("a", "of Ada")
    assert client.get("/v1/session").status_code == 401
    answer = logged_in(client, token)
    assert answer.json() == client.get("/v1/session").json()
    assert answer.json()["key"] == {"id": key.id, "name": "of Ada", "prefix": key.prefix}
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("sgen=") and "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert token not in cookie and "Secure" not in cookie
    assert client.get("/v1/videos").status_code == 200
    assert client.post("/logout", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 204
    assert client.get("/v1/videos").status_code == 401


def test_by_https_the_cookie_is_this_hosts_alone(app: FastAPI, service: Service) -> None:
    _, token = service.jobs.create_key("a")
    with TestClient(app, base_url="https://films.example") as client:
        cookie = logged_in(client, token).headers["set-cookie"]
        assert cookie.startswith("__Host-sgen=") and "Secure" in cookie and "Domain" not in cookie
        assert client.get("/v1/session").json()["tenant"] == "a"
    with TestClient(app, base_url="http://films.example") as client:  # TLS ended before the service
        answer = client.post("/login", json={"key": token}, headers={"Origin": "https://films.example"})
        assert answer.headers["set-cookie"].startswith("__Host-sgen=")


def test_a_form_logs_in_too(client: TestClient, service: Service) -> None:
    _, token = service.jobs.create_key("a")
    answer = client.post("/login", data={"key": token}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/v1/session").json()["tenant"] == "a"


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"json": {"key": "sk-" + "x" * 43}}, 401),
        ({"json": {"key": ""}}, 401),
        ({"data": {"key": "sk-"}}, 401),
        ({"data": {}}, 400),
        ({"json": {"key": None}}, 400),
        ({"json": ["key"]}, 400),
        ({"content": b"\xff\xfe{"}, 400),
        ({"content": b"x" * 5000}, 413),
    ],
)
def test_logins_that_are_none(client: TestClient, how: dict[str, Any], status: int) -> None:
    answer = client.post("/login", **how)
    assert (answer.status_code, answer.cookies) == (status, {})
    assert answer.json()["error"]["message"]


def test_a_session_ends_with_its_key_and_in_time(client: TestClient, service: Service) -> None:
    key, _ = service.jobs.create_key("a")
    tokens = service.access.tokens
    client.cookies.set("sgen", tokens.session(key.id))
    assert client.get("/v1/videos").status_code == 200
    service.access._known.clear()
    service.jobs.revoke_key(key.id)
    assert client.get("/v1/videos").status_code == 401
    assert 3600 < SESSION < 30 * 24 * 3600


@pytest.mark.parametrize("cookie", ["", "x", "{id}", "{token}", "{other}", "{signature}"])
def test_forged_sessions(client: TestClient, service: Service, cookie: str) -> None:
    key, token = service.jobs.create_key("a")
    facts = {
        "id": key.id,
        "token": token,
        "other": Tokens("another secret").session(key.id),
        "signature": service.access.tokens.sign(key.id, Signed("a", key.id), 10**10),
    }
    client.cookies.set("sgen", cookie.format(**facts))
    assert client.get("/v1/videos").status_code == 401


def test_replicas_believe_each_other(settings: Settings) -> None:
    one, other = Service(settings), Service(settings)
    key, _ = one.jobs.create_key("a")
    assert other.access.tokens.read_session(one.access.tokens.session(key.id)) == key.id
    given = Service(settings.model_copy(update={"secret": SECRET}))
    assert given.access.tokens.read_session(one.access.tokens.session(key.id)) is None
    assert given.access.tokens.read_session(Tokens(SECRET).session(key.id)) == key.id


HERE = "127.0.0.1:8000"


@pytest.mark.parametrize(
    ("headers", "crossed"),
    [
        ({}, False),
        ({"host": HERE, "origin": f"http://{HERE}"}, False),
        ({"host": HERE, "origin": "http://evil.example"}, True),
        ({"host": HERE, "origin": "http://127.0.0.1:9000"}, True),
        ({"host": HERE, "origin": "null"}, True),
        ({"host": HERE, "origin": f"http://{HERE}@evil.example"}, True),
        ({"host": HERE, "sec-fetch-site": "same-origin"}, False),
        ({"host": HERE, "sec-fetch-site": "same-site", "origin": f"http://{HERE}"}, True),
        ({"host": HERE, "sec-fetch-site": "cross-site", "origin": f"http://{HERE}"}, True),
    ],
)
def test_what_another_sites_page_sent(headers: dict[str, str], crossed: bool) -> None:
    assert is_cross_site(headers) is crossed


@pytest.mark.parametrize("keys", ["required", "off"])
def test_other_sites_pages_change_nothing(settings: Settings, keys: str) -> None:
    app = build_app(settings.model_copy(update={"keys": keys}))
    key, token = app.state.service.jobs.create_key("local")
    body = {"prompt": "an astronaut walking on mars", "seconds": 4}
    with TestClient(app, base_url=f"http://{HERE}") as client:
        client.cookies.set("sgen", app.state.service.access.tokens.session(key.id))
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            for path in ("/v1/videos", "/login", "/logout"):
                answer = client.post(path, json=body, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site")
        assert client.post("/v1/videos", json=body).status_code == 403  # a cookie, and nobody says whence it comes
        assert client.post("/v1/videos", json=body, headers={"Origin": f"http://{HERE}"}).status_code == 200
        client.cookies.clear()
        answer = client.post("/v1/videos", json=body, headers=bearer(token) | {"Origin": "http://evil.example"})
        assert answer.status_code == 200  # who has the key needs no browser's cookie


@pytest.mark.parametrize(
    ("host", "strange"),
    [
        ("127.0.0.1:8000", False),
        ("[::1]:8000", False),
        ("localhost", False),
        ("LOCALHOST:80", False),
        ("films.localhost:8000", False),
        ("testserver", False),
        ("192.168.0.7", False),
        ("evil.example:8000", True),
        ("127.0.0.1.evil.example", True),
        ("localhost.evil.example.", True),
        ("", False),
    ],
)
def test_names_that_lead_here_by_a_strangers_will(host: str, strange: bool) -> None:
    assert is_strange(host) is strange


def test_without_keys_a_strangers_name_does_not_lead_here(tmp_path: Path) -> None:
    for keys, status in (("off", 403), ("required", 401)):
        app = build_app(Settings(store=str(tmp_path), keys=keys))  # type: ignore[arg-type]
        with TestClient(app, base_url="http://evil.example:8000") as client:
            assert client.get("/v1/videos").status_code == status


@pytest.fixture
def media(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An app whose routes of media, and one that is none, tell only which video they would show."""
    shown = APIRouter(prefix="/v1/videos/{video_id}")
    for place in ("content", "hls/{name}", "events", "secret"):

        @shown.get(f"/{place}", name=place)
        def media(video_id: str, service: In, caller: By) -> str:
            return service.jobs.get(video_id, tenant=caller.tenant).id

    monkeypatch.setattr(app_module, "ROUTERS", (shown, signed.router, videos.router))
    return build_app(settings)


def test_a_signed_link_shows_one_videos_media_for_a_while(media: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    client, service = TestClient(media, base_url="http://127.0.0.1:8000"), media.state.service
    key, token = service.jobs.create_key("a")
    job, other = (service.jobs.submit(REQUEST, tenant="a") for _ in range(2))
    links = client.post(f"/v1/videos/{job.id}/sign", json={"seconds": 60}, headers=bearer(token)).json()
    query, here = links["query"], f"/v1/videos/{job.id}"
    assert abs(links["expires_at"] - time.time() - 60) < 30 and set(links["urls"]) >= {"content", "hls", "events"}
    for url in (links["urls"]["content"], links["urls"]["thumbnail"], links["urls"]["hls"], links["urls"]["events"]):
        assert client.get(url).json() == job.id
    assert client.get(f"{here}/hls/7.m4s?{query}").json() == job.id
    refused = [
        f"{here}?{query}",
        f"{here}/secret?{query}",
        f"/v1/videos/{other.id}/content?{query}",
        f"{here}/content?{query.replace('expires=', 'expires=1')}",
        f"{here}/content?{query.replace('expires=', 'expires=-')}",
        f"{here}/content?{query.split('&')[1]}",
        f"{here}/content?{query.split('&')[0]}&signature=",
        f"{here}/content?{query[:-1]}",
        f"{here}/content?expires={10**11}&{query.split('&')[1]}",
        f"{here}/content?expires=%D9%A1{10**10}&{query.split('&')[1]}",
    ]
    for url in refused:
        assert client.get(url).status_code == 401, url
    assert client.post(f"{here}/sign?{query}").status_code == 401
    monkeypatch.setattr(time, "time", lambda: links["expires_at"] + 0.5)
    assert client.get(links["urls"]["content"]).status_code == 401
    monkeypatch.undo()
    service.jobs.revoke_key(key.id)
    service.access._known.clear()
    assert client.get(links["urls"]["content"]).status_code == 401


TOKENS = Tokens(SECRET)


@given(st.text(), st.text())
def test_no_text_is_a_signature(expires: str, signature: str) -> None:
    assert TOKENS.verify("job_1", expires, signature, 0) is None


def test_every_answer_has_the_headers(client: TestClient, service: Service) -> None:
    _, token = service.jobs.create_key("a")
    for path, headers in (("/v1/videos", {}), ("/v1/videos", bearer(token)), ("/nowhere", {}), ("/v1/videos/x", {})):
        answer = client.get(path, headers=headers)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/v1/videos", headers=bearer(token)).headers["cache-control"] == "private, no-cache"


def test_pages_of_other_origins_may_use_keys_where_they_are_named(settings: Settings) -> None:
    app = build_app(settings.model_copy(update={"cors": ("https://films.example",)}))
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
    with TestClient(app, base_url=f"http://{HERE}") as client:
        good = client.options("/v1/videos", headers={"Origin": "https://films.example", **asks})
        assert good.headers["access-control-allow-origin"] == "https://films.example"
        assert "access-control-allow-credentials" not in good.headers
        bad = client.options("/v1/videos", headers={"Origin": "https://evil.example", **asks})
        assert "access-control-allow-origin" not in bad.headers


def test_a_quota_is_429_in_openais_format(client: TestClient, service: Service) -> None:
    _, token = service.jobs.create_key("a")
    service.jobs.set_tenant("a", concurrent=1)
    body = {"prompt": "an astronaut walking on mars", "seconds": 4}
    assert client.post("/v1/videos", json=body, headers=bearer(token)).status_code == 200
    answer = client.post("/v1/videos", json=body, headers=bearer(token))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "concurrent_quota_exceeded")


# Every route with an id in its path, also those that are yet to come.

OPEN = {"/login", "/logout", "/healthz", "/readyz", "/openapi.json", "/docs", "/docs.css"}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    paths = app.openapi()["paths"]
    return sorted((method.upper(), path) for path, methods in paths.items() for method in methods)


def body_of(app: FastAPI, method: str, path: str, job: str) -> dict[str, Any]:
    """A request that is right but for whose video it names."""
    return (
        {"json": BODIES.get(path, {}) | ({"video": {"id": job}} if "{" not in path else {})} if method == "POST" else {}
    )


BODIES: dict[str, dict[str, Any]] = {
    "/v1/videos/{video_id}/remix": {"prompt": "an astronaut walking on mars"},
    "/v1/videos/edits": {"prompt": "an astronaut walking on mars"},
    "/v1/videos/extensions": {"prompt": "an astronaut walking on mars", "seconds": 4},
    "/v1/webhook_endpoints/{endpoint_id}/test": {"event_type": "video.completed"},
}


def test_no_route_of_the_api_is_open(client: TestClient, app: FastAPI, service: Service) -> None:
    job = service.jobs.submit(REQUEST, tenant="a")
    for method, path in routes(app):
        if not path.startswith("/v1/"):
            assert path in OPEN or path == "/" or "{" not in path, f"{path} shows what, and to whom?"
            continue
        url = path.format(**{name: job.id for name in _names(path)})
        answer = client.request(method, url, **body_of(app, method, path, job.id))
        assert answer.status_code == 401, (method, path)


def test_no_route_shows_or_changes_what_is_anothers(client: TestClient, app: FastAPI, service: Service) -> None:
    jobs = service.jobs
    _, token = jobs.create_key("b")
    job = jobs.submit(REQUEST, tenant="a")
    walked = 0
    for method, path in routes(app):
        if not path.startswith("/v1/") or not ({"video_id", "endpoint_id"} & set(_names(path)) or path in BODIES):
            continue
        walked += 1
        answers = []
        for video in (job.id, "job_" + "0" * 20):
            names = {name: "1" for name in _names(path)} | {"video_id": video}
            body = body_of(app, method, path, video)
            answer = client.request(method, path.format(**names), headers=bearer(token), **body)
            answers.append((answer.status_code, answer.text.replace(video, "?")))
        status, text = answers[0]
        assert status == 404, (method, path, text)
        assert answers[0] == answers[1], "what is another's must look as if it were not there"
        assert jobs.get(job.id) == job
    assert walked >= 2
    assert jobs.list(tenant="b").jobs == ()


def _names(path: str) -> list[str]:
    return [part.split("}")[0].split(":")[0] for part in path.split("{")[1:]]


def test_media_are_what_can_only_be_looked_at(app: FastAPI) -> None:
    for method, path in routes(app):
        place = path.partition("/v1/videos/{video_id}/")[2].split("/")[0]
        assert place not in MEDIA or method in ("GET", "HEAD")


def test_names_of_cookies() -> None:
    assert COOKIES == ("__Host-sgen", "sgen")
