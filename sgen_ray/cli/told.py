"""Events of a service as the engine's own, so that a film made elsewhere is shown as one made here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sgen_ray.engine import events as e

if TYPE_CHECKING:
    from sgen_ray.client import Event


class Told:
    """Keeps the time of the event at hand: what happened before somebody looked happened then, not now."""

    def __init__(self) -> None:
        self._at: float | None = None

    def clock(self) -> float:
        """Seconds, as `time.time` has them."""
        return time.time() if self._at is None else self._at

    @property
    def heard(self) -> bool:
        return self._at is not None

    def tell(self, event: Event, on_event: e.OnEvent) -> None:
        self._at = event.at
        for known in known_of(event):
            on_event(known)


def known_of(event: Event) -> Iterator[e.Event]:
    """None where this version does not know it: a newer service may tell more, or other things."""
    try:
        yield from _known_of(event.type, event.data)
    except (KeyError, TypeError):
        return


def _known_of(kind: str, data: dict[str, Any]) -> Iterator[e.Event]:
    match kind:
        case "started":
            yield e.FilmStarted(
                windows=data["windows"],
                segments=data["segments"],
                renderers=data["renderers"],
                threads=1,
                device=data["device"],
                windows_reused=data["windows_reused"],
                segments_reused=data["segments_reused"],
            )
        case "phase" if data["state"] == "started":
            yield e.PhaseStarted(data["phase"])
        case "phase":
            yield e.PhaseFinished(data["phase"], data["seconds"])
        case "window":
            yield e.WindowFinished(data["window"], data["renderer"], data["seconds"])
        case "segment":
            yield e.SegmentEncoded(data["segment"], data["done"], data["total"])
        case "lost":
            yield e.WorkerLost(data["worker"], data["work"], data["cause"])
        case "steps":
            if data["plan"] is not None:
                yield e.PlanStep(data["plan"]["done"], data["plan"]["total"])
            for window in data["windows"]:
                yield e.WindowStep(window["window"], window["renderer"], window["done"], window["total"])
