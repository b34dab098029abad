"""`sgen batch`: a table of prompts becomes a folder of films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.types import VideoRequest


def batch(
    prompts: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A .parquet, .csv or .jsonl file, a row a film.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="For the films.")] = Path("films"),
    seconds: o.Seconds = None,
    size: o.Size = None,
    fps: o.Fps = None,
    model: o.Model = VideoRequest.model,
    renderers: o.Renderers = None,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a film of every row of a table; run it again to go on after anything.

    sgen batch prompts.csv -o films --seconds 20

    Columns: prompt, or shots as a JSON list; seconds, size, fps, seed, steps, plan_steps, guidance, negative_prompt,
    model, name. Options hold for rows that do not say. What became of each row is in results.jsonl and results.parquet
    in the folder. The exit code is 2 where a row failed; the others are made all the same.
    """
    from sgen_ray import batch as films
    from sgen_ray.cli import show
    from sgen_ray.cli.progress import counting
    from sgen_ray.engine.config import EngineConfig
    from sgen_ray.rows import read_rows

    with show.working("films that are finished are kept: run the same command again to go on"):
        rows = read_rows(prompts)
        wishes = {"seconds": seconds, "size": size, "fps": fps, "model": model}
        with counting("films", len(rows), quiet) as count:

            def on_row(number: int, line: str) -> None:
                count(number)
                if not quiet:
                    print(f"row {number} of {len(rows)}: {line}")

            done = films.run(
                rows, output, defaults={name: value for name, value in wishes.items() if value is not None},
                store=store, database=database, engine=EngineConfig(renderers=renderers), on_row=on_row,
            )  # fmt: skip
    if json:
        show.show_json({"path": str(output), "made": done.made, "skipped": done.skipped, "failed": done.failed,
                        "errors": list(done.errors)})  # fmt: skip
    else:
        print(f"{output}: {done.made} films made, {done.skipped} were there, {done.failed} failed")
    if done.failed:
        raise typer.Exit(2)
