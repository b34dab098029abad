"""`sgen edit` and `sgen extend`: change a film, and render again only what that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.windows import SEAMS

Source = Annotated[
    str,
    typer.Argument(
        help="A plan, or a film or a job whose plan is still in the store.", metavar="PLAN|FILM|JOB", show_default=False
    ),
]
KeptPlan = Annotated[Path | None, typer.Option(help="Also write the new plan (.arrow).", show_default=False)]


def edit(
    source: Source,
    prompt: Annotated[str, typer.Argument(help="What the shot shall show instead.", show_default=False)],
    shot: Annotated[int, typer.Option(help="Which shot, counted from 1.")] = 1,
    size: o.Size = None,
    fps: o.Fps = None,
    steps: o.OwnSteps = None,
    model: o.OwnModel = None,
    renderers: o.Renderers = None,
    seams: o.Seams = SEAMS,
    store: o.Store = None,
    database: o.Database = None,
    output: o.Film = Path("film.mp4"),
    plan: KeptPlan = None,
    sheet: o.Sheet = None,
    timeline: o.Timeline = None,
    live: o.Live = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Give one shot of a film another prompt; the other shots stay as they are.

    sgen edit water.mp4 --shot 2 "a storm over the mountains at night" -o storm.mp4

    sgen edit job_01k2x7m3qv9abcdefgh0 --shot 1 "snow over the ocean" -o snow.mp4

    The rest of the plan is held while the shot is planned anew, so the film still fits together, and only windows that
    see the shot are rendered.
    """
    from sgen_ray import api
    from sgen_ray.cli.filming import film

    film(
        lambda: api.edit_order(
            source, shot, prompt, store=store, database=database, model=model, size=size, fps=fps, steps=steps
        ),
        output,
        store=store,
        database=database,
        renderers=renderers,
        seams=seams,
        sheet=sheet,
        timeline=timeline,
        live=live,
        plan=plan,
        json=json,
        quiet=quiet,
    )


def extend(
    source: Source,
    prompt: Annotated[
        str | None, typer.Argument(help="A new shot; without it the last one goes on.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(help="How much longer; the whole film is at most 1200.")] = 10.0,
    size: o.Size = None,
    fps: o.Fps = None,
    steps: o.OwnSteps = None,
    model: o.OwnModel = None,
    renderers: o.Renderers = None,
    seams: o.Seams = SEAMS,
    store: o.Store = None,
    database: o.Database = None,
    output: o.Film = Path("film.mp4"),
    plan: KeptPlan = None,
    sheet: o.Sheet = None,
    timeline: o.Timeline = None,
    live: o.Live = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a film longer, by a new shot or by more of its last one.

    sgen extend water.mp4 --seconds 15 "a boat sailing on the ocean at dusk" -o longer.mp4

    sgen extend plan.arrow --seconds 20 -o longer.mp4
    """
    from sgen_ray import api
    from sgen_ray.cli.filming import film

    film(
        lambda: api.extend_order(
            source, seconds, prompt, store=store, database=database, model=model, size=size, fps=fps, steps=steps
        ),
        output,
        store=store,
        database=database,
        renderers=renderers,
        seams=seams,
        sheet=sheet,
        timeline=timeline,
        live=live,
        plan=plan,
        json=json,
        quiet=quiet,
    )
