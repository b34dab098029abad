"""Spans for OpenTelemetry, sent by OTLP where OTEL_EXPORTER_OTLP_ENDPOINT says so; else no SDK is imported.

The SDK reads its usual settings from the environment (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS,
OTEL_TRACES_SAMPLER, ...). Spans of requests are FastAPI's own (`of_requests`). Spans of a film are built where the film
is driven, from what the engine tells, so that renderers know nothing of tracing. An exporter that fails logs it, and
disturbs nothing else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sgen_ray.telemetry.context import Trace

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span

_WANTED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NAME = "sgen-ray"
NOTHING: Mapping[str, Any] = MappingProxyType({})

_lock = threading.Lock()
_provider: TracerProvider | None = None


def provider() -> TracerProvider | None:
    """None where nobody wants spans."""
    global _provider
    with _lock:
        if _provider is None and any(map(os.environ.get, _WANTED)) and os.environ.get("OTEL_SDK_DISABLED") != "true":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            _provider = _provide(BatchSpanProcessor(OTLPSpanExporter()))
        return _provider


def of_requests(unless: Collection[str]) -> TelemetryConfig:
    """For FastAPI's `telemetry`: a span for each request, but for those to the paths `unless`, and nothing else."""
    return {
        "tracing": provider() is not None,
        "tracer_provider": provider(),
        "exclude": lambda scope: scope["path"] in unless,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
    }


def current() -> Span | None:
    """The span of the request that is served here."""
    if _provider is None:
        return None
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    return span if span.get_span_context().is_valid else None


def send_to(processor: SpanProcessor | None) -> None:
    """Spans go there from now on; None: where the environment says."""
    global _provider
    with _lock:
        if _provider is not None:
            _provider.shutdown()
        _provider = None if processor is None else _provide(processor)


def begin(name: str, parent: Trace | None, start: float, facts: Mapping[str, Any] = NOTHING) -> Span | None:
    """A span that began at `start`, in seconds since 1970; to be ended by `end`. None where nobody wants it."""
    if (at := provider()) is None:
        return None
    from opentelemetry.context import Context

    context = Context() if parent is None else _context(parent)
    tracer = at.get_tracer("sgen_ray")
    return tracer.start_span(name, context, attributes=_known(facts), start_time=_nanoseconds(start))


def end(span: Span | None, stop: float, error: str | None = None) -> None:
    if span is None:
        return
    from opentelemetry.trace import StatusCode

    if error is not None:
        span.set_status(StatusCode.ERROR, error)
    span.end(_nanoseconds(stop))


def within(span: Span | None, name: str, start: float, stop: float, facts: Mapping[str, Any] = NOTHING) -> None:
    """A span inside of another, which is over already."""
    if span is not None:
        end(begin(name, place(span), start, facts), stop)


def note(span: Span | None, name: str, at: float, facts: Mapping[str, Any] = NOTHING) -> None:
    """Something that happened at one moment."""
    if span is not None:
        span.add_event(name, _known(facts), _nanoseconds(at))


def place(span: Span) -> Trace:
    context = span.get_span_context()
    return Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled)


def _provide(processor: SpanProcessor) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": _NAME}))
    provider.add_span_processor(_without_queries())
    provider.add_span_processor(processor)
    return provider


def _without_queries() -> SpanProcessor:
    """A URL's query may hold the signature of a link to media: it leaves the service with nobody."""
    from opentelemetry.sdk.trace import SpanProcessor

    class WithoutQueries(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if "url.query" in (span.attributes or ()):
                span.set_attribute("url.query", "left out")

    return WithoutQueries()


def _context(parent: Trace) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
