"""`sgen render`: the film of a plan."""

from __future__ import annotations

from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.cli.filming import MAKING, Making, film, makes_films


@makes_films
def render(
    plan: Annotated[
        str, typer.Argument(help="A plan that sgen plan has made, or a job whose plan is in the store.", metavar="PLAN")
    ],
    size: o.Size = None,
    fps: o.Fps = None,
    steps: o.OwnSteps = None,
    model: o.OwnModel = None,
    making: Making = MAKING,
) -> None:
    """Render a plan into its film.

    sgen render plan.arrow -o film.mp4 --size 640x320 --fps 24
    """
    from sgen_ray import api

    film(
        lambda: api.reopen(
            plan, model=model, size=size, fps=fps, steps=steps, store=making.store, database=making.database
        ),
        making,
    )
