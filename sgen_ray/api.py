"""The film in one call: request, model and engine put together, for Python callers and the command line alike.

    order = place_order("a red fox running through snow", seconds=20)
    video = fill_order(order, "fox.mp4")

`generate`, `plan` and `render` are such steps in one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import OnEvent
from sgen_ray.engine.generate import generate_film, make_plan, preview_plan
from sgen_ray.jobs.plan_file import read_plan, write_plan
from sgen_ray.models.factory import load_factory
from sgen_ray.paths import default_store, space_for, writable_file, writable_store
from sgen_ray.protocols import ModelFactory
from sgen_ray.request import make_request
from sgen_ray.story import read_story
from sgen_ray.types import Plan, Shot, Video, VideoRequest


@dataclass(frozen=True)
class Order:
    """A checked request, the model that can fill it, the plan where there is one, and what a person should know."""

    request: VideoRequest
    factory: ModelFactory
    plan: Plan | None = None
    warnings: tuple[str, ...] = ()


def generate(
    prompt: str | None = None,
    *,
    output: str | Path = "film.mp4",
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    **wishes: Any,
) -> Video:
    """Makes a film and writes it to `output`.

    Args:
        prompt, wishes: as `place_order`: shots, seconds, size, fps, seed, steps, guidance, model, ...
        store: folder or URI that keeps finished work; by default SGEN_STORE, or the user's data folder.
        engine: renderers, threads, device, cluster; by default chosen from the machine.
        on_event: called with each of `sgen_ray.engine.events`; it may raise `Cancelled` to stop.

    Raises:
        SgenError: one line that says what to do.
    """
    order = place_order(prompt, **wishes)
    return fill_order(order, output, store=store, engine=engine, on_event=on_event)


def plan(
    prompt: str | None = None,
    *,
    output: str | Path | None = None,
    store: str | Path | None = None,
    on_event: OnEvent | None = None,
    **wishes: Any,
) -> Plan:
    """The plan alone, written to `output` (.arrow) where given. Arguments and errors as `generate`."""
    return plan_order(place_order(prompt, **wishes), output, store=store, on_event=on_event)


def render(
    plan: Plan | str | Path,
    *,
    output: str | Path = "film.mp4",
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    **changes: Any,
) -> Video:
    """The film of a plan or of a plan file. `changes` as `reopen`; other arguments and errors as `generate`."""
    order = reopen(plan, **changes)
    return fill_order(order, output, store=store, engine=engine, on_event=on_event)


def place_order(
    prompt: str | None = None,
    *,
    shots: Sequence[Shot] | str | Path = (),
    model: str = VideoRequest.model,
    **wishes: Any,
) -> Order:
    """Checks everything that can be checked without loading weights.

    Args:
        prompt, shots, wishes: as `sgen_ray.request.make_request`; `shots` may be the path of a story.yaml.
        model: a model that comes with sgen, or a model folder.

    Raises:
        RequestError, ModelError: one line that says what to change.
    """
    factory = load_factory(model)
    storyboard = read_story(shots) if isinstance(shots, str | Path) else shots
    request = make_request(
        prompt, shots=storyboard, model=model, grid=factory.grid, max_seconds=factory.max_seconds, **wishes
    )
    return Order(request, factory, warnings=_warnings(request, factory))


def reopen(
    plan: Plan | str | Path,
    *,
    model: str | None = None,
    size: str | tuple[int, int] | None = None,
    fps: int | None = None,
    steps: int | None = None,
) -> Order:
    """An order to render a plan; what is not given is as the plan's request says. Raises PlanError too."""
    if not isinstance(plan, Plan):
        plan = read_plan(plan)
    old = plan.request
    factory = load_factory(model or old.model)
    request = make_request(
        shots=old.shots,
        size=(old.width, old.height) if size is None else size,
        fps=old.fps if fps is None else fps,
        seed=old.seed,
        steps=old.steps if steps is None else steps,
        plan_steps=old.plan_steps,
        guidance=old.guidance,
        negative_prompt=old.negative_prompt,
        model=model or old.model,
        grid=plan.grid,
        max_seconds=factory.max_seconds,
    )
    return Order(request, factory, replace(plan, request=request), _warnings(request, factory))


def fill_order(
    order: Order,
    output: str | Path,
    *,
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
) -> Video:
    """Makes the ordered film, after making sure that there is room for it."""
    needed = space_for(order.request)
    output = writable_file(output, (".mp4",), needed)
    store = writable_store(str(store or default_store()), needed)
    video = generate_film(
        order.request, order.factory, output, store=store, engine=engine, plan=order.plan, on_event=on_event
    )
    return replace(video, warnings=order.warnings)


def plan_order(
    order: Order,
    output: str | Path | None = None,
    *,
    store: str | Path | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Plans the ordered film and writes the plan to `output` (.arrow) where given."""
    if output is not None:
        output = writable_file(output, (".arrow",))
    store = writable_store(str(store or default_store()))
    made = make_plan(order.request, order.factory, store=store, engine=_here(), on_event=on_event)
    if output is not None:
        write_plan(made, output)
    return made


def thumbnails(order: Order, made: Plan, *, store: str | Path | None = None) -> NDArray[np.uint8]:
    """A plan seen: one picture a semantic step, [S, H, W, 3]."""
    store = writable_store(str(store or default_store()))
    return preview_plan(made, order.factory, store=store, engine=_here())


def _here() -> EngineConfig:
    """One short call needs no cluster: starting one would take longer than planning."""
    return EngineConfig(in_process="RAY_ADDRESS" not in os.environ)


def _warnings(request: VideoRequest, factory: ModelFactory) -> tuple[str, ...]:
    unknown = factory.unknown_words(" ".join(shot.prompt for shot in request.shots))
    if not unknown:
        return ()
    words = ", ".join(repr(word) for word in unknown)
    known = ", ".join(dict.fromkeys(factory.known_words()))
    return (f"the demo model has never seen {words}; it knows: {known}",)
