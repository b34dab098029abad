"""A table of wishes, one row a film: parquet, csv or jsonl; and the table of what became of them."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgen_ray.errors import OutputError, RequestError
from sgen_ray.types import Shot

COLUMNS = ("prompt", "shots", "seconds", "size", "fps", "seed", "steps", "plan_steps", "guidance", "negative_prompt",
           "model", "name")  # fmt: skip
_INTEGERS, _REALS = ("fps", "seed", "steps", "plan_steps"), ("seconds", "guidance")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows as they are; values that are missing or empty are left out.

    Raises:
        RequestError: the file cannot be read as its suffix says, has no rows, or a column that is not in `COLUMNS`.
    """
    try:
        match path.suffix.lower():
            case ".parquet":
                import pyarrow.parquet as pq

                rows = pq.read_table(path).to_pylist()
            case ".csv":
                with path.open(newline="", encoding="utf-8-sig") as file:
                    rows = list(csv.DictReader(file))
            case ".jsonl":
                lines = path.read_text("utf-8").splitlines()
                rows = [json.loads(line) for line in lines if line.strip()]
            case _:
                raise RequestError(f"{path} is no table of prompts; give a .parquet, .csv or .jsonl file")
    except (OSError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise RequestError(f"cannot read {path}: {reason}") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise RequestError(f"{path} has no rows; write one a film, with a prompt in each")
    for column in {str(column) for row in rows for column in row}:
        if column not in COLUMNS:
            raise RequestError(f"{path} has a column {column!r}; use {', '.join(COLUMNS)}")
    return [{name: value for name, value in row.items() if value not in (None, "")} for row in rows]


def wishes_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `place_order`. Raises RequestError."""
    wishes = {name: value for name, value in row.items() if name != "name"}
    for name in (*_INTEGERS, *_REALS):
        if isinstance(wishes.get(name), str):
            try:
                wishes[name] = int(wishes[name]) if name in _INTEGERS else float(wishes[name])
            except ValueError as error:
                raise RequestError(f"{name} is {wishes[name]!r}; write a number") from error
        elif name in _INTEGERS and isinstance(wishes.get(name), float) and wishes[name].is_integer():
            wishes[name] = int(wishes[name])  # a column of integers with gaps is read as one of floats
    if "shots" in wishes:
        wishes["shots"] = _shots(wishes["shots"])
    return wishes


def name_of(row: Mapping[str, Any], number: int) -> str:
    """The film's file, without .mp4: the row's own name, or its number and the beginning of its prompt."""
    if "name" in row:
        name = str(row["name"])
        if not re.fullmatch(r"[\w .()-]{1,120}", name) or name.startswith("."):
            raise RequestError(f"the name {name!r} makes no file; use letters, digits, spaces, - and _")
        return name.removesuffix(".mp4")
    words = re.sub(r"[^a-z0-9]+", "-", str(row.get("prompt", "story")).lower()).strip("-")
    return f"{number:05d}-{words[:40].strip('-') or 'film'}"


class Results:
    """results.jsonl in a folder: a line for each film as it ends, the last line of a row counting; and the same as
    results.parquet, without lines that were overtaken, written at the end."""

    def __init__(self, folder: Path) -> None:
        self._lines, self._table = folder / "results.jsonl", folder / "results.parquet"
        self.rows: dict[int, dict[str, Any]] = {}
        try:
            text = self._lines.read_text("utf-8") if self._lines.exists() else ""
        except OSError as error:
            raise OutputError(f"cannot read {self._lines}: {error.strerror}") from error
        for line in text.splitlines():
            try:
                row = json.loads(line)
                self.rows[int(row["row"])] = row
            except (ValueError, KeyError, TypeError):  # cut off when its process died
                continue
        self._cut_off = bool(text) and not text.endswith("\n")

    def add(self, row: dict[str, Any]) -> None:
        self.rows[row["row"]] = row
        try:
            with self._lines.open("a", encoding="utf-8") as file:
                file.write(("\n" if self._cut_off else "") + json.dumps(row) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {self._lines}: {error.strerror}") from error
        self._cut_off = False

    def close(self) -> None:
        """Raises OutputError."""
        if not self.rows:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        from sgen_ray.media.files import replacing

        columns = ["row", "name", "status", "error", "path", "job", "request", "seconds", "seam_ratio", "drift",
                   "motion", "windows_rendered", "windows_reused", "wall"]  # fmt: skip
        rows = [self.rows[number] for number in sorted(self.rows)]
        kinds = {"row": pa.int64(), "seconds": pa.float64(), "seam_ratio": pa.float64(), "motion": pa.float64(),
                 "wall": pa.float64(), "windows_rendered": pa.int64(), "windows_reused": pa.int64()}  # fmt: skip
        arrays = []
        for column in columns:
            values = [row.get(column) for row in rows]
            if column == "drift":
                values = [None if value is None else json.dumps(value) for value in values]
            arrays.append(pa.array(values, kinds.get(column, pa.string())))
        with replacing(self._table) as unfinished:
            pq.write_table(pa.table(arrays, names=columns), unfinished)


def _shots(value: Any) -> tuple[Shot, ...]:
    """A list of {prompt, seconds}, or that as JSON."""
    try:
        shots = json.loads(value) if isinstance(value, str) else value
        return tuple(Shot(str(shot["prompt"]), float(shot["seconds"])) for shot in shots)
    except (ValueError, TypeError, KeyError) as error:
        raise RequestError('shots is no list; write [{"prompt": "a fox", "seconds": 15}, …]') from error
