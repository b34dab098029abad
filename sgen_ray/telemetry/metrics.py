"""Every metric there is: name, kind, help, labels. docs/observability.md shows this table, and a test compares them.

Gauges are facts that any process can look up (the database, the pool) and are looked up when somebody scrapes, in
`facts`. Counters and histograms count what happens in one process. Outside of Ray they are prometheus_client's, and the
service's /metrics shows them. In a process of a Ray cluster they are `ray.util.metrics`, and each node's agent shows
them, as `ray_sgen_...`: a request to /metrics reaches one of many replicas, and another one the next time.

Recording never raises: no film fails by its metrics.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sgen_ray.engine.ray_calls import on_ray

log = logging.getLogger(__name__)
_making = threading.Lock()

_NOTHING = 1e-12
"""What Ray's counters are begun with, as they refuse 0."""

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)


@dataclass(frozen=True)
class Metric:
    """Attributes:
    labels: with few values each: never a job's id.
    buckets: of a histogram, upper bounds.
    starts: of a counter, values of its labels that are there from the beginning, at 0.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    starts: tuple[tuple[str, ...], ...] = ()

    def count(self, number: float = 1.0, **labels: str) -> None:
        """Of a counter: so many more."""
        _record(self, number, labels)

    def observe(self, value: float, **labels: str) -> None:
        """Of a histogram: one value."""
        _record(self, value, labels)


READY = Metric("sgen_ready", "gauge", "1 where the database answers, else 0.")
BUILD = Metric("sgen_build", "gauge", "1, of this version.", ("version",))
JOBS = Metric("sgen_jobs", "gauge", "Jobs in the database by state; those over until they are deleted.", ("state",))
OLDEST = Metric(
    "sgen_oldest_queued_seconds", "gauge", "How long the job that waits longest has waited; 0 where none does."
)
SLOTS = Metric("sgen_film_slots", "gauge", "Films that can be made at once, by workers that were seen lately.")
WORKERS = Metric(
    "sgen_pool_workers", "gauge",
    "Planners and renderers of a pool: wanted, ready (their model is loaded), lent (to a job).",
    ("pool", "kind", "state"),
)  # fmt: skip

QUEUE = Metric("sgen_queue_seconds", "histogram", "From submission to the first claim.", (), SECONDS)
PLAYABLE = Metric(
    "sgen_first_playable_seconds", "histogram", "From submission until the film can begin to play.", (), SECONDS
)
MADE_IN = Metric("sgen_job_seconds", "histogram", "From a job's claim to its completion.", (), SECONDS)
ENDED = Metric(
    "sgen_jobs_ended_total", "counter",
    "Jobs that came to an end, by final state and, where they failed, by what kind of error.", ("state", "error"), (),
    (("completed", ""), ("cancelled", ""), ("failed", "engine"), ("failed", "fault"), ("failed", "worker_lost")),
)  # fmt: skip
FILM_SECONDS = Metric("sgen_film_seconds_total", "counter", "Seconds of finished film.", starts=((),))
WINDOWS = Metric(
    "sgen_windows_total", "counter", "Windows of films: rendered, or reused from the store.", ("how",), (),
    (("rendered",), ("reused",)),
)  # fmt: skip
SEGMENTS = Metric(
    "sgen_segments_total", "counter", "Segments of films: encoded, or reused from the store.", ("how",), (),
    (("encoded",), ("reused",)),
)  # fmt: skip
WORK = Metric(
    "sgen_work_seconds", "histogram", "One call of a worker, by phase: plan, render (a window), decode, encode.",
    ("phase",), SECONDS,
)  # fmt: skip
BUSY = Metric(
    "sgen_busy_seconds_total", "counter", "The same calls' seconds, added up. Ray's histograms only estimate sums.",
    ("phase",), (), (("plan",), ("render",), ("decode",), ("encode",)),
)  # fmt: skip
LOST = Metric(
    "sgen_workers_lost_total", "counter", "Workers that died, or calls of theirs that failed and were tried again.",
    ("kind",), (), (("planner",), ("renderer",), ("stitcher",), ("pool",)),
)  # fmt: skip
UTILISATION = Metric(
    "sgen_film_utilisation_ratio", "histogram", "Share of their time that a film's renderers were at work.", (),
    (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0),
)  # fmt: skip
SEAMS = Metric(
    "sgen_film_seam_ratio", "histogram", "Difference of frames at window joins over elsewhere; 1: joins do not show.",
    (), (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0, 3.0, 5.0),
)  # fmt: skip
DRIFT = Metric(
    "sgen_film_drift_ratio", "histogram", "|First 15 % - last 15 %| of a shot over its mean, the mean of all shots.",
    ("feature",), (0.01, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0),
)  # fmt: skip
REQUESTS = Metric(
    "sgen_http_request_seconds", "histogram", "HTTP requests, until the first byte of the answer.",
    ("method", "route", "status"), (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)  # fmt: skip
WEBHOOKS = Metric(
    "sgen_webhook_deliveries_total", "counter", "Attempts to deliver a webhook: delivered, failed, given_up.",
    ("outcome",), (), (("delivered",), ("failed",), ("given_up",)),
)  # fmt: skip

_broken: set[Metric] = set()
METRICS: tuple[Metric, ...] = tuple(value for value in globals().values() if isinstance(value, Metric))


def begin() -> None:
    """Counters are at 0 from now on: the first count is an increase then, which it is not where nothing was before."""
    for metric in METRICS:
        for values in metric.starts:
            metric.count(0, **dict(zip(metric.labels, values, strict=True)))


@cache
def registry() -> Any:
    """prometheus_client's, with what this process counts outside of Ray."""
    import prometheus_client

    prometheus_client.disable_created_metrics()  # a time of creation for each counter: twice the series, no use
    return prometheus_client.CollectorRegistry()


def _record(metric: Metric, value: float, labels: dict[str, str]) -> None:
    try:
        in_ray = on_ray()
        with _making:
            instrument = (_rays if in_ray else _prometheus)(metric)
        if in_ray and metric.kind == "counter":
            instrument.inc(value or _NOTHING, tags=labels)
        elif in_ray:
            instrument.observe(value, tags=labels)
        else:
            instrument = instrument.labels(**labels) if metric.labels else instrument
            (instrument.inc if metric.kind == "counter" else instrument.observe)(value)
    except Exception:
        if metric not in _broken:  # said once
            _broken.add(metric)
            log.warning("%s was not recorded", metric.name, exc_info=True)


@cache
def _prometheus(metric: Metric) -> Any:
    from prometheus_client import Counter, Histogram

    if metric.kind == "counter":
        return Counter(metric.name, metric.help, metric.labels, registry=registry())
    return Histogram(metric.name, metric.help, metric.labels, registry=registry(), buckets=metric.buckets)


@cache
def _rays(metric: Metric) -> Any:
    from ray.util.metrics import Counter, Histogram

    if metric.kind == "counter":
        return Counter(metric.name, metric.help, metric.labels)
    return Histogram(metric.name, metric.help, list(metric.buckets), metric.labels)
