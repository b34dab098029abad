"""Runs the Dockerfile's install steps without a Docker engine: in a clean folder, with what a build is sent.

    python docker/rehearse.py [FOLDER]

Then, where it is root on Linux, it makes a film with what was installed, as the image's user and on a root file system
that cannot be written. TORCH_INDEX and so on are taken from the environment. It downloads all that the image holds.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def sent(path: str) -> bool:
    """Whether .dockerignore lets a file into the build; the last pattern that fits decides."""
    kept = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!").removeprefix("**/")
        if pattern and not line.startswith("#"):
            folders = [path, *map(str, Path(path).parents)]
            if any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(Path(name).name, pattern) for name in folders):
                kept = line.startswith("!")
    return kept


def stage(name: str) -> list[list[str]]:
    """The instructions of a stage of the Dockerfile, each as its name and the rest."""
    text = re.sub(r"\\\n", " ", (ROOT / "docker/Dockerfile").read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    begin = next(i for i, line in enumerate(lines) if line[0] == "FROM" and line[1].endswith(f" AS {name}"))
    end = next(i for i, line in enumerate(lines) if i > begin and line[0] == "FROM")
    return lines[begin + 1 : end]


def main(folder: Path) -> None:
    source, opt = folder / "source", folder / "opt"
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    for name, rest in stage("built"):
        match name:
            case "ARG":
                key, _, value = rest.partition("=")
                env.setdefault(key, value.strip('"'))
            case "ENV":
                env |= dict(part.split("=", 1) for part in rest.split())
            case "COPY":
                *sources, target = rest.split()
                for each in sources:
                    copy(each, source / target / Path(each).name if target == "./" else source / target)
            case "RUN":
                line = rest.replace("/tmp/", f"{folder}/").replace("/opt/sgen", str(opt))
                print(f"+ {' '.join(line.split())}", flush=True)
                subprocess.run(["bash", "-c", line], cwd=source, env=env, check=True)
    if os.geteuid() == 0:
        film(folder, opt)


def copy(path: str, target: Path) -> None:
    """Of the files that git knows, those that a build is sent."""
    listed = subprocess.run(["git", "ls-files", path], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if sent(name):
            place = target / Path(name).relative_to(path) if (ROOT / path).is_dir() else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place)


def film(folder: Path, opt: Path) -> None:
    python = Path(os.path.realpath(opt / "bin/python"))
    script = [
        "set -e", "mount --make-rprivate /", f"mount --bind {folder} {folder}",
        "mount -t tmpfs -o mode=1777 tmpfs /mnt",
        "mount -t tmpfs -o mode=1777 tmpfs /dev/shm",
    ]  # fmt: skip
    if python.is_relative_to("/root"):
        home = Path("/root") / python.relative_to("/root").parts[0]
        script += [f"mkdir /mnt/{home.name}", f"mount --bind {home} /mnt/{home.name}", "mount --move /mnt /root"]
        script += ["chmod 755 /root", "mount -t tmpfs -o mode=1777 tmpfs /mnt"]
    rights = "--reuid=1000 --regid=1000 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
    sgen = f"{opt}/bin/sgen generate 'a dog in the snow' --seconds 2 -o /mnt/film.mp4"
    script += ["mount -o remount,bind,ro /", "cd /mnt", f"HOME=/mnt TMPDIR=/mnt setpriv {rights} {sgen}"]
    folder.chmod(0o755)
    subprocess.run(["unshare", "--mount", "bash", "-c", "\n".join(script)], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory(prefix="sgen-image-", dir="/var/tmp") as clean:
            main(Path(clean))
