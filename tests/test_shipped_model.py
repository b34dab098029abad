"""The model that comes with the package, through the whole system: real weights, real Ray, real ffmpeg."""

from pathlib import Path

import numpy as np
import pytest

from sgen_ray.api import place_order
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.generate import generate_film
from sgen_ray.media.probe import probe, read_frames
from sgen_ray.models.factory import list_models, load_factory
from sgen_ray.types import Shot, Video

SHOTS = (Shot("A red car drives through the desert", 5.0), Shot("A white boat on the ocean at night", 4.3))
SECONDS = 9.3


def film(folder: Path, renderers: int) -> Video:
    """Two shots, three windows of eight latent frames, from an empty store."""
    order = place_order(shots=SHOTS, seed=3, steps=2, plan_steps=4)
    engine = EngineConfig(renderers=renderers, threads=1, device="cpu", window=8, overlap=4, segment=4)
    return generate_film(order.request, order.factory, folder / "film.mp4", store=folder / "store", engine=engine)


@pytest.fixture(scope="module")
def films(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    """The same film by one, two and three renderers."""
    return [film(tmp_path_factory.mktemp("film"), n) for n in (1, 2, 3)]


def test_one_two_and_three_renderers_make_the_same_frames(films: list[Video]) -> None:
    frames = [read_frames(video.path) for video in films]
    assert len(frames[0]) == films[0].frames == round(SECONDS * 16)
    assert all(np.array_equal(frames[0], other) for other in frames[1:])
    assert [video.windows_rendered for video in films] == [films[0].windows] * 3 == [3] * 3


def test_a_shipped_model_says_where_it_comes_from() -> None:
    assert "nano" in list_models()
    factory = load_factory("nano")
    assert {"recipe", "provenance", "grid", "known"} <= set(factory.facts)
    assert factory.unknown_words("A purple giraffe walks on Mars") == ("giraffe",)
    assert factory.unknown_words("An astronaut walking on Mars, the Earth visible in the sky") == ()


def test_the_shipped_models_are_small() -> None:
    folder = load_factory("nano").folder
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 36 * 2**20


def test_the_film_says_what_it_is(films: list[Video]) -> None:
    found = probe(films[1].path)
    assert (found.codec, found.pixel_format, found.width) == ("h264", "yuv420p", 512)
    assert found.seconds == pytest.approx(SECONDS, abs=0.5 / 16)
    assert found.provenance["seed"] == 3
    assert found.provenance["fingerprint"] == load_factory("nano").fingerprint()
    assert "256x128@16" in found.provenance["native"]
