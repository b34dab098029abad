"""`sgen train` and `sgen pack`: from the demo world to a model folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o


class StageName(StrEnum):
    encoder = "encoder"
    autoencoder = "autoencoder"
    renderer = "renderer"
    planner = "planner"
    details = "details"
    distil = "distil"


def train(
    stage: Annotated[StageName, typer.Argument(help="What to train; encoder and autoencoder come first.")],
    recipe: Annotated[str, typer.Option(help="nano, the shipped model, or tiny, a larger one for a GPU.")] = "nano",
    folder: Annotated[Path | None, typer.Option(help="Where the run lives.", show_default="runs/RECIPE")] = None,
    minutes: Annotated[float, typer.Option(help="Length of this slice; the next call goes on from there.")] = 9.0,
    steps: Annotated[int | None, typer.Option(help="Steps in all, instead of the recipe's.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU where there is one.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of each process.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="How many train together: one a core, or one a GPU.")] = 1,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the transformer blocks first: minutes, then a third less a step.")
    ] = False,
    drawers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that draw examples beside; for a GPU all cores but two, else 0."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of data, noise and initial weights.")] = 0,
    start: Annotated[
        str | None, typer.Option("--from", help="A model, by name or folder, whose weights a new run begins with.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train one part of a model on the demo world, for a slice of time.

    sgen train encoder --minutes 20

    sgen train renderer --recipe tiny --minutes 9

    sgen train renderer --from nano --folder runs/longer --minutes 60

    The run's folder holds the state, metrics.jsonl, evaluation.jsonl and sample sheets of each stage, and the model so
    far in model/. Stages: encoder, autoencoder, renderer, planner, in this order; renderer and planner may run side by
    side. Then details may make a trained renderer's pictures finer, and distil may fold its guidance into it, which
    halves what a step of painting takes.
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.progress import training

    folder = folder or Path("runs") / recipe
    with show.working("the state is saved; run the same command to go on"):
        from sgen_ray.models.factory import load_factory
        from sgen_ray.training.run import train as run

        origin = load_factory(start).folder if start else None
        with training(stage.value, quiet) as on_step:
            figures = run(
                stage.value, recipe, folder, minutes, steps, device, threads, seed, origin, on_step,
                processes, compiled, drawers,
            )  # fmt: skip
    facts = {"stage": stage.value, "folder": str(folder), **{k: round(v, 4) for k, v in figures.items()}}
    show.show_json(facts) if json else show.show_table(facts)


def pack(
    folder: Annotated[Path, typer.Argument(help="A run of sgen train; it may lack the stages details and distil.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to write.")],
    note: Annotated[str, typer.Option(help="Kept in the model's provenance: hardware, date, purpose.")] = "",
    json: o.Json = False,
) -> None:
    """Pack a trained model for use: half-precision weights, with their provenance.

    sgen pack runs/nano -o my-model

    sgen generate "a red car in the desert" --model my-model
    """
    from sgen_ray.cli import show

    with show.working("nothing was written"):
        from sgen_ray.training.pack import pack as run

        size = run(folder, output, {"note": note} if note else None)
    facts = {"model": str(output), "MiB": round(size / 2**20, 2)}
    show.show_json(facts) if json else show.show_table(facts)
