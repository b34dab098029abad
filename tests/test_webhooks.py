"""Webhooks: what is written when jobs end, what arrives at a real receiver, and where nothing may be sent."""

import asyncio
import ipaddress
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError
from ticking import Clock

from sgen_ray.errors import JobError, UnknownJob
from sgen_ray.jobs.announce import EVENTS
from sgen_ray.jobs.host import Host
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Limits
from sgen_ray.jobs.states import JobState
from sgen_ray.jobs.webhooks import MOST, Delivery
from sgen_ray.serving import deliver
from sgen_ray.serving.addresses import Refused, check_url, is_public, resolve
from sgen_ray.serving.app import build_app
from sgen_ray.serving.deliver import GIVEN_UP, deliver_due, keep_delivering, next_try, send
from sgen_ray.serving.settings import Settings
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 10),), 480, 240, 8)
HERE = Host("here", "boot-1")
ALL = tuple(dict.fromkeys(EVENTS.values()))
SOMEWHERE = "https://films.example/hook"


@pytest.fixture
def jobs(database: str, clock: Clock) -> Iterator[Jobs]:
    limits = Limits(attempts=1)
    with Jobs(database, "s3://bucket", clock=clock, host=HERE, limits=limits) as opened:
        yield opened


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets, and answers with `status` and `headers`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], str]] = []
        self.status, self.headers = 200, {}  # type: ignore[var-annotated]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?x=1"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.got.append(({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}, body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


@contextmanager
def serving(server: Receiver) -> Iterator[Receiver]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as server:
        yield server


def at_work(jobs: Jobs, tenant: str = "a", **options: Any) -> Any:
    jobs.submit(REQUEST, tenant=tenant, **options)
    job = jobs.claim("worker")
    assert job is not None and job.lease is not None
    return job.lease


def completed(jobs: Jobs, tenant: str = "a") -> str:
    lease = at_work(jobs, tenant)
    for state in (JobState.RENDERING, JobState.STITCHING):
        jobs.advance(lease, state)
    return jobs.complete(lease, {}).id


def ends(jobs: Jobs, clock: Clock) -> dict[str, Callable[[], tuple[str, str]]]:
    """Every way by which a job comes to a state that is told: the job, and the event."""

    def failed() -> str:
        return jobs.fail(at_work(jobs), "model", "it does not load").id

    def awaiting() -> str:
        return jobs.advance(at_work(jobs, approve=True), JobState.AWAITING_APPROVAL, plan="p").id

    def cancelled_at_once() -> str:
        return jobs.request_cancel(jobs.submit(REQUEST, tenant="a").id).id

    def cancelled_at_work() -> str:
        lease = at_work(jobs)
        jobs.request_cancel(lease.job)
        return jobs.confirm_cancel(lease).id

    def lost() -> str:
        lease = at_work(jobs)
        clock.now += timedelta(minutes=5)
        jobs.expire()
        return str(lease.job)

    def not_approved() -> str:
        name = awaiting()
        clock.now += timedelta(days=2)
        jobs.expire()
        return name

    return {
        "completed": lambda: (completed(jobs), "video.completed"),
        "failed": lambda: (failed(), "video.failed"),
        "awaiting": lambda: (awaiting(), "video.awaiting_approval"),
        "cancelled at once": lambda: (cancelled_at_once(), "video.failed"),
        "cancelled at work": lambda: (cancelled_at_work(), "video.failed"),
        "lost": lambda: (lost(), "video.failed"),
        "not approved": lambda: (not_approved(), "video.failed"),
    }


@pytest.mark.parametrize("how", ends(None, None))  # type: ignore[arg-type]
def test_whoever_wants_to_hear_of_an_end_is_to(jobs: Jobs, clock: Clock, how: str) -> None:
    mine = jobs.add_endpoint("a", SOMEWHERE, ALL)
    others = jobs.add_endpoint("b", SOMEWHERE, ALL)
    job, event = ends(jobs, clock)[how]()
    found = jobs.deliveries(mine.id)
    assert (found[0].job, found[0].event, found[0].attempts) == (job, event, 0)
    assert len(found) == (2 if how == "not approved" else 1)
    assert jobs.deliveries(others.id) == ()


