"""`sgen plan`: the storyboard, before any rendering."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.types import VideoRequest


def plan(
    prompt: o.Prompt = None,
    shots: o.Shots = None,
    image: o.Image = None,
    seconds: o.Seconds = None,
    size: o.Size = None,
    fps: o.Fps = None,
    seed: o.Seed = VideoRequest.seed,
    steps: o.Steps = VideoRequest.steps,
    plan_steps: o.PlanSteps = None,
    guidance: o.Guidance = VideoRequest.guidance,
    negative: o.Negative = VideoRequest.negative_prompt,
    model: o.Model = VideoRequest.model,
    store: o.Store = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the plan goes (.arrow).")] = Path("plan.arrow"),
    preview: Annotated[
        Path | None, typer.Option(help="Also write the plan as a filmstrip (.png).", show_default=False)
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Plan a film and look at it before it is rendered.

    sgen plan "a whale swimming under water" --seconds 30 -o whale.arrow --preview whale.png

    sgen render whale.arrow -o whale.mp4
    """
    from sgen_ray import api
    from sgen_ray.cli import show
    from sgen_ray.cli.progress import reporting
    from sgen_ray.cli.sheet import write_filmstrip
    from sgen_ray.paths import writable_file

    with show.working("nothing was written; run the same command again"):
        order = api.place_order(
            prompt,
            shots=shots or (),
            picture=image,
            seconds=seconds,
            size=size,
            fps=fps,
            seed=seed,
            steps=steps,
            plan_steps=plan_steps,
            guidance=guidance,
            negative_prompt=negative,
            model=model,
        )
        show.warn(order.warnings)
        if preview is not None:
            preview = writable_file(preview, (".png",))
        with reporting(quiet) as on_event:
            made = api.plan_order(order, output, store=store, on_event=on_event)
        if preview is not None:
            write_filmstrip(api.thumbnails(order, made, store=store), made, preview)
    facts = {"path": str(output), "preview": None if preview is None else str(preview), **show.plan_facts(made)}
    if json:
        show.show_json(facts)
    else:
        show.show_table(facts)
