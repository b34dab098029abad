"""How many renderers, and where: pure functions of what a machine or a cluster has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

RENDERER_BYTES = 1 << 30
"""Memory that one CPU renderer is taken to need: torch, weights and one window in flight."""

RENDERER_THREADS, PLANNER_THREADS = 1, 2
"""The same on every machine unless asked for otherwise: two threads sum in another order than one, so the last bits of
a film would hang on the number of cores. More renderers of one thread were faster than fewer of two, too."""


@dataclass(frozen=True)
class Machine:
    """What there is: cores and bytes that this process may use, GPUs and their name ("" where none or unknown)."""

    cpus: int
    gpus: int
    memory: int
    accelerator: str = ""


@dataclass(frozen=True)
class Layout:
    """What to start: `renderers` with `threads` each on `device`; `cpus` and `gpus` are what each asks Ray for. The
    planner works while renderers load, and may have more threads."""

    renderers: int
    threads: int
    device: str
    cpus: float
    gpus: float
    planner_threads: int = 1


def choose(
    machine: Machine, windows: int, renderers: int | None = None, threads: int | None = None, device: str = "auto"
) -> Layout:
    """One renderer a GPU where there are some; otherwise one a core, as far as memory and windows go round.

    What is asked for explicitly is given; more renderers than cores then share them.
    """
    assert windows > 0
    if device == "auto":
        device = "cuda" if machine.gpus else "cpu"
    if device == "cuda":
        count = renderers or max(1, min(machine.gpus, windows))
        return Layout(count, threads or 1, device, cpus=0.0, gpus=1.0)
    cores = max(1, machine.cpus)
    room = max(1, machine.memory // RENDERER_BYTES)
    count = renderers or min(cores, windows, room)
    each = threads or RENDERER_THREADS
    # In ten-thousandths, the grain of Ray's resources, rounded down so that all of them fit at once.
    share = int(min(each, cores / count) * 10_000) / 10_000
    return Layout(count, each, device, cpus=share, gpus=0.0, planner_threads=PLANNER_THREADS)


def this_machine() -> Machine:
    """Cores by affinity and cgroup, memory available now, and NVIDIA GPUs as the driver lists them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if (quota := _cgroup_cores()) is not None:
        cores = min(cores, quota)
    names = _gpu_names()
    return Machine(max(1, cores), len(names), _memory(), " + ".join(sorted(set(names))))


def _cgroup_cores() -> int | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))


def _memory() -> int:
    free = int(psutil.virtual_memory().available)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, max(0, int(limit) - used))


def _gpu_names() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return []
    names = []
    for facts in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = dict(line.split(":", 1) for line in facts.read_text().splitlines() if ":" in line)
        names.append(lines.get("Model", "GPU").strip())
    return names if visible is None else names[: len(visible.split(","))]


def tree_memory(root: int) -> int:
    """Bytes that a process and all its descendants occupy now; pages that several share count once, by their share."""
    try:
        parent = psutil.Process(root)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_proportional(process) for process in family)


def _proportional(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    except (OSError, IndexError, ValueError):
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
