"""`sgen approve`: a plan that waits for approval goes on to its film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.cli.jobs import JobId, job_facts, opened


def approve(
    job: JobId,
    shots: Annotated[
        Path | None,
        typer.Option(
            metavar="STORY",
            help="A story.yaml in place of the shots that were asked for; it is planned anew.",
            show_default=False,
        ),
    ] = None,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """Let a job that waits for approval be rendered; a worker takes it from the queue, or sgen resume makes it here.

    sgen approve job_01k2x7m3qv9abcdefgh0

    sgen approve job_01k2x7m3qv9abcdefgh0 --shots story.yaml
    """
    from sgen_ray.cli import show
    from sgen_ray.orders import place_order

    with opened(store, database) as records:
        request = None
        if shots is not None:
            old = records.get(job).request
            order = place_order(
                shots=shots, model=old.model, size=(old.width, old.height), fps=old.fps, seed=old.seed, steps=old.steps,
                plan_steps=old.plan_steps, guidance=old.guidance, negative_prompt=old.negative_prompt,
            )  # fmt: skip
            show.warn(order.warnings)
            request = order.request
        facts = job_facts(records.approve(job, request=request))
    if json:
        show.show_json(facts)
    else:
        print(f"{job} is queued: a worker takes it, or sgen resume {job} makes it here")
