"""What every command that makes a film does once it knows which: warn, make it with progress, show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sgen_ray.windows import SEAMS, Seams

if TYPE_CHECKING:
    from sgen_ray.orders import Order


def film(
    place: Callable[[], Order],
    output: Path,
    *,
    store: str | None,
    database: str | None,
    renderers: int | None,
    sheet: Path | None,
    timeline: Path | None,
    live: Path | None,
    seams: Seams = SEAMS,
    plan: Path | None = None,
    thumbnail: Path | None = None,
    spritesheet: Path | None = None,
    json: bool,
    quiet: bool,
) -> None:
    """Places the order, fills it and prints the result; what else is named is written too."""
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
            for path in (sheet, timeline, thumbnail, spritesheet)
        )
        engine = EngineConfig(renderers=renderers, seams=seams)
        with reporting(quiet) as on_event:
            if plan is not None:
                api.plan_order(order, plan, store=store, on_event=on_event)
            video = api.fill_order(
                order, output, store=store, database=database, engine=engine, live=live, on_event=on_event
            )
        if sheet is not None:
            write_sheet(video.path, sheet, order.request)
        if thumbnail is not None:
            write_thumbnail(video.path, thumbnail)
        if spritesheet is not None:
            write_spritesheet(video.path, spritesheet)
        if timeline is not None:
            write_timeline(video, timeline)
    show.show_video(video, json)
