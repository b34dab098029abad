"""What every command that makes a film takes, and does once it knows which: warn, make it with progress, show it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from sgen_ray.cli import options as o
from sgen_ray.windows import SEAMS

if TYPE_CHECKING:
    from sgen_ray.orders import Order


@dataclass(frozen=True)
class Making:
    """Options that are the same wherever a film is made: with what, where it goes, and what is written besides."""

    renderers: o.Renderers = None
    seams: o.Seams = SEAMS
    store: o.Store = None
    database: o.Database = None
    output: o.Film = Path("film.mp4")
    sheet: o.Sheet = None
    thumbnail: o.Thumbnail = None
    spritesheet: o.Spritesheet = None
    timeline: o.Timeline = None
    live: o.Live = None
    json: o.Json = False
    quiet: o.Quiet = False


MAKING = Making()


def makes_films(command: Callable[..., None]) -> Callable[..., None]:
    """For typer, which reads a command's options from its signature: those of `Making`, each by its own name, in place
    of the command's last parameter."""
    *own, last = inspect.signature(command).parameters.values()
    hints, shared = get_type_hints(command, include_extras=True), get_type_hints(Making, include_extras=True)
    names = {field.name for field in dataclasses.fields(Making)}

    def called(**options: Any) -> None:
        making = Making(**{name: value for name, value in options.items() if name in names})
        command(**{name: value for name, value in options.items() if name not in names}, **{last.name: making})

    parameters = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
    for field in dataclasses.fields(Making):
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter(field.name, kind, default=field.default, annotation=shared[field.name]))
    called.__name__, called.__doc__, called.__module__ = command.__name__, command.__doc__, command.__module__
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def film(place: Callable[[], Order], making: Making, plan: Path | None = None) -> None:
    """Places the order, fills it and prints the result; what else is named is written too, the new `plan` first."""
    from sgen_ray import api
    from sgen_ray.cli import show
    from sgen_ray.cli.progress import reporting
    from sgen_ray.cli.sheet import write_sheet, write_spritesheet, write_thumbnail, write_timeline
    from sgen_ray.engine.config import EngineConfig
    from sgen_ray.paths import writable_file

    with show.working("finished windows are kept in the store: sgen resume, or the same command again, goes on"):
        order = place()
        show.warn(order.warnings)
        sheet, timeline, thumbnail, spritesheet = (
            None if path is None else writable_file(path, (".png",))
            for path in (making.sheet, making.timeline, making.thumbnail, making.spritesheet)
        )
        engine = EngineConfig(renderers=making.renderers, seams=making.seams)
        with reporting(making.quiet) as on_event:
            if plan is not None:
                api.plan_order(order, plan, store=making.store, on_event=on_event)
            video = api.fill_order(
                order, making.output, store=making.store, database=making.database, engine=engine, live=making.live,
                on_event=on_event,
            )  # fmt: skip
        if sheet is not None:
            write_sheet(video.path, sheet, order.request)
        if thumbnail is not None:
            write_thumbnail(video.path, thumbnail)
        if spritesheet is not None:
            write_spritesheet(video.path, spritesheet)
        if timeline is not None:
            write_timeline(video, timeline)
    show.show_video(video, making.json)
