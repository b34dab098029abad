"""What the work at hand belongs to: request, job, tenant, trace. Log lines tell it, and a job carries its trace along.

A trace is W3C's: the header traceparent, "00-{32 hex digits: trace}-{16: parent span}-{flags}". A job keeps it among
its engine's settings, which ignore what they do not know, so that whoever makes the film goes on with the trace.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

KEY = "traceparent"

_bound: ContextVar[Mapping[str, str]] = ContextVar("sgen_bound", default={})  # noqa: B039 (never changed in place)
_trace: ContextVar[Trace | None] = ContextVar("sgen_trace", default=None)


@dataclass(frozen=True)
class Trace:
    """A place in a trace: the span that what comes next is part of."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def header(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}"


def new_trace() -> Trace:
    return Trace(secrets.token_hex(16), secrets.token_hex(8))


def parse(header: object) -> Trace | None:
    """None where it is no traceparent, as W3C's recommendation wants it to be treated: the trace begins anew."""
    found = re.fullmatch(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", str(header))
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Trace(found[1], found[2], bool(int(found[3], 16) & 1))


def bound() -> Mapping[str, str]:
    """Fields of every log line that is written here."""
    trace = _trace.get()
    return _bound.get() if trace is None else {**_bound.get(), "trace_id": trace.trace_id}


@contextmanager
def bind(trace: Trace | None = None, **fields: str | None) -> Iterator[None]:
    """Inside, in this thread or task and those begun in it, log lines have these fields besides those bound before."""
    named = {name: value for name, value in fields.items() if value is not None}
    tokens = _bound.set({**_bound.get(), **named}), _trace.set(trace or _trace.get())
    try:
        yield
    finally:
        _bound.reset(tokens[0])
        _trace.reset(tokens[1])


def carried() -> dict[str, Any]:
    """What a job that is submitted here keeps, to be added to its engine settings: `trace_of` finds it again."""
    trace = _trace.get()
    return {} if trace is None else {KEY: trace.header}


def trace_of(engine: Mapping[str, Any]) -> Trace | None:
    return parse(engine.get(KEY))
