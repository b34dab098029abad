"""Films that begin with a picture: how it is read, held through planning and rendering, kept with the plan."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_model
from PIL import Image
from toy_model import ToyFactory

from sgen_ray import orders, recorded
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.film import lay_out
from sgen_ray.engine.generate import generate_film, make_plan
from sgen_ray.engine.stored import find_latents
from sgen_ray.errors import RequestError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.database import database_url
from sgen_ray.jobs.fingerprints import local_backend
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.plan_file import plan_from_bytes, plan_to_bytes
from sgen_ray.media.pictures import MAX_BYTES, read_picture
from sgen_ray.models.factory import load_factory
from sgen_ray.types import Segment

LOCAL = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)


def picture(width: int, height: int, kind: str = "PNG", colour: tuple[int, ...] = (200, 100, 50)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB" if len(colour) == 3 else "RGBA", (width, height), colour).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_of_any_shape_covers_the_grid(kind):
    read = read_picture(picture(300, 100, kind), 16, 8)
    assert read.shape == (8, 16, 3) and read.dtype == np.uint8
    assert np.abs(read.astype(int) - [200, 100, 50]).max() <= 6


def test_what_sticks_out_is_cut_off_at_both_sides():
    wide = np.zeros((10, 60, 3), np.uint8)
    wide[:, 20:40] = 255  # the middle third is the middle 20x10
    file = io.BytesIO()
    Image.fromarray(wide).save(file, "PNG")
    assert read_picture(file.getvalue(), 20, 10).min() == 255


def test_a_picture_lies_as_its_camera_was_held():
    upright = Image.new("RGB", (8, 16))
    upright.paste((255, 0, 0), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: the stored left is the true top
    file = io.BytesIO()
    upright.rotate(90, expand=True).save(file, "PNG", exif=exif)
    assert (read_picture(file.getvalue(), 8, 16)[:4, :, 0] == 255).all()


def test_what_is_no_picture_is_refused_in_one_line(tmp_path):
    bomb = picture(9000, 9000)
    for data, says in (
        (b"GIF89a" + bytes(100), "no picture"),
        (picture(300, 200, "JPEG")[:300], "no picture"),
        (b"\x00" * (MAX_BYTES + 1), "10 MiB"),
        (bomb, "9000x9000"),
        (tmp_path / "none.png", "cannot be read"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(RequestError, match=says) as refused:
            read_picture(data, 16, 8)
        assert "\n" not in str(refused.value)


def test_the_first_latent_frame_is_the_pictures_and_only_the_first_window_knows_it(tmp_path):
    factory, request = ToyFactory(), toy_model.request(20, 2)
    seen = factory.see(np.full((32, 64, 3), (90, 200, 20), np.uint8))
    known = {"held": {0: seen.tokens}, "first": seen.latents}
    store = Artifacts(tmp_path / "store")
    generate_film(request, factory, tmp_path / "film.mp4", store=store.uri, engine=LOCAL, **known)
    plan = make_plan(request, factory, store=store.uri, engine=LOCAL, **known)
    assert np.array_equal(plan.semantic[0], seen.tokens) and np.array_equal(plan.first, seen.latents)

    without = make_plan(request, factory, store=store.uri, engine=LOCAL, held={0: seen.tokens})
    assert without.first is None and np.array_equal(without.semantic, plan.semantic)
    backend = local_backend("cpu")
    film, other = (lay_out(p, factory.halo, "toy-1", backend, LOCAL) for p in (plan, without))
    assert film.window_names[0] != other.window_names[0] and film.window_names[1:] == other.window_names[1:]
    latents = find_latents(store, film.window_names[0])
    assert latents is not None and np.array_equal(latents[:, 0], seen.latents)


def test_a_plan_file_keeps_it():
    factory = ToyFactory()
    seen = factory.see(np.full((32, 64, 3), (90, 200, 20), np.uint8))
    plan = factory.planner("cpu", 1).plan(toy_model.request(8))
    again = plan_from_bytes(plan_to_bytes(replace(plan, first=seen.latents)))
    assert np.array_equal(again.first, seen.latents) and again.first.dtype == np.float32
    assert plan_from_bytes(plan_to_bytes(plan)).first is None


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyFactory:
    factory = ToyFactory()
    for module in (orders, recorded):
        monkeypatch.setattr(module, "load_factory", lambda name: factory)
    return factory


def test_a_job_keeps_the_picture_until_a_worker_looks_at_it(tmp_path: Path, toy: ToyFactory):
    store = str(tmp_path / "store")
    order = orders.place_order("shot 0", model="toy", seconds=8, size="64x32", picture=picture(640, 320))
    assert order.picture is not None and order.held is None
    with Jobs(database_url(store), store) as jobs:
        job = recorded.record(jobs, order, None, engine=LOCAL)
        found = recorded.order_of(job, store)
    now = orders.seen(order)
    assert found.picture is None and found.first is not None and list(found.held) == [0]
    assert np.array_equal(found.first, now.first) and np.array_equal(found.held[0], now.held[0])
    assert orders.seen(now) is now


def test_an_edit_keeps_the_picture_where_it_keeps_the_first_shot(tmp_path: Path, toy: ToyFactory):
    seen = toy.see(np.full((32, 64, 3), (90, 200, 20), np.uint8))
    plan = make_plan(
        toy_model.request(20, 2), toy, store=tmp_path, engine=LOCAL, held={0: seen.tokens}, first=seen.latents
    )
    assert np.array_equal(orders.edit_order(plan, 2, "rain").first, seen.latents)
    assert np.array_equal(orders.extend_order(plan, 5, "rain").first, seen.latents)
    assert orders.edit_order(plan, 1, "rain").first is None


def test_the_model_that_comes_along_sees_a_still(tmp_path: Path):
    """Its latent decodes to the picture again."""
    factory = load_factory("nano")
    grid = factory.grid
    top = np.zeros((grid.height, grid.width, 3), np.uint8)
    top[: grid.height // 2] = (120, 180, 240)
    seen = factory.see(top)
    assert seen.tokens.shape == (grid.semantic_height, grid.semantic_width, grid.semantic_channels)
    assert seen.latents.shape == (grid.latent_channels, grid.latent_height, grid.latent_width)
    latents = np.repeat(seen.latents[:, None], 3, 1)
    segment = Segment(0, 0, 3, latent_start=0, latents=latents, frame_start=0, frame_stop=4)
    frames = factory.decoder("cpu", 1).decode(segment)
    assert np.abs(frames[0].astype(int) - top).mean() < 12