def test_only_the_events_that_were_chosen(jobs: Jobs) -> None:
    failures = jobs.add_endpoint("a", SOMEWHERE, ["video.failed", "video.failed"])
    assert failures.events == ("video.failed",)
    completed(jobs)
    assert jobs.deliveries(failures.id) == ()
    for events in ([], ["video.started"]):
        with pytest.raises(JobError, match="for one or more of the events"):
            jobs.add_endpoint("a", SOMEWHERE, events)


def test_what_did_not_happen_is_not_told(jobs: Jobs) -> None:
    endpoint = jobs.add_endpoint("a", SOMEWHERE, ALL)
    lease = at_work(jobs)
    with pytest.raises(JobError):
        jobs.complete(lease, {})  # it was not stitched
    assert jobs.deliveries(endpoint.id) == ()


def test_endpoints_belong_to_their_tenants(jobs: Jobs) -> None:
    endpoint = jobs.add_endpoint("a", SOMEWHERE, ALL, name="ours")
    assert jobs.endpoint(endpoint.id, tenant="a") == endpoint
    assert (jobs.endpoints("a"), jobs.endpoints("b"), jobs.endpoints()) == ((endpoint,), (), (endpoint,))
    for call in (jobs.endpoint, jobs.remove_endpoint):
        with pytest.raises(UnknownJob, match=f"no webhook {endpoint.id}"):
            call(endpoint.id, tenant="b")
    completed(jobs)
    jobs.remove_endpoint(endpoint.id, tenant="a")
    assert jobs.deliveries(endpoint.id) == () == jobs.take_deliveries(timedelta(minutes=1))
    for _ in range(MOST):
        jobs.add_endpoint("a", SOMEWHERE, ALL)
    with pytest.raises(JobError, match="webhooks already"):
        jobs.add_endpoint("a", SOMEWHERE, ALL)


def test_what_arrives_is_openais_event_signed_by_standard_webhooks(jobs: Jobs, receiver: Receiver) -> None:
    endpoint = jobs.add_endpoint("a", receiver.url, ALL)
    job = completed(jobs)
    assert deliver_due(jobs, private=True) == 1
    ((headers, body),) = receiver.got
    (delivery,) = jobs.deliveries(endpoint.id)
    assert (delivery.delivered, delivery.attempts, delivery.due, delivery.answer) == (True, 1, None, "HTTP 200")
    assert Webhook(endpoint.secret).verify(body, headers) == {
        "id": delivery.id,
        "object": "event",
        "type": "video.completed",
        "created_at": int(delivery.created.timestamp()),
        "data": {"id": job},
    }
    assert (headers["webhook-id"], headers["path"]) == (delivery.id, "/hook?x=1")
    event = openai.OpenAI(api_key="sk-").webhooks.unwrap(body, headers, secret=endpoint.secret)
    assert (event.type, event.data.id) == ("video.completed", job)
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(body.replace(job, "job_other"), headers)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(endpoint.secret).verify(
            body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
        )
    assert deliver_due(jobs, private=True) == 0


def test_it_is_tried_again_until_it_is_taken(jobs: Jobs, clock: Clock, receiver: Receiver) -> None:
    endpoint = jobs.add_endpoint("a", receiver.url, ALL)
    completed(jobs)
    receiver.status = 503
    for attempt in (1, 2):
        assert deliver_due(jobs, private=True, clock=clock) == 1
        (delivery,) = jobs.deliveries(endpoint.id)
        assert (delivery.attempts, delivery.delivered, delivery.answer) == (attempt, False, "HTTP 503")
        assert delivery.due is not None and delivery.due > clock.now
        assert deliver_due(jobs, private=True, clock=clock) == 0
        clock.now = delivery.due
    receiver.status = 204
    assert deliver_due(jobs, private=True, clock=clock) == 1
    assert jobs.deliveries(endpoint.id)[0].delivered
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1 < len(receiver.got)


