"""`sgen render`: the film of a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.windows import SEAMS


def render(
    plan: Annotated[
        str, typer.Argument(help="A plan that sgen plan has made, or a job whose plan is in the store.", metavar="PLAN")
    ],
    size: o.Size = None,
    fps: o.Fps = None,
    steps: o.OwnSteps = None,
    model: o.OwnModel = None,
    renderers: o.Renderers = None,
    seams: o.Seams = SEAMS,
    store: o.Store = None,
    database: o.Database = None,
    output: o.Film = Path("film.mp4"),
    sheet: o.Sheet = None,
    timeline: o.Timeline = None,
    live: o.Live = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Render a plan into its film.

    sgen render plan.arrow -o film.mp4 --size 640x320 --fps 24
    """
    from sgen_ray import api
    from sgen_ray.cli.filming import film

    film(
        lambda: api.reopen(plan, model=model, size=size, fps=fps, steps=steps, store=store, database=database),
        output,
        store=store,
        database=database,
        renderers=renderers,
        seams=seams,
        sheet=sheet,
        timeline=timeline,
        live=live,
        json=json,
        quiet=quiet,
    )
