"""A worker's name, by which others on its host see whether its process still lives: no need to wait for its lease."""

from __future__ import annotations

import os
import re

import psutil


def this_owner(what: str, actor: str = "") -> str:
    """`what` it is, its process, and when that was started, as numbers of processes are given out again; and the id of
    the Ray actor that it is, by which others on its cluster see the same from other hosts."""
    name = f"{what} {os.getpid()}@{psutil.Process().create_time():.2f}"
    return f"{name}, actor {actor}" if actor else name


def is_gone(owner: str) -> bool:
    """True where the owner, of this host, has died; False where it lives or is not known by its process."""
    found = re.search(r" (\d+)@(\d+\.\d\d)(, actor \w+)?$", owner)
    if found is None:
        return False
    try:
        process = psutil.Process(int(found[1]))
        return f"{process.create_time():.2f}" != found[2] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def actor_of(owner: str) -> str | None:
    """The id of the Ray actor that the owner is; None where it is none."""
    found = re.search(r", actor (\w+)$", owner)
    return None if found is None else found[1]