def test_it_is_given_up_after_a_day(jobs: Jobs, clock: Clock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        endpoint = jobs.add_endpoint("a", f"http://127.0.0.1:{closed.getsockname()[1]}/", ALL)
        completed(jobs)
        began, tries = clock.now, 0
        while (due := jobs.deliveries(endpoint.id)[0].due) is not None:
            clock.now = max(clock.now, due)
            tries += deliver_due(jobs, private=True, clock=clock)
    (delivery,) = jobs.deliveries(endpoint.id)
    assert not delivery.delivered and delivery.answer is not None and delivery.answer.startswith("ConnectError")
    assert 18 <= tries == delivery.attempts <= 30
    assert timedelta(hours=20) < clock.now - began < GIVEN_UP


@given(st.integers(1, 10**6), st.timedeltas(timedelta(0), timedelta(hours=30)))
def test_when_it_is_tried_next(attempts: int, age: timedelta) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    delivery = Delivery("evt", "we", "video.failed", "job", now - age, attempts, now, False, None)
    again = next_try(delivery, now)
    if age + timedelta(hours=2.4) <= GIVEN_UP:
        assert again is not None and timedelta(seconds=4) <= again - now <= timedelta(hours=2.4)
    if age >= GIVEN_UP:
        assert again is None


def test_who_does_not_want_it_any_more_is_left_alone(jobs: Jobs, receiver: Receiver) -> None:
    endpoint = jobs.add_endpoint("a", receiver.url, ALL)
    completed(jobs)
    receiver.status = 410
    deliver_due(jobs, private=True)
    (delivery,) = jobs.deliveries(endpoint.id)
    assert (delivery.due, delivery.delivered, delivery.answer) == (None, False, "HTTP 410")


def test_it_is_not_led_elsewhere(jobs: Jobs, receiver: Receiver) -> None:
    with serving(Receiver()) as elsewhere:
        endpoint = jobs.add_endpoint("a", receiver.url, ALL)
        receiver.status, receiver.headers = 307, {"Location": elsewhere.url}
        completed(jobs)
        deliver_due(jobs, private=True)
        assert elsewhere.got == [] and jobs.deliveries(endpoint.id)[0].answer == "HTTP 307"


def test_who_never_answers_holds_up_nobody_else(
    jobs: Jobs, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "LONGEST", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = jobs.add_endpoint("a", f"http://127.0.0.1:{silent.getsockname()[1]}/", ALL)
        quick = jobs.add_endpoint("a", receiver.url, ALL)
        completed(jobs)
        assert deliver_due(jobs, private=True) == 2
        assert jobs.deliveries(quick.id)[0].delivered
        assert jobs.deliveries(slow.id)[0].answer == "no answer within 1 s"


def test_two_replicas_do_not_both_deliver(jobs: Jobs, database: str, clock: Clock, receiver: Receiver) -> None:
    jobs.add_endpoint("a", receiver.url, ALL)
    for _ in range(30):
        jobs.request_cancel(jobs.submit(REQUEST, tenant="a").id)
    done, line = [], threading.Barrier(3)

    def replica() -> None:
        with Jobs(database, "s3://bucket", clock=clock, host=HERE) as mine:
            line.wait()
            for _ in range(5):
                done.append(deliver_due(mine, private=True, clock=clock))

    threads = [threading.Thread(target=replica) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 30 == len(receiver.got) == len({headers["webhook-id"] for headers, _ in receiver.got})


def test_who_dies_while_delivering_is_followed_by_another(jobs: Jobs, clock: Clock, receiver: Receiver) -> None:
    endpoint = jobs.add_endpoint("a", receiver.url, ALL)
    completed(jobs)
    ((taken, _),) = jobs.take_deliveries(timedelta(seconds=60))
    assert deliver_due(jobs, private=True) == 0
    clock.now += timedelta(seconds=60)
    assert deliver_due(jobs, private=True) == 1
    jobs.not_delivered(taken, "it comes back to life, and is too late", None)
    assert jobs.deliveries(endpoint.id)[0].delivered


def test_old_deliveries_are_forgotten(jobs: Jobs, clock: Clock, receiver: Receiver) -> None:
    endpoint = jobs.add_endpoint("a", receiver.url, ALL)
    completed(jobs)
    deliver_due(jobs, private=True)
    clock.now += timedelta(days=31)
    last = completed(jobs)
    assert [delivery.job for delivery in jobs.deliveries(endpoint.id)] == [last]


def test_a_loop_delivers_until_it_is_told_to_stop(
    jobs: Jobs, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_POLL", 0.01)
    jobs.add_endpoint("a", receiver.url, ALL)
    stop, told = threading.Event(), threading.Event()
    delivered = jobs.delivered
    monkeypatch.setattr(jobs, "delivered", lambda *facts: (delivered(*facts), told.set()))
    thread = threading.Thread(target=keep_delivering, args=(jobs, stop), kwargs={"private": True})
    thread.start()
    completed(jobs)
    assert told.wait(30)
    stop.set()
    thread.join()
    assert len(receiver.got) == 1


# Where nothing may be sent

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
DISGUISED = [
    "2130706433",
    "0x7f000001",
    "017700000001",
    "127.1",
    "0",
    "localhost",
    "a.localhost",
    "[::1]",
    "metadata.google.internal",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Refused, match="no address on the Internet"):
        check_url(f"https://{host}/hook")


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_a_private_address_stays_so_however_it_is_written(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    written = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x0064FF9B << 96 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80),
    ]
    if not is_public(address):
        assert not any(is_public(each) for each in written)


@pytest.mark.parametrize("host", DISGUISED)
def test_addresses_in_disguise(host: str) -> None:
    with pytest.raises(Refused, match="no address on the Internet"):
        check_url(f"https://{host}/hook")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "films.example",
        "//films.example",
        "http://films.example/",
        "ftp://films.example/",
        "file:///etc/passwd",
        "gopher://films.example/",
        "https://",
        "https://user:password@films.example/",
        "https://films.example/#part",
        "https://films.example/a b",
        "https://films.example/\r\nX-Injected: 1",
        "https://films.example\\@127.0.0.1/",
        "https://films.example:99999/",
        "https://films.example:0/",
        "https://[::1/",
        "javascript:alert(1)",
    ],
)
def test_urls_that_are_no_webhooks(url: str) -> None:
    with pytest.raises(Refused):
        check_url(url)


def test_names_are_checked_when_something_is_sent(jobs: Jobs, receiver: Receiver) -> None:
    """Not only when the endpoint is made: a name may lead elsewhere by then."""
    endpoint = jobs.add_endpoint("a", f"https://localhost.:{receiver.server_port}/", ALL)
    numeric = jobs.add_endpoint("a", receiver.url.replace("http:", "https:"), ALL)
    completed(jobs)
    deliver_due(jobs)
    for each in (endpoint, numeric):
        (delivery,) = jobs.deliveries(each.id)
        assert delivery.answer is not None and delivery.answer.endswith("leads to no address on the Internet")
    assert receiver.got == []


def test_a_name_with_one_private_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _names(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(Refused):
        asyncio.run(resolve(check_url("https://films.example/", private=True)))


def _names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A name server of the test's own: films.example leads to each in turn, as an attacker's does. Keeps who asked."""
    real, asked = socket.getaddrinfo, []  # type: ignore[var-annotated]

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name != "films.example":
            return real(host, port, *more, **options)
        asked.append(name)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_what_was_checked_is_what_is_connected_to(
    jobs: Jobs, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is asked for once; a name server that answers otherwise the next time is not asked again."""
    asked = _names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    endpoint = jobs.add_endpoint("a", f"http://films.example:{receiver.server_port}/hook", ALL)
    answer = send(endpoint, "evt_1", "video.failed", "job_1", datetime.now(UTC), private=True)
    assert (answer.status, asked) == (200, ["films.example"])
    assert receiver.got[0][0]["host"] == f"films.example:{receiver.server_port}"


def test_tls_is_for_the_name_and_not_for_the_address(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _names(monkeypatch, ["127.0.0.1"])
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=films.example"
    files = ["-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem"]
    for name, taken in (("films.example", True), ("other.example", False)):
        names = ["-addext", f"subjectAltName=DNS:{name}"]
        subprocess.run([*made.split(), *names, *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        wanted: list[str | None] = []
        context.sni_callback = lambda _, name, __, wanted=wanted: wanted.append(name)  # type: ignore[assignment]
        server = Receiver()
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        monkeypatch.setattr("httpx._transports.default.create_ssl_context", lambda *_, to=trusting, **__: to)
        with serving(server):
            endpoint = jobs.add_endpoint("a", f"https://films.example:{server.server_port}/", ALL)
            answer = send(endpoint, "evt_1", "video.failed", "job_1", datetime.now(UTC), private=True)
        assert wanted == ["films.example"]
        assert (answer.status == 200) is taken, answer
        assert taken or "certificate" in answer.text.lower()


# By HTTP


def test_the_official_client_keeps_webhooks(tmp_path: Path, receiver: Receiver) -> None:
    app = build_app(Settings(store=str(tmp_path), keys="required", webhooks_private=True))
    jobs = app.state.service.jobs
    (_, a), (_, b) = jobs.create_key("a"), jobs.create_key("b")
    with TestClient(app, base_url="http://127.0.0.1") as http:

        def as_(token: str) -> Any:
            def ask(method: str, path: str, **how: Any) -> Any:
                return http.request(method, path, headers={"Authorization": f"Bearer {token}"}, **how)

            return ask

        body = {"url": receiver.url, "event_types": ["video.completed"], "name": "ours"}
        made = as_(a)("POST", "/v1/webhook_endpoints", json=body).json()
        typed = openai.types.webhooks.WebhookEndpointWithSecret.model_validate(made, strict=True)
        assert typed.signing_secret.startswith("whsec_") and typed.url == receiver.url
        place = f"/v1/webhook_endpoints/{made['id']}"
        tested = as_(a)("POST", f"{place}/test", json={"event_type": "video.failed"}).json()
        assert tested["status_code"] == 200
        event = openai.OpenAI(api_key="sk-").webhooks.unwrap(
            receiver.got[0][1], receiver.got[0][0], secret=typed.signing_secret
        )
        assert event.type == "video.failed"
        listed = as_(a)("GET", "/v1/webhook_endpoints").json()
        assert [each["id"] for each in listed["data"]] == [made["id"]] and "whsec_" not in json.dumps(listed)
        completed(jobs)
        assert deliver_due(jobs, private=True) == 1
        shown = as_(a)("GET", place).json()
        assert [(each["status"], each["answer"]) for each in shown["deliveries"]] == [("delivered", "HTTP 200")]
        for method, path in (("GET", place), ("DELETE", place), ("POST", f"{place}/test")):
            assert as_(b)(method, path).status_code == 404
        assert as_(b)("GET", "/v1/webhook_endpoints").json()["data"] == []
        assert as_(a)("DELETE", place).json() == {
            "id": made["id"], "deleted": True, "object": "webhook_endpoint.deleted"
        }  # fmt: skip
        assert as_(a)("GET", place).status_code == 404


def test_webhooks_to_this_network_are_refused_by_http(tmp_path: Path, receiver: Receiver) -> None:
    app = build_app(Settings(store=str(tmp_path)))
    with TestClient(app) as http:
        for url in (receiver.url, "https://127.0.0.1/", "https://169.254.169.254/latest", "https://x.internal/"):
            answer = http.post("/v1/webhook_endpoints", json={"url": url, "event_types": ["video.failed"]})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "url")
        made = app.state.service.jobs.add_endpoint("local", f"https://localhost.:{receiver.server_port}/", ALL)
        answer = http.post(f"/v1/webhook_endpoints/{made.id}/test")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_reached")
    assert receiver.got == []
