"""What a film and a request leave behind: metrics, spans, log lines."""

import gzip
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from service import ENGINE, FILM, Place, ended, toy_place
from toy_model import ToyFactory, request

from sgen_ray import filling
from sgen_ray.engine.events import CallFinished
from sgen_ray.errors import Cancelled, EngineError
from sgen_ray.jobs.announce import EVENTS
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job, JobKind, new_id, utc_now
from sgen_ray.orders import Order
from sgen_ray.serving.app import build_app
from sgen_ray.serving.deliver import deliver_due
from sgen_ray.serving.settings import Settings
from sgen_ray.telemetry import context, logs, metrics, spans
from sgen_ray.telemetry.film import making
from sgen_ray.types import Video

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WINDOWS, SEGMENTS = 9, 10
LONG = FILM | {"seconds": 20}


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test's cluster would get the counts."""
    if (ray := sys.modules.get("ray")) is not None:
        monkeypatch.setattr(ray, "is_initialized", lambda: False)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with Jobs(f"sqlite:///{tmp_path}/jobs.db", str(tmp_path)) as jobs:
        yield jobs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return toy_place(tmp_path, monkeypatch)


@pytest.fixture
def finished_spans() -> Iterator[Callable[[], dict[str, list]]]:
    """By name, what was traced since."""
    exporter = InMemorySpanExporter()
    spans.send_to(SimpleSpanProcessor(exporter))

    def by_name() -> dict[str, list]:
        found: dict[str, list] = {}
        for span in exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found

    yield by_name
    spans.send_to(None)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict]]]:
    """What was logged as JSON since."""
    for name in (logs.FORMAT, logs.FILE):
        monkeypatch.setenv(name, "")  # and as it was afterwards: processes of other tests would look at it
    stream = io.StringIO()
    with_loggers = {name: logging.getLogger(name) for name in (*logs._LOGGERS, "uvicorn.error", "uvicorn.access")}
    before = {n: (logger.handlers, logger.propagate, logger.level) for n, logger in with_loggers.items()}
    logs.set_up("json", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    for name, logger in with_loggers.items():
        logger.handlers, logger.propagate, level = before[name]
        logger.setLevel(level)


def make(jobs: Jobs, folder: Path, factory: ToyFactory | None = None, job: Job | None = None, **values) -> Video | None:
    asked = request()
    job = job or jobs.submit(asked, owner="a worker", **values)
    order = Order(job.request, factory or ToyFactory())  # type: ignore[arg-type]
    return filling.fill(jobs, job, order, folder / "film.mp4", store=str(folder), engine=ENGINE)


def counted() -> dict[str, float]:
    """Samples of this process: "name{label=value}" -> number."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry()).decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def more(before: dict[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0) for name, value in counted().items() if value != before.get(name, 0)}


def test_a_film_is_counted(jobs: Jobs, tmp_path: Path) -> None:
    before = counted()
    video = make(jobs, tmp_path)
    assert video is not None
    new = more(before)
    assert new["sgen_windows_total{how=rendered}"] == video.windows == WINDOWS
    assert new["sgen_segments_total{how=encoded}"] == SEGMENTS
    assert new["sgen_jobs_ended_total{error=,state=completed}"] == 1
    assert new["sgen_film_seconds_total"] == video.seconds
    for name in ("queue_seconds", "first_playable_seconds", "job_seconds", "film_utilisation_ratio", "film_seam_ratio"):
        assert new[f"sgen_{name}_count"] == 1
    for phase, calls in (("plan", 1), ("render", WINDOWS), ("decode", SEGMENTS), ("encode", SEGMENTS)):
        assert new[f"sgen_work_seconds_count{{phase={phase}}}"] == calls
        busy = sum(span.stop - span.start for span in video.timeline if span.phase == phase)
        assert new[f"sgen_busy_seconds_total{{phase={phase}}}"] == pytest.approx(busy, rel=0.2, abs=0.01)

    before = counted()
    make(jobs, tmp_path)
    new = more(before)
    assert new["sgen_windows_total{how=reused}"] == WINDOWS
    assert new["sgen_segments_total{how=reused}"] == SEGMENTS
    assert "sgen_windows_total{how=rendered}" not in new
    assert new["sgen_first_playable_seconds_count"] == 1


def test_errors_are_counted_by_kind(jobs: Jobs, tmp_path: Path) -> None:
    before = counted()
    with pytest.raises(EngineError):
        make(jobs, tmp_path, ToyFactory(raises=1))
    new = more(before)
    assert new["sgen_jobs_ended_total{error=engine,state=failed}"] == 1
    assert new["sgen_workers_lost_total{kind=renderer}"] >= 1
    assert jobs.list().jobs[0].error.kind == "engine"  # type: ignore[union-attr]


def test_jobs_that_nobody_makes_are_counted_too(place: Place, tmp_path: Path) -> None:
    before = counted()
    jobs: Jobs = place.app.state.service.jobs
    lost = jobs.submit(request(), plan="of a plan that is gone", kind=JobKind.RENDER)
    with TestClient(place.app) as client, place.films():
        assert ended(client, lost.id)["error"]["code"] == "plan"
    assert more(before)["sgen_jobs_ended_total{error=plan,state=failed}"] == 1


def test_webhooks_are_counted(place: Place) -> None:
    jobs: Jobs = place.app.state.service.jobs
    before = counted()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        jobs.add_endpoint("local", f"http://127.0.0.1:{closed.getsockname()[1]}/", tuple(set(EVENTS.values())))
        jobs.request_cancel(jobs.submit(request()).id)
        assert deliver_due(jobs, private=True) == 1
    assert more(before)["sgen_webhook_deliveries_total{outcome=failed}"] == 1


def test_metrics_and_spans_that_break_do_not_disturb_a_film(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **names: object) -> None:
        raise RuntimeError("no metrics today")

    monkeypatch.setattr(metrics, "_prometheus", broken)
    monkeypatch.setattr(spans, "provider", broken)
    assert make(jobs, tmp_path) is not None
    metrics.WINDOWS.count(wrong="label")


def test_a_film_is_one_trace_from_the_request_on(finished_spans: Callable[[], dict[str, list]], place: Place) -> None:
    with TestClient(place.app) as client, place.films():
        asked = client.post("/v1/videos?signature=secret", json=LONG, headers={"traceparent": CALLER})
        assert asked.status_code == 200, asked.text
        video = ended(client, asked.json()["id"])
        assert video["status"] == "completed"
    found = finished_spans()
    (ingress,), (film,) = found.pop("POST /v1/videos"), found.pop("film")
    assert len(found.pop("GET /v1/videos/{video_id}")) >= 1
    assert ingress.attributes["http.route"] == "/v1/videos" and ingress.attributes["sgen.tenant"] == "local"
    assert "secret" not in str(ingress.to_json())
    assert f"{ingress.context.trace_id:032x}" == CALLER.split("-")[1]
    assert f"{ingress.parent.span_id:016x}" == CALLER.split("-")[2]
    assert film.parent.span_id == ingress.context.span_id
    assert film.attributes["sgen.job"] == video["id"]
    assert {name: len(named) for name, named in found.items()} == {
        "queue": 1, "load": 1, "plan": 1, "render": WINDOWS, "decode": SEGMENTS, "encode": SEGMENTS, "join": 1,
    }  # fmt: skip
    assert {span.attributes["sgen.window"] for span in found["render"]} == set(range(WINDOWS))
    for span in [span for named in found.values() for span in named]:
        assert span.context.trace_id == ingress.context.trace_id
        assert span.start_time <= span.end_time
        assert span.parent.span_id == film.context.span_id
    assert [event.name for event in film.events] == ["cut", "playable"]


def test_a_submitter_whose_clock_is_ahead_makes_no_span_that_ends_before_it_begins(
    jobs: Jobs, finished_spans: Callable[[], dict[str, list]]
) -> None:
    job = jobs.submit(request(), owner="a worker")
    with making(replace(job, created=job.updated + timedelta(seconds=5))):
        pass
    (queue,) = finished_spans()["queue"]
    assert queue.start_time == queue.end_time


def test_a_films_error_is_in_its_span(
    jobs: Jobs, tmp_path: Path, finished_spans: Callable[[], dict[str, list]]
) -> None:
    def stop(event: object) -> None:
        if isinstance(event, CallFinished) and event.phase == "render":
            raise Cancelled("enough")

    job = jobs.submit(request(), owner="a worker")
    with pytest.raises(Cancelled):
        filling.fill(
            jobs, job, Order(job.request, ToyFactory()), tmp_path / "film.mp4",  # type: ignore[arg-type]
            store=str(tmp_path), engine=ENGINE, on_event=stop,
        )  # fmt: skip
    other = tmp_path / "other"  # where that window is not stored
    other.mkdir()
    with pytest.raises(EngineError):
        make(jobs, other, ToyFactory(raises=1))
    cancelled, failed = finished_spans()["film"]
    assert cancelled.status.is_ok or cancelled.status.is_unset
    assert not failed.status.is_ok and "poison" in failed.status.description


def test_lines_of_a_film_name_job_and_trace(jobs: Jobs, tmp_path: Path, lines: Callable[[], list[dict]]) -> None:
    trace = context.parse(CALLER)
    assert trace is not None
    with pytest.raises(EngineError):
        make(jobs, tmp_path, ToyFactory(raises=1), engine={"traceparent": CALLER})
    job = jobs.list().jobs[0]
    written = [line for line in lines() if line["logger"] == "sgen_ray.telemetry.film"]
    assert written[0]["message"] == "begun"
    assert written[-1]["level"] == "error" and written[-1]["kind"] == "engine"
    for line in written:
        assert (line["job"], line["tenant"], line["trace_id"]) == (job.id, "local", trace.trace_id)
        assert line["time"].endswith("Z")


def test_access_lines_tell_route_status_tenant_and_ids(place: Place, lines: Callable[[], list[dict]]) -> None:
    with TestClient(place.app) as client:
        listed = client.get("/v1/videos?limit=1", headers={"x-request-id": "mine-1", "traceparent": CALLER})
        gone = client.get(f"/v1/videos/{new_id(utc_now())}", headers={"x-request-id": "not mine\t"})
        client.get("/metrics")
        nowhere = client.get("/nowhere")
    assert listed.headers["x-request-id"] == "mine-1"
    assert gone.headers["x-request-id"].startswith("req_")
    first, second, third = [line for line in lines() if line["logger"] == "sgen_ray.access"]
    assert first.items() >= {
        "method": "GET", "path": "/v1/videos", "route": "/v1/videos", "status": 200, "tenant": "local",
        "request_id": "mine-1", "trace_id": CALLER.split("-")[1],
    }.items()  # fmt: skip
    assert first["ms"] >= 0
    assert second.items() >= {"route": "/v1/videos/{video_id}", "status": 404}.items()
    assert len(second["trace_id"]) == 32
    assert (nowhere.status_code, third["route"]) == (404, "none")


def test_an_unforeseen_error_is_logged_and_answered_with_its_id(place: Place, lines: Callable[[], list[dict]]) -> None:
    @place.app.get("/broken")
    def broken() -> None:
        raise RuntimeError("a fault of ours")

    with TestClient(place.app) as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
    told = next(line for line in lines() if line["message"] == "unforeseen")
    assert "a fault of ours" in told["error"] and told["request_id"] == answer.headers["x-request-id"]


def test_what_a_scrape_shows(place: Place) -> None:
    jobs: Jobs = place.app.state.service.jobs
    jobs.submit(request())
    with TestClient(place.app) as client:
        client.get("/v1/videos")
        text = client.get("/metrics").text
        shown = {family.name: family for family in text_string_to_metric_families(text)}
        states = {sample.labels["state"]: sample.value for sample in shown["sgen_jobs"].samples}
        assert states["queued"] == 1 and states["completed"] == 0 and len(states) == 8
        assert shown["sgen_oldest_queued_seconds"].samples[0].value >= 0
        assert shown["sgen_ready"].samples[0].value == 1
        assert shown["sgen_film_slots"].samples[0].value == 0
        routes = {sample.labels["route"] for sample in shown["sgen_http_request_seconds"].samples}
        assert "/v1/videos" in routes
        opened = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert opened.text.endswith("# EOF\n")


def test_metrics_are_for_who_knows_the_token(tmp_path: Path) -> None:
    with TestClient(build_app(Settings(store=str(tmp_path), database=None, metrics_token="a secret"))) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"authorization": "Bearer another"}).status_code == 401
        assert client.get("/metrics", headers={"authorization": "Bearer a secret"}).status_code == 200


def test_where_keys_are_wanted_metrics_want_a_token(tmp_path: Path) -> None:
    with TestClient(build_app(Settings(store=str(tmp_path), database=None, keys="required"))) as client:
        assert "SGEN_METRICS_TOKEN" in client.get("/metrics").json()["error"]["message"]


def test_a_scrape_without_a_database_says_not_ready(tmp_path: Path) -> None:
    from sgen_ray.errors import DatabaseError
    from sgen_ray.telemetry.facts import Facts, scrape

    def broken() -> Jobs:
        raise DatabaseError("it is gone")

    content, _ = scrape(Facts(broken, str(tmp_path)))
    assert b"sgen_ready 0.0" in content and b"sgen_jobs{" not in content


@pytest.mark.parametrize(
    "header",
    ["", "00-abc", CALLER.upper(), CALLER.replace("00-", "ff-"), f"00-{'0' * 32}-{'1' * 16}-01",
     f"00-{'1' * 32}-{'0' * 16}-01", CALLER + "-x", None],
)  # fmt: skip
def test_what_is_no_traceparent_begins_a_new_trace(header: str | None) -> None:
    assert context.parse(header) is None


def test_a_trace_goes_with_the_job() -> None:
    assert context.carried() == {}
    with context.bind(context.parse(CALLER)):
        assert context.carried() == {"traceparent": CALLER}
        trace = context.trace_of({"renderers": 2, **context.carried()})
    assert trace == context.parse(CALLER) and trace is not None and trace.header == CALLER
    assert not replace(trace, sampled=False).header.endswith("1")


def test_a_file_is_shared_with_the_processes_that_are_started(tmp_path: Path, lines: Callable[[], list[dict]]) -> None:
    logs.set_up("json", str(tmp_path / "log"))
    script = (
        "from sgen_ray.telemetry import logs; logs.set_up(); import sgen_ray.telemetry.film as f; f.log.info('two')"
    )
    logging.getLogger("sgen_ray").info("one")
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    logging.getLogger("sgen_ray").info("three")
    logging.getLogger("sgen_ray").handlers[0].close()
    written = [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]
    assert written == ["one", "two", "three"]


def test_there_are_two_formats(lines: Callable[[], list[dict]]) -> None:
    with pytest.raises(ValueError, match="text or json"):
        logs.set_up("yaml")


def test_text_lines_stay_one_line() -> None:
    record = logging.makeLogRecord({"msg": "evil\n2026 ERROR forged\x1b[31m", "level": logging.INFO})
    assert "\n" not in logs.TextLines().format(record) and "\x1b" not in logs.TextLines().format(record)
    assert json.loads(logs.JsonLines().format(record))["message"] == record.msg


FILM = """
import sys
from pathlib import Path
from toy_model import ToyFactory, request
from sgen_ray import filling
from sgen_ray.engine.config import EngineConfig
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.orders import Order
from sgen_ray.serving.app import build_app
from sgen_ray.telemetry import logs

folder = Path(sys.argv[1])
logs.set_up("json")
with Jobs(f"sqlite:///{folder}/jobs.db", str(folder)) as jobs:
    job = jobs.submit(request(), owner="a worker", engine={"traceparent": sys.argv[2]})
    engine = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)
    filling.fill(jobs, job, Order(job.request, ToyFactory()), folder / "film.mp4", store=str(folder), engine=engine)
