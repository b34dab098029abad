"""What a process brings in decides how soon it can work: each of these runs in a fresh one."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("work", "not_needed"),
    [
        ("import sgen_ray.engine.actors", ("torch", "ray", "diffusers", "transformers", "av", "PIL")),
        ("import sgen_ray.api", ("torch", "ray", "diffusers", "transformers")),
        (
            "from sgen_ray.client import Client, AsyncClient; Client().close()",
            ("torch", "ray", "numpy", "pyarrow", "sqlalchemy", "yaml", "typer", "fastapi"),
        ),
        ("import sgen_ray.client.schema", ("httpx", "numpy")),  # what the server needs of it
        ("import sgen_ray.cli.app", ("torch", "ray", "httpx", "pydantic", "sqlalchemy", "pyarrow")),
        (
            "from sgen_ray.models.factory import load_factory; f = load_factory('nano'); f.renderer(); f.decoder()",
            ("torch._dynamo", "transformers.modeling_utils", "sgen_ray.world"),
        ),
        (
            "import torch, sgen_ray.models.base; torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1))",
            ("transformers.modeling_utils",),
        ),
    ],
)
def test_work_brings_in_no_more_than_it_needs(work: str, not_needed: tuple[str, ...]) -> None:
    script = f"{work}\nimport sys; print(*(name for name in {not_needed!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout.strip()) == (0, ""), found.stderr
