"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgen_ray import windows
from sgen_ray.request import LONG, LONG_PLAN_STEPS
from sgen_ray.types import VideoRequest

Prompt = Annotated[
    str | None,
    typer.Argument(
        help="What the film shows. With --shots: what goes before every shot's own prompt.", show_default=False
    ),
]
Shots = Annotated[
    Path | None,
    typer.Option(
        help="A story.yaml: a list of shots, each with prompt and seconds.", metavar="STORY", show_default=False
    ),
]
Image = Annotated[
    Path | None,
    typer.Option(metavar="PICTURE", help="A PNG, JPEG or WebP picture that the film begins with.", show_default=False),
]
Seconds = Annotated[
    float | None,
    typer.Option(help="Length of the film, 1 to 1200; by default the sum of the shots, or 60.", show_default=False),
]
Size = Annotated[
    str | None,
    typer.Option(
        help="Size of the film; by default the model's own, scaled up whole to at least 480 pixels wide.",
        metavar="WxH",
        show_default=False,
    ),
]
Fps = Annotated[
    int | None, typer.Option(help="Frames a second of the film; by default the model's own.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Another seed, another film; the same seed, the same film.")]
Steps = Annotated[int, typer.Option(help="Sampler steps a window: more is slower and finer.")]
OwnSteps = Annotated[
    int | None, typer.Option(help="Sampler steps a window; by default as the plan says.", show_default=False)
]
PlanSteps = Annotated[
    int | None,
    typer.Option(
        help=f"Sampler steps of the plan; by default {VideoRequest.plan_steps}, and {LONG_PLAN_STEPS} for films over "
        f"{LONG:g} s.",
        show_default=False,
    ),
]
Guidance = Annotated[float, typer.Option(help="How closely the plan follows the prompt.")]
Negative = Annotated[str, typer.Option("--negative", help="What the film should not show.", show_default=False)]
Model = Annotated[str, typer.Option(help="A model that comes with sgen (sgen info lists them) or a model folder.")]
OwnModel = Annotated[
    str | None, typer.Option(help="The model that made the plan, if its folder has moved.", show_default=False)
]
Seams = Annotated[
    windows.Seams, typer.Option(help="How the windows of a film come to agree; docs/seams.md compares the ways.")
]
Renderers = Annotated[
    int | None,
    typer.Option(help="Renderers at work; by default as many as the machine feeds.", min=1, show_default=False),
]
Store = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder that keeps plans, finished windows and segments, so that work goes on where it stopped; "
        "by default SGEN_STORE, or sgen-ray among your user data.",
        show_default=False,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Database of jobs, postgresql://…; by default SGEN_DATABASE, or jobs.db in the store.",
        show_default=False,
    ),
]
Film = Annotated[Path, typer.Option("--output", "-o", help="Where the film goes (.mp4).")]
Sheet = Annotated[Path | None, typer.Option(help="Also write a contact sheet of the film (.png).", show_default=False)]
Thumbnail = Annotated[
    Path | None, typer.Option(help="Also write one frame of the film as its thumbnail (.png).", show_default=False)
]
Spritesheet = Annotated[
    Path | None,
    typer.Option(
        help="Also write small pictures for a player's time bar (.png), with a WebVTT index beside (.vtt).",
        show_default=False,
    ),
]
Live = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        show_default=False,
        help="Also write film.m3u8 there, an HLS playlist that plays while the rest is made.",
    ),
]
Timeline = Annotated[
    Path | None,
    typer.Option(help="Also draw which renderer painted which window when (.png).", show_default=False),
]
Json = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON object on stdout instead of the summary.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="No progress.")]
