"""Gauges that are looked up when somebody scrapes: the database's jobs and the workers of the pools.

Any process on the same database and cluster finds the same, so it does not matter which replica is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sgen_ray import __version__
from sgen_ray.engine.messages import Workforce
from sgen_ray.engine.pool import pools_here
from sgen_ray.engine.ray_calls import on_ray
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.presence import seen
from sgen_ray.telemetry import metrics
from sgen_ray.telemetry.metrics import Metric

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

log = logging.getLogger(__name__)


class Facts:
    """A collector of prometheus_client's. Never raises: what cannot be looked up is missing, and READY says so."""

    def __init__(self, jobs: Callable[[], Jobs], store: str) -> None:
        self._jobs, self._store = jobs, store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge(metrics.BUILD, {(__version__,): 1})
        try:
            jobs = self._jobs()
            states, waited = jobs.count(), jobs.waiting_seconds()
        except Exception:
            log.warning("the database does not answer", exc_info=True)
            yield _gauge(metrics.READY, {(): 0})
        else:
            yield _gauge(metrics.READY, {(): 1})
            yield _gauge(metrics.JOBS, {(str(state),): number for state, number in states.items()})
            yield _gauge(metrics.OLDEST, {(): waited})
        try:
            yield _gauge(metrics.SLOTS, {(): seen(self._store)})
        except Exception:
            log.warning("the store does not answer", exc_info=True)
        try:
            pools = self._pools()
        except Exception:
            log.warning("the pools do not answer", exc_info=True)
        else:
            yield _gauge(
                metrics.WORKERS,
                {
                    (pool, kind, state): number
                    for pool, kinds in pools.items()
                    for kind, force in kinds.items()
                    for state, number in vars(force).items()
                },
            )

    def _pools(self) -> dict[str, dict[str, Workforce]]:
        found: dict[str, dict[str, Workforce]] = {}
        for pool in list(pools_here):  # films that are made at once in one process may each have a pool of their own
            kinds = found.setdefault(pool.name, {})
            for kind, force in pool.workforce().items():
                kinds[kind] = kinds.get(kind, Workforce(0, 0, 0)) + force
        if on_ray():
            from sgen_ray.engine.controller import workforces

            found |= workforces()
        return found


def scrape(facts: Facts, accept: str = "") -> tuple[bytes, str]:
    """Everything that this process shows, and its content type by what the scraper accepts."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    gathered = CollectorRegistry()
    gathered.register(facts)
    gathered.register(metrics.registry())
    return encode(gathered), content_type


def _gauge(metric: Metric, values: dict[tuple[str, ...], float]) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
