"""Which machine this is: leases say where their worker runs, as not everything may be shared by several."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """`boot` is a machine's since it was started, also inside its containers, which have names of their own. Empty
    where the system tells none."""

    name: str
    boot: str


def this_host() -> Host:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return Host(socket.gethostname(), boot)
