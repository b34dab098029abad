"""docker/: linted by hadolint, pinned, and what it copies and calls is there; docker/rehearse.py runs its steps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from manifests import ROOT, check_command

sys.path.insert(0, str(ROOT / "docker"))
from rehearse import sent, stage

DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()


def instructions(name: str) -> list[str]:
    text = re.sub(r"\\\n", " ", DOCKERFILE)
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "docker/Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    broken = tmp_path / "Dockerfile"
    broken.write_text(DOCKERFILE.replace("--no-install-recommends ", ""))
    assert subprocess.run([hadolint, broken], capture_output=True, check=False).returncode == 1


def test_images_are_pinned_and_run_as_nobody_in_particular() -> None:
    assert re.fullmatch(r"PYTHON=3\.11\.\d+-slim-bookworm", instructions("ARG")[0])
    assert all(line.startswith("python:${PYTHON}") for line in instructions("FROM"))
    assert instructions("USER") == ["1000:1000"]  # the user that k8s/ runs it as
    assert len(instructions("HEALTHCHECK")) == 1
    assert "--constraint constraints.txt" in " ".join(instructions("RUN")[0].split())


def test_what_is_copied_is_sent_and_the_rest_is_not() -> None:
    for line in instructions("COPY"):
        if "--from" not in line:
            *sources, _ = line.split()
            assert all((ROOT / source).exists() and sent(source) for source in sources)
    assert sent("sgen_ray/weights/nano/renderer/diffusion_pytorch_model.safetensors")
    assert not any(
        map(sent, ["tests/micro.py", ".git/config", "docs/jobs.md", "sgen_ray/__pycache__/api.cpython-311.pyc"])
    )


def test_requirements_are_those_of_the_package() -> None:
    told = subprocess.run([sys.executable, ROOT / "docker/requirements.py"], capture_output=True, text=True, check=True)
    assert "torch==2.13.0" in told.stdout.splitlines()


def test_what_it_starts_by_itself_is_a_command() -> None:
    line = instructions("CMD")[-1]
    check_command(" ".join(re.findall(r'"([^"]+)"', line)))


def test_the_rehearsal_finds_the_steps_that_install() -> None:
    steps = stage("built")
    assert [name for name, _ in steps] == ["ARG", "ENV", "WORKDIR", "COPY", "COPY", "RUN", "COPY", "RUN"]
    assert "pip install --no-deps ." in steps[-1][1]
