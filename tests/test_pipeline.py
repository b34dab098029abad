"""SemanticGenPipeline as a diffusers user knows pipelines, and packing a trained model for it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from micro import micro_model
from PIL import Image

from sgen_ray.errors import ModelError, OutputError
from sgen_ray.models.factory import load_factory
from sgen_ray.models.pipeline import SemanticGenPipeline
from sgen_ray.request import make_request
from sgen_ray.training.pack import pack
from sgen_ray.types import Shot, Window

SHORT = {"seconds": 2, "num_inference_steps": 2, "planning_steps": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    micro_model(run)
    state = run / "renderer" / "state"
    state.mkdir(parents=True)
    (state / "state.json").write_text(json.dumps({"seed": 0, "step": 7, "seconds": 12.3}))
    (run / "renderer" / "evaluation.jsonl").write_text('{"held_out": {"loss_none": 0.5}}\n')
    return run


@pytest.fixture(scope="module")
def packed(run: Path) -> Path:
    pack(run, run / "packed", {"note": "a test"})
    return run / "packed"


@pytest.fixture(scope="module")
def pipe(packed: Path) -> SemanticGenPipeline:
    pipe = SemanticGenPipeline.from_pretrained(packed)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_output_types(pipe: SemanticGenPipeline) -> None:
    pil = pipe("a red car", **SHORT)
    assert len(pil.frames) == 1 and len(pil.frames[0]) == 16
    assert isinstance(pil.frames[0][0], Image.Image) and pil.frames[0][0].size == (64, 32)
    array = pipe("a red car", **SHORT, output_type="np").frames
    assert array.shape == (1, 16, 32, 64, 3) and array.dtype == np.float32 and 0 <= array.min() <= array.max() <= 1
    np.testing.assert_array_equal(np.asarray(pil.frames[0][3]), (array[0, 3] * 255).round().astype(np.uint8))
    (tensor,) = pipe("a red car", **SHORT, output_type="pt", return_dict=False)
    np.testing.assert_array_equal(tensor.permute(0, 1, 3, 4, 2).numpy(), array)
    latents = pipe(["a red car", "a whale"], **SHORT, output_type="latent")
    assert [x.shape for x in latents.frames] == [(8, 4, 4, 8)] * 2 and len(latents.plans) == 2
    with pytest.raises(ValueError, match="output_type"):
        pipe("a red car", output_type="mp4")


def test_the_generators_seed_is_the_films_seed(pipe: SemanticGenPipeline) -> None:
    def frames(seed: int) -> np.ndarray:
        return pipe("a red car", **SHORT, generator=torch.Generator().manual_seed(seed), output_type="np").frames

    np.testing.assert_array_equal(frames(3), frames(3))
    assert np.abs(frames(3) - frames(4)).max() > 0.05
    plain = pipe("a red car", **SHORT, output_type="np").frames
    np.testing.assert_array_equal(frames(0), plain)


def test_shots_and_the_callback(pipe: SemanticGenPipeline) -> None:
    told: list[int] = []
    shots = [Shot("a red car", 2), Shot("a whale", 1)]
    made = pipe(
        shots=shots, num_inference_steps=2, planning_steps=1, output_type="latent",
        callback_on_step_end=lambda pipe, step, t, kwargs: told.append(step) or kwargs,
    )  # fmt: skip
    assert made.plans[0].shot_starts == (0, 4) and told == [0, 1, 2, 3]  # the second of two steps is made of three


def test_saved_and_loaded_again_the_film_is_the_same(pipe: SemanticGenPipeline, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    again = SemanticGenPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    first, second = (p("a red car", **SHORT, output_type="np").frames for p in (pipe, again))
    np.testing.assert_array_equal(first, second)


def test_engine_and_pipeline_make_the_same_latents(pipe: SemanticGenPipeline, packed: Path) -> None:
    factory = load_factory(str(packed))
    request = make_request("a red car", seconds=2, steps=2, plan_steps=2, grid=factory.grid)
    plan = factory.planner().plan(request)
    latents = factory.renderer().render(plan, Window(0, 0, plan.latent_frames))
    np.testing.assert_array_equal(pipe("a red car", **SHORT, output_type="latent").frames[0], latents)


def wrong(ours: np.ndarray, theirs: np.ndarray) -> float:
    """How far apart, of how large."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_packing_halves_the_weights_and_hardly_changes_the_film(run: Path, packed: Path) -> None:
    whole, half = (load_factory(str(folder)) for folder in (run / "model", packed))
    assert sum(p.stat().st_size for p in packed.rglob("*.safetensors")) < 0.6 * sum(
        p.stat().st_size for p in (run / "model").rglob("*.safetensors")
    )
    request = make_request("a red car", seconds=2, steps=2, plan_steps=2, grid=whole.grid)
    plans = [factory.planner().plan(request) for factory in (whole, half)]
    assert 0 < wrong(plans[1].semantic, plans[0].semantic) < 0.05  # a weight of 8 bits is off by a sixteenth at most
    latents = [factory.renderer().render(plans[0], Window(0, 0, 4)) for factory in (whole, half)]
    assert 0 < wrong(latents[1], latents[0]) < 0.05
    assert torch.equal(whole.renderer().flow.sigma_data, half.renderer().flow.sigma_data)  # buffers stay as they are


def test_a_packed_model_tells_where_it_comes_from(packed: Path) -> None:
    facts = load_factory(str(packed)).facts
    assert facts["provenance"]["note"] == "a test"
    renderer = facts["provenance"]["stages"]["renderer"]
    assert (renderer["steps"], renderer["seconds"], renderer["held_out"]) == (7, 12, {"loss_none": 0.5})
    factory = load_factory(str(packed))
    assert factory.unknown_words("a red car and a giraffe") == ("giraffe",)
    assert "car" in factory.known_words()


def test_packing_again_replaces_and_strangers_are_left_alone(run: Path, packed: Path, tmp_path: Path) -> None:
    before = load_factory(str(packed)).fingerprint()
    pack(run, packed, {"note": "a test"})
    assert load_factory(str(packed)).fingerprint() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="no model folder"):
        pack(run, tmp_path / "mine")
    with pytest.raises(ModelError):
        pack(tmp_path / "nothing", tmp_path / "out")


def test_whoever_may_read_a_packed_model_may_read_its_weights(packed: Path) -> None:
    modes = {path.stat().st_mode for path in packed.rglob("*") if path.is_file()}
    assert modes == {(packed / "sgen.json").stat().st_mode}


def test_a_file_that_cannot_be_read_is_named(packed: Path) -> None:
    lost = packed / "planner" / "lost.json"
    lost.symlink_to("nowhere")
    try:
        with pytest.raises(ModelError, match=r"planner/lost.json cannot be read \(No such file"):
            load_factory(str(packed)).fingerprint()
    finally:
        lost.unlink()
