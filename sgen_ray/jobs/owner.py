"""A worker's name, by which others on its host see whether its process still lives: no need to wait for its lease."""

from __future__ import annotations

import os
import re

import psutil


def this_owner(what: str) -> str:
    """`what` it is, its process, and when that was started, as numbers of processes are given out again."""
    return f"{what} {os.getpid()}@{psutil.Process().create_time():.2f}"


def is_gone(owner: str) -> bool:
    """True where the owner, of this host, has died; False where it lives or is not known by its process."""
    found = re.search(r" (\d+)@(\d+\.\d\d)$", owner)
    if found is None:
        return False
    try:
        process = psutil.Process(int(found[1]))
        return f"{process.create_time():.2f}" != found[2] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
