"""Ray nodes on one machine as pods would be: each its own address, host name, processes, /tmp and shared memory, a root
file system that cannot be written, and a user without rights; started by the commands that KubeRay makes of k8s/.

Needs root and Linux: network namespaces, joined by a bridge that leads nowhere else.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
NETWORK = "10.77.0"
HERE = f"{NETWORK}.254"
HEAD = f"{NETWORK}.1"
DASHBOARD = f"http://{HEAD}:8265"
_BIN = Path(sys.executable).parent
_HERE = {  # several nodes on a few cores: what is slow lives; a node that says nothing is given up after half a minute
    "RAY_health_check_initial_delay_ms": "0", "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "5000", "RAY_health_check_failure_threshold": "4",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    "RAY_worker_niceness": "0",  # Ray's are at nice 15: right for a pod's own cores, but others would starve them here
}  # fmt: skip


def overlay(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The RayService of an overlay of k8s/, as `scripts/manifests` prints it, and the settings of its pods."""
    built = subprocess.run([ROOT / "scripts/manifests", name], capture_output=True, text=True, check=True)
    documents = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(built.stdout)}
    return documents["RayService", "sgen"]["spec"], documents["ConfigMap", "sgen-settings"]["data"]


def deploy(command: Callable[[], object], tries: int = 3) -> None:
    """As KubeRay, which asks again where the answer is an error."""
    for left in reversed(range(tries)):
        try:
            command()
            return
        except RuntimeError:
            if not left:
                raise


def start_command(group: dict[str, Any], head: str | None, cpus: int | None = None) -> str:
    """What KubeRay has the container of a group run: its own parameters, and those that it adds. head: the address
    that a worker joins. cpus: instead of what the pod may use."""
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    parameters = {
        "block": "", "dashboard-agent-listen-port": "52365", "metrics-export-port": "8080", "num-cpus": limits["cpu"],
        "memory": str(int(limits["memory"].removesuffix("Gi")) << 30),
        "object-store-memory": str(300 << 20),  # which Ray finds by the pod's limit of memory, and there is none here
        **group.get("rayStartParams", {}),
    }  # fmt: skip
    if head is not None:
        parameters["address"] = f"{head}:6379"
        if cpus is not None:
            parameters["num-cpus"] = str(cpus)
    if "labels" in group:
        parameters["labels"] = ",".join(f"{name}={value}" for name, value in group["labels"].items())
    options = " ".join(f"--{name}={value}" if value else f"--{name}" for name, value in sorted(parameters.items()))
    return f"ulimit -n 65536; ray start {'--head ' if head is None else ''}{options}"


class Ended(Exception):
    """A node that was to live."""


