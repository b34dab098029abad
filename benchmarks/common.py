"""What every benchmark needs: options, processes, progress, a table on stdout, figures in a file."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from sgen_ray import __version__
from sgen_ray.evaluation.judge import Judge, judge_fingerprint, load_judge
from sgen_ray.evaluation.painting import Model, load_model
from sgen_ray.evaluation.shares import Share
from sgen_ray.models.decoding import to_pixels
from sgen_ray.models.factory import load_factory

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "ray", "diffusers", "transformers", "numpy")

torch.set_num_threads(1)  # every process here is one of several

T = TypeVar("T")
R = TypeVar("R")


def options(description: str, films: int, small: int = 2) -> argparse.ArgumentParser:
    """The options that all benchmarks share; `--small` is a toy run that proves the script."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", default="nano", help="a shipped model's name or a model folder")
    parser.add_argument("--films", type=int, default=films, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of captions and noise")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="processes of one thread")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for figures and sheets")
    parser.add_argument("--small", action="store_const", dest="films", const=small, help=f"the same as --films {small}")
    return parser


@cache
def model(name: str) -> Model:
    """Loaded once a process, on one thread."""
    return load_model(load_factory(name), threads=1)


@cache
def judge() -> Judge:
    return load_judge()


@torch.no_grad()
def reconstruct(ours: Model, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames [T, H, W, 3] of the model's grid through its autoencoder and back."""
    autoencoder = ours.decoder.autoencoder
    x = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    return to_pixels(autoencoder.decode(autoencoder.encode(x))[0].transpose(0, 1))[: len(frames)]


def each(work: Callable[[T], R], tasks: Sequence[T], workers: int, what: str) -> Iterator[R]:
    """work(task) of every task, in order, on `workers` processes; progress with the time left on stderr."""
    progress = Progress(len(tasks), what)
    if workers < 2 or len(tasks) < 2:
        for task in tasks:
            result = work(task)
            progress.step()
            yield result
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for result in pool.map(work, tasks):
            progress.step()
            yield result


class Progress:
    """`what 3/20, 41 s left` on stderr: one line that is written over on a terminal, else one line each."""

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what, self.done, self.began = total, what, 0, time.perf_counter()

    def step(self) -> None:
        self.done += 1
        spent = time.perf_counter() - self.began
        left = spent / self.done * (self.total - self.done)
        line = f"{self.what} {self.done}/{self.total}, {spent:.0f} s, {left:.0f} s left"
        last = self.done == self.total
        print(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, end="\n" if last or not sys.stderr.isatty() else "",
              file=sys.stderr, flush=True)  # fmt: skip


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; the first column is names."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def cell(value: object) -> str:
    """A figure as people read it: shares of a count with their interval, three digits, a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, Share):
        if value.interval is None:
            return "–"
        low, high = value.interval
        return f"{percent(value.value)} ({low * 100:.0f}–{high * 100:.0f})"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f} %"


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are there; None where none is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def save(
    name: str, arguments: argparse.Namespace, figures: dict[str, Any], judged: bool = True, painted: bool = True
) -> Path:
    """Figures, and everything needed to get them again, to `out`/`name`.json.

    `judged`, `painted`: whether they depend on the judge and on the model.
    """
    record = {
        "benchmark": name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": {k: v for k, v in vars(arguments).items() if k not in ("out", "model")},
        **({"model": _model(arguments.model)} if painted else {}),
        **({"judge": judge_fingerprint()} if judged else {}),
        "versions": {"sgen-ray": __version__, **{package: version(package) for package in PACKAGES}},
        "machine": machine(),
        "figures": figures,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    path: Path = arguments.out / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, default=_plain) + "\n")
    print(f"figures: {path}")
    return path


def _model(name: str) -> dict[str, str]:
    factory = load_factory(name)
    return {"name": factory.name, "fingerprint": factory.fingerprint()[:16]}


def machine() -> dict[str, Any]:
    """The hardware class: what may change a frame or a time, and nothing that names a machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "processor": _processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _plain(value: object) -> object:
    if isinstance(value, Share):
        return value.as_json()
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"{type(value).__name__} is no figure")
