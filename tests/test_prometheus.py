"""A real Prometheus scrapes a real service that makes films: every query of the dashboard and the rules finds data."""

import importlib.util
import json
import math
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from service import FILM, ended, toy_place
from toy_model import ToyFactory, request

from sgen_ray import filling
from sgen_ray.engine.config import EngineConfig
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.orders import Order
from sgen_ray.telemetry.metrics import METRICS

DEPLOYMENTS = Path(__file__).parents[1] / "deployments"
RULES = DEPLOYMENTS / "prometheus" / "rules.yml"
DOCS = Path(__file__).parents[1] / "docs" / "observability.md"
NAMES = {metric.name for metric in METRICS}
WINDOWS = 9
PATIENCE = 60.0

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None and os.environ.get("CI") != "true",
    reason="scripts/install-services installs prometheus",
)


def dashboard() -> dict[str, Any]:
    return json.loads((DEPLOYMENTS / "grafana" / "sgen.json").read_text())


def queries(window: str) -> dict[str, str]:
    """By panel and reference."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$window", window)
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    }


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def names(expression: str) -> set[str]:
    found = set(re.findall(r"\bsgen_\w+", expression))
    return {name if name in NAMES else re.sub("_(bucket|count|sum)$", "", name) for name in found}


def test_the_dashboard_is_what_its_maker_makes() -> None:
    spec = importlib.util.spec_from_file_location("make", DEPLOYMENTS / "grafana" / "make.py")
    assert spec is not None and spec.loader is not None
    make: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.text() == (DEPLOYMENTS / "grafana" / "sgen.json").read_text()


def test_the_dashboard_fits_grafana() -> None:
    board = dashboard()
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= set(board)
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "window"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == [
        "Demand", "Speed", "Quality", "Pool", "Errors",
    ]  # fmt: skip
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        spots = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not spots & taken
        taken |= spots
        assert panel["type"] == "row" or panel["description"]
        for target in panel.get("targets", ()):
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_queries_know_only_metrics_that_there_are_and_leave_none_out() -> None:
    shown = {name for query in queries("5m").values() for name in names(query)}
    alerted = {name for rule in rules() for name in names(rule["expr"])}
    assert shown | alerted == NAMES


def test_alerts_say_what_to_do() -> None:
    headings = re.findall("^#+ (.+)$", DOCS.read_text(), re.MULTILINE)
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"}
        page, _, anchor = notes["runbook_url"].partition("#")
        assert (DOCS.parents[1] / page).is_file()
        assert anchor == rule["alert"].lower() and rule["alert"] in headings


def test_the_docs_have_every_metric() -> None:
    table = [line for line in DOCS.read_text().splitlines() if line.startswith("| `sgen_")]
    assert table == [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help.replace('|', '&#124;')} |"
        for metric in METRICS
    ]


@needs_prometheus
def test_promtool_accepts_the_rules_and_their_tests() -> None:
    for command in (("check", "rules", RULES), ("test", "rules", RULES.with_name("rules_test.yml"))):
        done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = yaml.safe_load(RULES.with_name("rules_test.yml").read_text())["tests"]
    fired = {alert["alertname"] for test in tested for alert in test["alert_rule_test"] if alert.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in rules()}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def prometheus(folder: Path, service: str, nodes: list[str]) -> Iterator[httpx.Client]:
    """Started with the shipped configuration, but for the addresses and how often; a client of its API."""
    config = yaml.safe_load(RULES.with_name("prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(RULES)]
    of_service, of_nodes = config["scrape_configs"]
    of_service["static_configs"] = [{"targets": [service]}]
    del of_nodes["file_sd_configs"]
    of_nodes["static_configs"] = [{"targets": nodes}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            with httpx.Client(base_url=f"http://{address}", timeout=10) as client:
                wait_for(lambda: answers(client))
                yield client
        finally:
            process.terminate()
    assert "level=error" not in (folder / "log").read_text()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def wait_for(true: Any, what: str = "something") -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, f"{what}: in vain for {PATIENCE} s"
        time.sleep(0.1)


def data(client: httpx.Client, query: str) -> list[float]:
    """The numbers that a query finds."""
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", f"{query}: {answer}"
    values = [float(series["value"][1]) for series in answer["data"]["result"]]
    return [value for value in values if not math.isnan(value)]


@needs_prometheus
def test_every_query_finds_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # another test's cluster would get the counts
    place = toy_place(tmp_path, monkeypatch)
    place.factory = ToyFactory(raises=8)
    with (
        place.listening() as address,
        prometheus(tmp_path, address.removeprefix("http://"), []) as client,
        place.films(),
        httpx.Client(base_url=address) as service,
    ):

        def film(seed: int, state: str = "completed") -> None:
            # Only the longer one has a window 8, the poisoned one: renderers stay as they are from film to film.
            seconds = 8 if state == "completed" else 20
            asked = service.post("/v1/videos", json=FILM | {"seconds": seconds, "seed": seed})
            assert asked.status_code == 200, asked.text
            ended(service, asked.json()["id"], state)

        def completed() -> float:
            return sum(data(client, 'sgen_jobs_ended_total{state="completed"}'))

        wait_for(lambda: data(client, "sgen_windows_total"))
        before = completed()  # other tests of this process have made films too
        film(0, "failed")
        film(1)
        wait_for(lambda: completed() == before + 1)
        film(2)
        wait_for(lambda: completed() == before + 2)
        service.post("/v1/videos", json=FILM | {"approve": True})

        for panel, query in queries("1m").items():
            wait_for(lambda query=query: data(client, query), panel)
        assert data(client, 'sum by (state) (sgen_pool_workers{kind="renderer", state="ready"})')[0] > 0
        wait_for(lambda: data(client, 'max(sgen_jobs{state="awaiting_approval"})') == [1])
        assert data(client, 'sum(increase(sgen_jobs_ended_total{state="failed"}[1m])) > 0')

        known = set(client.get("/api/v1/label/__name__/values").json()["data"])
        for rule in rules():
            assert {name for name in re.findall(r"\bsgen_\w+", rule["expr"])} <= known
        wait_for(lambda: all(rule["health"] == "ok" for rule in loaded(client)))
        assert {rule["name"] for rule in loaded(client)} == {rule["alert"] for rule in rules()}


@needs_prometheus
def test_what_ray_counts_gets_the_same_names(
    tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import ray

    node = ray.nodes()[0]
    place = toy_place(tmp_path, monkeypatch)
    jobs: Jobs = place.app.state.service.jobs
    engine = EngineConfig(
        renderers=2, device="cpu", namespace=uuid.uuid4().hex, window=8, overlap=4, segment=4
    )  # fmt: skip
    agent = f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"
    try:
        with (
            place.listening() as address,
            prometheus(tmp_path, address.removeprefix("http://"), [agent]) as client,
        ):
            job = jobs.submit(request(), owner="a worker")
            order = Order(job.request, ToyFactory(in_process=False))  # type: ignore[arg-type]
            filling.fill(jobs, job, order, tmp_path / "film.mp4", store=str(tmp_path / "store"), engine=engine)
            wait_for(lambda: sum(data(client, 'sgen_windows_total{job="sgen-nodes", how="rendered"}')) >= WINDOWS)
            assert data(client, 'sgen_queue_seconds_count{job="sgen-nodes"}')
            assert data(client, 'sgen_webhook_deliveries_total{job="sgen-nodes"} < 0.001')  # begun with as good as 0
            assert "was not recorded" not in caplog.text
            wait_for(lambda: data(client, 'sgen_pool_workers{job="sgen", kind="renderer", state="ready"} > 0'))
            series = client.get("/api/v1/series", params={"match[]": '{__name__=~".*sgen_.*"}'}).json()["data"]
            assert {name for found in series for name in names(found["__name__"])} <= NAMES
            assert all(found["__name__"].startswith("sgen_") for found in series)
            assert not [label for found in series for label in found if label.startswith("otel_scope")]
    finally:
        for item in ray.util.list_named_actors(all_namespaces=True):
            if item["namespace"] == engine.namespace:
                ray.kill(ray.get_actor(item["name"], namespace=engine.namespace))


def loaded(client: httpx.Client) -> list[dict[str, Any]]:
    groups = client.get("/api/v1/rules").json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]