@dataclass
class Node:
    """One of them. `process` is the first of its process namespace: with it all of its processes end."""

    name: str
    address: str
    process: subprocess.Popen[bytes]
    pid: int
    link: str
    env: dict[str, str] = field(repr=False)

    def run(self, line: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """A shell command inside, as a probe or `kubectl exec` runs it."""
        inside = ["nsenter", "--target", str(self.pid), "--mount", "--uts", "--net", "--pid"]
        return subprocess.run(
            [*inside, *_as_nobody(line)], env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )

    def running(self) -> bool:
        """Raises Ended where it has ended by itself."""
        if self.process.poll() is not None:
            raise Ended(self.name)
        return True

    def kill(self) -> None:
        """As if its power were cut."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait(30)

    def cut_off(self) -> None:
        """It lives on, and nobody hears of it."""
        subprocess.run(["ip", "link", "set", self.link, "down"], check=True)


class Nodes:
    """A cluster of them. `keep`: folders that all see, as a mounted volume is."""

    def __init__(self, keep: Sequence[Path], env: dict[str, str], log: Path) -> None:
        self.token = secrets.token_hex(16)
        self._keep = [ROOT, *keep]
        self._env = {
            "PATH": f"{_BIN}:{os.environ['PATH']}", "HOME": "/tmp", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "OMP_NUM_THREADS": "1", **_HERE, **env,
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
        }  # fmt: skip
        self._log = log
        self._tag = f"sg{os.getpid() % 10000}"
        self._names: list[str] = []
        self.nodes: list[Node] = []

    @property
    def env(self) -> dict[str, str]:
        """For programs here that talk to the cluster."""
        return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0"}

    def __enter__(self) -> Nodes:
        bridge = f"{self._tag}br"
        _ip(f"link add {bridge} type bridge", f"addr add {HERE}/24 dev {bridge}", f"link set {bridge} up")
        return self

    def __exit__(self, *exception: object) -> None:
        for node in self.nodes:
            node.kill()
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False)
        subprocess.run(["ip", "link", "delete", f"{self._tag}br"], check=False)

    def start(self, name: str, number: int, command: str, alive: Callable[[Node], bool]) -> Node:
        """A node at the address NETWORK.number, when it is alive; started again where it ends before, as a pod is."""
        self._connect(name, number)
        for _ in range(3):
            node = self._launch(name, number, command)
            self.nodes.append(node)
            with suppress(Ended):
                until(f"node {name}", lambda node=node: node.running() and alive(node))
                return node
        raise Ended(f"the node {name} ends again and again")

    def _connect(self, name: str, number: int) -> None:
        space, link, address = f"{self._tag}-{name}", f"{self._tag}{name}", f"{NETWORK}.{number}"
        self._names.append(space)
        _ip(
            f"netns add {space}",
            f"link add {link} type veth peer name eth0 netns {space}",
            f"link set {link} master {self._tag}br up",
            f"-n {space} addr add {address}/24 dev eth0",
            f"-n {space} link set eth0 up",
            f"-n {space} link set lo up",
            f"-n {space} route add default via {HERE}",  # by which a process learns its own address
        )

    def _launch(self, name: str, number: int, command: str) -> Node:
        space, link, address = f"{self._tag}-{name}", f"{self._tag}{name}", f"{NETWORK}.{number}"
        line = ["ip", "netns", "exec", space, "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
        line += ["--mount-proc", "bash", "-c", self._pod(name, command)]
        with (self._log / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(line, env=self._env, stdout=log, stderr=subprocess.STDOUT)
        return Node(name, address, process, _child(process.pid), link, self._env)

    def _pod(self, name: str, command: str) -> str:
        """The first process: makes what a pod has, then becomes the container's command."""
        lines = ["set -e", "mount --make-rprivate /", f"hostname {name}"]
        lines += ["mount -t tmpfs -o mode=1777,size=4g tmpfs /mnt"]
        for folder in self._keep:
            if folder.is_relative_to("/tmp"):
                place = shlex.quote(str(Path("/mnt") / folder.relative_to("/tmp")))
                lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(folder))} {place}"]
        lines += ["mount --move /mnt /tmp"]
        python = Path(sys.executable).resolve()
        if python.is_relative_to("/root"):  # which nobody but root may look into
            home = Path("/root") / python.relative_to("/root").parts[0]
            inner = Path("/mnt") / home.name
            lines += ["mount -t tmpfs -o mode=755 tmpfs /mnt", f"mkdir {inner}", f"mount --bind {home} {inner}"]
            lines += ["mount --move /mnt /root"]
        lines += ["mount -t tmpfs -o mode=1777,size=1g tmpfs /dev/shm", "mount -o remount,bind,ro /", "cd /tmp"]
        return "\n".join([*lines, "exec " + shlex.join(_as_nobody(command))])


def _as_nobody(line: str) -> list[str]:
    rights = "--reuid=1000 --regid=1000 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
    return ["setpriv", *rights.split(), "bash", "-c", line]


def _child(pid: int) -> int:
    """The one that `unshare` forks, as seen from here."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.02)
    raise TimeoutError("the node did not start")


def _ip(*lines: str) -> None:
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)


def until(what: str, done: Any, timeout: float = 400.0, pause: float = 1.0) -> float:
    """Seconds until `done()` is true."""
    begin = time.monotonic()
    while not done():
        if time.monotonic() - begin > timeout:
            raise TimeoutError(f"{what}: not after {timeout:.0f} s")
        time.sleep(pause)
    return time.monotonic() - begin


@contextmanager
def shared_database(folder: Path) -> Iterator[tuple[str, Path]]:
    """A PostgreSQL that every node reaches by its socket: a URL, and the folder to keep."""
    sys.path.insert(0, str(ROOT / "tests"))
    from postgres import postgres

    with postgres() as url:
        place = Path(url.partition("host=")[2])
        place.chmod(0o755)
        yield url.format("postgres"), place