print(*(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))))
"""


def film_of_a_process(folder: Path, **environment: str) -> tuple[str, str]:
    """A film made in a process of its own, with these settings of OpenTelemetry; its output and its log."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", FILM, str(folder), CALLER], capture_output=True, text=True, timeout=120,
        env={**ours, "PYTHONPATH": path, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_without_an_endpoint_no_sdk_of_opentelemetry_is_loaded(tmp_path: Path) -> None:
    out, log = film_of_a_process(tmp_path)
    assert out.split() == []
    assert {json.loads(line)["trace_id"] for line in log.splitlines()} == {CALLER.split("-")[1]}


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP by HTTP, as a collector does."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


def test_spans_reach_a_collector_by_otlp(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.received = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        film_of_a_process(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    received = server.received  # type: ignore[attr-defined]
    assert {path for path, _ in received} == {"/v1/traces"}
    resources = [item for _, message in received for item in message.resource_spans]
    services = {a.value.string_value for r in resources for a in r.resource.attributes if a.key == "service.name"}
    assert services == {"sgen-ray"}
    names = Counter(span.name for r in resources for scope in r.scope_spans for span in scope.spans)
    assert names == {
        "film": 1, "queue": 1, "load": 1, "plan": 1, "join": 1, "render": WINDOWS, "decode": SEGMENTS,
        "encode": SEGMENTS,
    }  # fmt: skip


def test_a_collector_that_is_not_there_costs_no_film(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    _, log = film_of_a_process(tmp_path, **settings)
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(line["logger"].startswith("opentelemetry") and line["level"] == "error" for line in lines)
    assert any(line["message"] == "completed" for line in lines)
