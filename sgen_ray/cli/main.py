"""The entry of `sgen`: runs one command and turns whatever happens into an exit code and at most one line.

Exit codes: 0 done; 2 the input can be mended; 130 stopped by Ctrl-C or `kill`; 1 a fault of ours.
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, by default that of `sys.argv`, and returns its exit code."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` cleans up as Ctrl-C does
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _stopped("the work had not begun")


def _run(arguments: Sequence[str] | None) -> int:
    import typer

    from sgen_ray.cli.app import app
    from sgen_ray.cli.show import Stopped
    from sgen_ray.errors import SgenError

    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="sgen", standalone_mode=False)
    except Stopped as stop:
        return _stopped(str(stop))
    except typer.TyperException as error:
        message = error.format_message()
        return _fail(f"{message} (see sgen --help)", 2) if message else 2  # without arguments: the help was shown
    except SgenError as error:
        return _fail(str(error), 2, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit complains again
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return _unexpected(error)
        where = f" on {error.filename}" if error.filename else ""
        return _fail(f"no space left{where}; make room and run the same command again", 2, error)
    except Exception as error:
        return _unexpected(error)
    if code == 130:  # typer's own answer to Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _stopped(hint: str) -> int:
    print(f"stopped; {hint}", file=sys.stderr)
    return 130


def _fail(message: str, code: int, error: BaseException | None = None) -> int:
    if error is not None and os.environ.get("SGEN_DEBUG"):
        traceback.print_exception(error)
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


def _unexpected(error: BaseException) -> int:
    from sgen_ray import __version__

    with tempfile.NamedTemporaryFile("w", prefix="sgen-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(f"sgen {__version__}: {' '.join(sys.argv)}\n")
        traceback.print_exception(error, file=log)
    what = f"unexpected {type(error).__name__}: {str(error)[:200]}"
    return _fail(f"{what}; details are in {log.name} (SGEN_DEBUG=1 shows them here)", 1, error)


if __name__ == "__main__":
    sys.exit(main())
