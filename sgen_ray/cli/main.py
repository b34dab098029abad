"""`sgen`: one module a command, imported here; what is heavy (torch, Ray) is imported when a command runs.

Exit codes: 0 done; 2 the input can be mended, said in one line; 130 stopped by Ctrl-C; 1 a fault of ours.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from sgen_ray import __version__
from sgen_ray.cli.generate import generate
from sgen_ray.cli.info import info
from sgen_ray.cli.plan import plan
from sgen_ray.cli.render import render
from sgen_ray.cli.world import world
from sgen_ray.errors import SgenError

app = typer.Typer(
    name="sgen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Makes a video of up to a minute from a prompt: one plan of the whole film, rendered in parallel windows.",
)
for command in (generate, plan, render, info, world):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sgen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; errors become one line on stderr."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` cleans up as Ctrl-C does
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="sgen", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        return _fail(f"{error.format_message()} (see sgen --help)", 2)
    except SgenError as error:
        return _fail(str(error), 2, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit complains again
        return 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" on {error.filename}" if error.filename else ""
            return _fail(f"no space left{where}; make room and run the same command again", 2, error)
        return _unexpected(error)
    except Exception as error:
        return _unexpected(error)


def _fail(message: str, code: int, error: BaseException | None = None) -> int:
    if error is not None and os.environ.get("SGEN_DEBUG"):
        traceback.print_exception(error)
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


def _unexpected(error: BaseException) -> int:
    with tempfile.NamedTemporaryFile("w", prefix="sgen-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(f"sgen {__version__}: {' '.join(sys.argv)}\n")
        traceback.print_exception(error, file=log)
    what = f"unexpected {type(error).__name__}: {str(error)[:200]}"
    return _fail(f"{what}; details are in {log.name} (SGEN_DEBUG=1 shows them here)", 1, error)


if __name__ == "__main__":
    sys.exit(main())
