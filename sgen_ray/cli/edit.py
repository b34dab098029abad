"""`sgen edit` and `sgen extend`: change a film, and render again only what that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.cli.filming import MAKING, Making, film, makes_films

Source = Annotated[
    str,
    typer.Argument(
        help="A plan, or a film or a job whose plan is still in the store.", metavar="PLAN|FILM|JOB", show_default=False
    ),
]
KeptPlan = Annotated[Path | None, typer.Option(help="Also write the new plan (.arrow).", show_default=False)]


@makes_films
def edit(
    source: Source,
    prompt: Annotated[str, typer.Argument(help="What the shot shall show instead.", show_default=False)],
    shot: Annotated[int, typer.Option(help="Which shot, counted from 1.")] = 1,
    size: o.Size = None,
    fps: o.Fps = None,
    steps: o.OwnSteps = None,
    model: o.OwnModel = None,
    plan: KeptPlan = None,
    making: Making = MAKING,
) -> None:
    """Give one shot of a film another prompt; the other shots stay as they are.

    sgen edit water.mp4 --shot 2 "a storm over the mountains at night" -o storm.mp4

    sgen edit job_01k2x7m3qv9abcdefgh0 --shot 1 "snow over the ocean" -o snow.mp4

    The rest of the plan is held while the shot is planned anew, so the film still fits together, and only windows that
    see the shot are rendered.
    """
    from sgen_ray import api

    film(
        lambda: api.edit_order(
            source,
            shot,
            prompt,
            store=making.store,
            database=making.database,
            model=model,
            size=size,
            fps=fps,
            steps=steps,
        ),
        making,
        plan,
    )


@makes_films
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
    plan: KeptPlan = None,
    making: Making = MAKING,
) -> None:
    """Make a film longer, by a new shot or by more of its last one.

    sgen extend water.mp4 --seconds 15 "a boat sailing on the ocean at dusk" -o longer.mp4

    sgen extend plan.arrow --seconds 20 -o longer.mp4
    """
    from sgen_ray import api

    film(
        lambda: api.extend_order(
            source,
            seconds,
            prompt,
            store=making.store,
            database=making.database,
            model=model,
            size=size,
            fps=fps,
            steps=steps,
        ),
        making,
        plan,
    )
