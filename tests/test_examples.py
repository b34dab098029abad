"""The examples as people run them, on a real service with the model that comes along."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from service import listening

from sgen_ray.engine.config import EngineConfig
from sgen_ray.evaluation.adherence import world_frames
from sgen_ray.media.probe import probe
from sgen_ray.models.factory import load_factory
from sgen_ray.serving.app import build_app
from sgen_ray.serving.settings import Settings
from sgen_ray.worker import Worker
from sgen_ray.world import parse

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(store=str(tmp_path_factory.mktemp("store")), database=None)
    app = build_app(settings)
    engine = EngineConfig(in_process=True, renderers=2, threads=1, device="cpu")
    with listening(app) as address:
        worker = Worker(app.state.service.jobs, settings.store, engine)
        worker.start(1)
        yield address
        worker.stop(30)


def run(server: str, folder: Path, program: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / program), "--server", server, *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_product_demo_in_a_brands_colour(server: str, tmp_path: Path):
    grid = load_factory("nano").grid
    still = world_frames(parse("a green car in a studio", 0, 4), grid, 1)[0]
    Image.fromarray(still).save(tmp_path / "car.png")
    (tmp_path / "script.txt").write_text("{product} turning on a stand in a studio\n{product} in the city at night\n")
    out = run(server, tmp_path, "product_demo.py", "script.txt", "--picture", "car.png", "--seconds", "2")
    assert "the picture shows: green car" in out
    assert probe(tmp_path / "product.mp4").seconds == 2
    assert (tmp_path / "product.jpg").read_bytes().startswith(b"\xff\xd8")


def test_a_plan_is_seen_and_changed_before_it_is_rendered(server: str, tmp_path: Path):
    run(server, tmp_path, "previsualisation.py", "--seconds", "3")
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first != second
    assert probe(tmp_path / "previsualisation.mp4").seconds == 3


def test_one_prompt_becomes_an_explanation(server: str, tmp_path: Path):
    out = run(server, tmp_path, "explainer.py", "--seconds", "4")
    assert "shot 4, 1 s: a river flowing back to the ocean" in out and "seam ratio" in out
    assert probe(tmp_path / "explainer.mp4").seconds == 4


def test_a_cutscene_is_appended_to(server: str, tmp_path: Path):
    out = run(server, tmp_path, "cutscene.py", "--seconds", "3", "--shot", "1")
    assert out.count("ahead of what is being watched") == 2
    assert probe(tmp_path / "cutscene.mp4").seconds == 3
