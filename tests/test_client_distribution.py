"""sgen-ray-client as people get it: built, installed beside nothing but what it says it needs, and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
import toy_model
from packaging.requirements import Requirement
from served import app_of, film, serving

from sgen_ray import orders

ROOT = Path(__file__).parent.parent

USE = """
import importlib, pkgutil, sys
import sgen_ray_client
from sgen_ray_client import Client, NotFound, Retries

with Client(retries=Retries(attempts=2)) as client:
    events = []
    video = client.videos.wait(sys.argv[1], on_event=lambda event: events.append(event.type))
    try:
        client.videos.retrieve("job_none")
    except NotFound as error:
        print(error.code)
for module in pkgutil.iter_modules(sgen_ray_client.__path__):
    importlib.import_module(f"sgen_ray_client.{module.name}")
print(video.status, events[0], events[-1], client._calls._headers["User-Agent"])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"sgen_ray", "torch", "ray", "numpy", "httpx_sse"}))
"""


def needed(*names: str) -> dict[str, Distribution]:
    """Distributions installed here, and what they need in turn."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = distribution(name)
            wanted = [Requirement(line) for line in found[name].requires or ()]
            waiting += [each.name for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def install(wheel: Path, venv: Path) -> Path:
    """A new environment with the wheel and what it needs, linked from this one, so that no network is wanted; its
    interpreter. Nothing else can be imported there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        said = re.findall(r"^Requires-Dist: ([\w-]+)", archive.read(metadata).decode(), re.MULTILINE)
    assert sorted(said) == ["httpx", "pydantic"]
    for found in needed(*said).values():
        for file in {Path(str(file)).parts[0] for file in found.files or () if not str(file).startswith("..")}:
            if file != "__pycache__" and not (packages / file).exists():
                (packages / file).symlink_to(Path(str(found.locate_file(file))))
    return venv / "bin/python"


def test_it_is_built_installed_alone_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = subprocess.run(
        [ROOT / "scripts/build-client", tmp_path / "dist"],
        env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True,
    )  # fmt: skip
    assert build.returncode == 0, build.stderr
    (wheel,) = (tmp_path / "dist").iterdir()
    assert build.stdout.strip() == str(wheel)
    with zipfile.ZipFile(wheel) as archive:
        modules = {Path(name).name for name in archive.namelist() if name.startswith("sgen_ray_client/")}
    assert modules == {path.name for path in (ROOT / "sgen_ray/client").glob("*.py")} | {"py.typed"}

    python = install(wheel, tmp_path / "venv")
    monkeypatch.setattr(orders, "load_factory", lambda name: toy_model.ToyFactory())
    app = app_of(tmp_path / "store")
    with app.state.service.jobs as jobs, serving(app) as address:
        job = film(tmp_path / "store", jobs, toy_model.request())
        environment = {"SGEN_BASE_URL": address, "PATH": os.environ["PATH"]}
        used = subprocess.run(
            [python, "-c", USE, job.id], env=environment, cwd=tmp_path, capture_output=True, text=True
        )  # fmt: skip
    assert used.returncode == 0, used.stderr
    lines = used.stdout.splitlines()
    assert lines[0] == "not_found"
    assert re.fullmatch(r"completed state end sgen-ray-client/\d+\.\d+\.\d+", lines[1])
    assert lines[2] == "[]"
