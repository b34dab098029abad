"""`sgen storyboard`: one prompt split into the shots of a story.yaml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o


def storyboard(
    prompt: Annotated[str, typer.Argument(help="What the film tells.", show_default=False)],
    seconds: Annotated[float, typer.Option(min=1, max=1200, help="Length of the whole film.")] = 60,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where it goes (.yaml); by default it is printed.", show_default=False),
    ] = None,
    llm: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A language model that writes it, by its OpenAI-compatible address, like http://127.0.0.1:11434/v1; "
            "its key is taken from OPENAI_API_KEY. By default it is split by rules.",
            show_default=False,
        ),
    ] = None,
    llm_model: Annotated[
        str, typer.Option(metavar="NAME", help="What the language model is called there.")
    ] = "default",
    model: o.Model = "nano",
    json: o.Json = False,
) -> None:
    """Split a prompt into shots, to look at and change before a film is made of them.

    sgen storyboard "a one-minute video explaining the water cycle" -o story.yaml

    sgen generate --shots story.yaml -o water.mp4
    """
    from sgen_ray.cli import show
    from sgen_ray.media.files import replacing
    from sgen_ray.models.factory import load_factory
    from sgen_ray.paths import writable_file
    from sgen_ray.storyboard import asked_storyboard, story_yaml
    from sgen_ray.storyboard import storyboard as by_rule

    if output is not None:
        output = writable_file(output, (".yaml", ".yml"))
    factory = load_factory(model)
    if llm is None:
        shots = by_rule(prompt, seconds)
    else:
        key = os.environ.get("OPENAI_API_KEY")
        shots = asked_storyboard(prompt, seconds, llm, llm_model, key=key, known=factory.known_words())
    if unknown := factory.unknown_words(" ".join(shot.prompt for shot in shots)):
        show.warn([f"the demo model has never seen {', '.join(map(repr, unknown))}; change these words"])
    text = story_yaml(shots)
    if output is not None:
        with replacing(output) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    if json:
        show.show_json(
            {"shots": [{"prompt": s.prompt, "seconds": s.seconds} for s in shots], "path": output and str(output)}
        )
    elif output is not None:
        print(f"{len(shots)} shots in {output}; sgen generate --shots {output} makes the film")
    else:
        print(text, end="")
