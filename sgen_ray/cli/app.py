"""The commands of `sgen`, one module each; what is heavy (torch, Ray) is imported when a command runs.

A new command is a function with a docstring that holds an example, added to `COMMANDS`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from sgen_ray import __version__
from sgen_ray.cli.batch import batch
from sgen_ray.cli.edit import edit, extend
from sgen_ray.cli.following import approve, download, watch
from sgen_ray.cli.gc import gc
from sgen_ray.cli.generate import generate
from sgen_ray.cli.info import info
from sgen_ray.cli.jobs import cancel, jobs, resume, status, worker
from sgen_ray.cli.keys import keys
from sgen_ray.cli.kube_make import fetch, make
from sgen_ray.cli.plan import plan
from sgen_ray.cli.render import render
from sgen_ray.cli.serve import serve
from sgen_ray.cli.storyboard import storyboard
from sgen_ray.cli.submit import submit
from sgen_ray.cli.train import pack, train
from sgen_ray.cli.webhooks import webhooks
from sgen_ray.cli.world import world

COMMANDS = (
    generate,
    storyboard,
    plan,
    render,
    edit,
    extend,
    jobs,
    status,
    resume,
    cancel,
    submit,
    watch,
    approve,
    download,
    batch,
    make,
    fetch,
    worker,
    serve,
    gc,
    info,
    world,
    train,
    pack,
)

app = typer.Typer(
    name="sgen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Makes a video of up to a minute from a prompt: one plan of the whole film, rendered in parallel windows.",
)
for command in COMMANDS:
    app.command()(command)
for group in (keys, webhooks):
    app.add_typer(group)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sgen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, metavar="", help="Print the version and exit."),
    ] = False,
) -> None: ...
