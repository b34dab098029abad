"""`sgen info`: what a film, a plan or a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sgen_ray.cli import options as o
from sgen_ray.errors import RequestError


def info(
    thing: Annotated[
        str | None,
        typer.Argument(
            help="A film, a plan, a model's name or its folder.", metavar="FILM|PLAN|MODEL", show_default=False
        ),
    ] = None,
    json: o.Json = False,
) -> None:
    """Tell what a film, a plan or a model is; without a name, which models there are.

    sgen info film.mp4

    sgen info plan.arrow --json
    """
    from sgen_ray.cli import show

    with show.working("nothing was changed"):
        facts = _models() if thing is None else _describe(thing)
    if json:
        show.show_json(facts)
    else:
        show.show_table(_in_short(facts))


def _in_short(facts: dict[str, Any]) -> dict[str, Any]:
    """Of how a model came about, what fits on a line; the records of its stages are in the JSON."""
    provenance = facts.get("provenance")
    if not isinstance(provenance, dict):
        return facts
    short = {name: value for name, value in provenance.items() if name not in ("stages", "note")}
    return {**facts, "note": provenance.get("note"), "provenance": short}


def _describe(thing: str) -> dict[str, Any]:
    path = Path(thing).expanduser()
    if not path.is_file():
        if not path.exists() and (path.suffix or len(path.parts) > 1):
            raise RequestError(f"{thing} does not exist; give a film, a plan, or a model (sgen info lists them)")
        return _model(thing)
    with path.open("rb") as file:
        return _plan(path) if file.read(6) == b"ARROW1" or path.suffix == ".arrow" else _film(path)


def _models() -> dict[str, Any]:
    from sgen_ray import __version__
    from sgen_ray.models.factory import list_models

    return {"version": __version__, "models": list_models()}


def _film(path: Path) -> dict[str, Any]:
    from sgen_ray.media.probe import probe

    film = probe(path)
    facts = {
        "kind": "film",
        "path": str(path),
        "seconds": film.seconds,
        "frames": film.frames,
        "fps": float(film.fps),
        "size": f"{film.width}x{film.height}",
        "codec": f"{film.codec} {film.pixel_format}".strip(),
    }
    return facts | film.provenance


def _plan(path: Path) -> dict[str, Any]:
    from sgen_ray.cli.show import plan_facts
    from sgen_ray.jobs.plan_file import read_plan

    return {"kind": "plan", "path": str(path), **plan_facts(read_plan(path))}


def _model(name: str) -> dict[str, Any]:
    from sgen_ray.models.factory import load_factory

    factory = load_factory(name)
    grid = factory.grid
    return {
        "kind": "model",
        "name": factory.name,
        "fingerprint": factory.fingerprint(),
        "native": f"{grid.width}x{grid.height}@{grid.fps}",
        "latents": f"{grid.latent_channels} channels, {grid.latent_height}x{grid.latent_width}, "
        f"{grid.fps / grid.temporal_compression:g} a second",
        "semantic": f"{grid.semantic_channels} channels, {grid.semantic_height}x{grid.semantic_width}, "
        f"{grid.fps / grid.frames_per_step:g} a second",
        "plans_at_once": factory.max_seconds,
        "knows": list(dict.fromkeys(factory.known_words())),
        "provenance": factory.facts.get("provenance"),
    }
