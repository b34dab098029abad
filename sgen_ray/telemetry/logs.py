"""Log lines for people or as JSON, one object a line, each with the job, trace, request and tenant that it is about.

`set_up` is for processes of our own; in Ray's workers it may be called too. Our loggers get a handler of their own, so
that whatever Ray does to the root logger no line comes twice.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any, Literal, TextIO, get_args

from sgen_ray.telemetry.context import bound

Format = Literal["text", "json"]
FORMAT, FILE = "SGEN_LOG_FORMAT", "SGEN_LOG_FILE"
"""The environment's names for the format and the file: Ray's workers get these with the environment."""

_LOGGERS = ("sgen_ray", "uvicorn", "opentelemetry", "py.warnings")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def set_up(format: str | None = None, file: str | None = None, stream: TextIO | None = None) -> None:
    """Our log lines go to the end of `file`, by default to standard error or `stream`. What is not given is as the
    environment says. Processes that this one starts do the same; lines of several in one file stay whole.

    Raises:
        ValueError: there is no such format.
        OSError: the file cannot be written.
    """
    format = format or os.environ.get(FORMAT) or "text"
    if format not in get_args(Format):
        raise ValueError(f"logs are text or json, not {format!r}; change --log-format or {FORMAT}")
    os.environ[FORMAT] = format
    file = file or os.environ.get(FILE) or None
    if stream is None and file is not None:
        os.environ[FILE] = file
        handler: logging.StreamHandler[Any] = logging.FileHandler(file)
    else:
        handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    logging.captureWarnings(True)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers, logging.getLogger(name).propagate = [], name == "uvicorn.error"


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "message", bound fields and those given with `extra`, "error": the traceback}."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        # Control characters could make a line look like another one, or do something to a terminal.
        message = "".join(letter if letter.isprintable() else " " for letter in f"{record.getMessage()} {fields}")
        error = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{_time(record)} {record.levelname:7} {message.rstrip()}{error}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD and name[0] != "_"}
    return {**bound(), **given}


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"
