"""Planner, renderer and decoder on weights a few kilobytes small: the same film whoever makes it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from micro import micro_model
from torch import Tensor

from sgen_ray.errors import Cancelled, ModelError, PlanError, RequestError
from sgen_ray.models import choosing, inference
from sgen_ray.models.autoencoder import TinyAutoencoder
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.decoding import TorchDecoder
from sgen_ray.models.dit import PlannerDiT
from sgen_ray.models.factory import FolderFactory, load_factory
from sgen_ray.models.inference import shot_steps
from sgen_ray.models.planning import plan_segments
from sgen_ray.request import make_request
from sgen_ray.shapes import Grid
from sgen_ray.types import Plan, Segment, Shot, VideoRequest, Window


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> FolderFactory:
    return load_factory(str(micro_model(tmp_path_factory.mktemp("run"))))


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def order(factory: FolderFactory, *shots: Shot, seed: int = 0) -> VideoRequest:
    shots = shots or (Shot("a red car in the desert", 3), Shot("a whale swimming", 4))
    return make_request(shots=shots, seed=seed, steps=2, plan_steps=2, grid=factory.grid)


@pytest.fixture(scope="module")
def plan(factory: FolderFactory) -> Plan:
    return factory.planner().plan(order(factory))


def test_a_plan_is_a_function_of_the_request(factory: FolderFactory, plan: Plan) -> None:
    assert plan.semantic.shape == (7, 1, 2, 4) and plan.semantic.dtype == np.float32
    assert plan.shot_starts == (0, 6) and (plan.frames, plan.latent_frames) == (56, 14)
    assert plan.text.shape == (2, 32, 16) and plan.text_mask.dtype == bool
    assert plan.model_fingerprint == factory.fingerprint()
    again = factory.planner().plan(order(factory))
    np.testing.assert_array_equal(again.semantic, plan.semantic)
    np.testing.assert_array_equal(again.text, plan.text)
    other = factory.planner().plan(order(factory, seed=1))
    assert np.abs(other.semantic - plan.semantic).max() > 0.1
    told = factory.planner().plan(order(factory, Shot("a bird flying", 3), Shot("a whale swimming", 4)))
    assert np.abs(told.semantic - plan.semantic).max() > 1e-4


def test_a_worker_keeps_its_threads_whatever_others_of_the_process_have(factory: FolderFactory) -> None:
    """The number of torch's threads shows in the last bits of what they sum."""
    with ThreadPoolExecutor(1) as planner, ThreadPoolExecutor(1) as renderer:
        planner.submit(factory.planner, "cpu", 2).result()
        renderer.submit(factory.renderer, "cpu", 1).result()
        assert planner.submit(torch.get_num_threads).result() == 2


def test_held_steps_of_a_plan_come_back(factory: FolderFactory, plan: Plan) -> None:
    held = {step: plan.semantic[step] for step in (0, 1, 6)}
    told = order(factory, Shot("a bird flying", 3), Shot("a whale swimming", 4))
    after = factory.planner().plan(told, held=held)
    for step, tokens in held.items():
        np.testing.assert_array_equal(after.semantic[step], tokens)
    free = factory.planner().plan(told)
    assert np.abs(after.semantic[3] - free.semantic[3]).max() > 1e-6
    np.testing.assert_array_equal(after.text[1], plan.text[1])  # whatever stands beside it


def test_the_best_of_several_plans_is_the_plan_of_its_own_noise(
    factory: FolderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is found best; what is held comes back all the same."""
    told = order(factory)
    for best in range(3):
        planner = factory.planner()
        planner.network.register_to_config(sampling_candidates=1)
        monkeypatch.setattr(inference, "SEMANTIC", 1 + 2 * best)
        alone = planner.plan(told)
        planner.network.register_to_config(sampling_candidates=3)
        monkeypatch.setattr(inference, "SEMANTIC", 1)
        monkeypatch.setattr(choosing, "told", lambda *_, best=best: torch.eye(3)[best])
        np.testing.assert_array_equal(planner.plan(told).semantic, alone.semantic)
        held = {2: np.full((1, 2, 4), 0.5, np.float32)}
        np.testing.assert_array_equal(planner.plan(told, held=held).semantic[2], held[2])


def test_of_several_plans_one_is_kept_by_what_they_say(factory: FolderFactory) -> None:
    planner = factory.planner()
    planner.network.register_to_config(sampling_candidates=4)
    steps: list[tuple[int, int]] = []
    kept = {planner.plan(order(factory, seed=seed), lambda *s: steps.append(s)).semantic.tobytes() for seed in range(6)}
    planner.network.register_to_config(sampling_candidates=1)
    first = {planner.plan(order(factory, seed=seed)).semantic.tobytes() for seed in range(6)}
    assert len(kept) == 6 and len(kept & first) < 6
    assert steps == [(step, 6) for step in range(1, 7)] * 6  # four of the drafts, two of the plan
    long = order(factory, Shot("a whale swimming", 21))
    one = planner.plan(long)
    planner.network.register_to_config(sampling_candidates=4)
    np.testing.assert_array_equal(planner.plan(long).semantic, one.semantic)  # no drafts of long films


def test_a_plan_that_is_settled_to_its_end_is_one_line_a_shot(factory: FolderFactory, plan: Plan) -> None:
    planner = factory.planner()
    planner.network.register_to_config(settled_above=0.0)
    settled = planner.plan(order(factory)).semantic
    bends = [np.abs(np.diff(tokens[3:], 2, axis=0)).max() for tokens in (settled, plan.semantic)]  # of the second shot
    assert bends[0] < 1e-5 and bends[1] > 0.01
    assert np.abs(np.diff(settled, 2, axis=0)).max() > 0.01


def test_a_film_too_long_to_plan_at_once_is_planned_in_stretches(
    factory: FolderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    clocks: dict[int, list[int]] = {}  # steps until the shot ends, by how many it has run where a stretch begins
    forward = PlannerDiT.forward

    def noted(self: PlannerDiT, x: Tensor, t: Tensor, c: Conditioning) -> Tensor:
        assert c.shot_clock is not None
        clocks[int(c.shot_clock[0, 0, 0])] = c.shot_clock[0, :, 1].tolist()
        return forward(self, x, t, c)

    monkeypatch.setattr(PlannerDiT, "forward", noted)
    long = factory.planner().plan(order(factory, Shot("a whale swimming", 20)), lambda *step: told.append(step))
    assert len(long.semantic) == 20
    assert clocks == {begin: [19 - step for step in range(begin, begin + 8)] for begin in (0, 6, 12)}
    assert np.abs(long.semantic).min() > 0
    assert told == [(step, 18) for step in range(1, 19)]  # four of drafts and two, for each of 0-8, 6-14, 12-20
    more = order(factory, Shot("a whale swimming", 20), Shot("a bird flying", 5))
    after = factory.planner().plan(more, held=dict(enumerate(long.semantic)))
    np.testing.assert_array_equal(after.semantic[:20], long.semantic)


def test_stretches_cover_the_film_and_reach_back() -> None:
    assert plan_segments(60, 60, 20) == [(0, 60)]
    assert plan_segments(7, 60, 20) == [(0, 7)]
    assert plan_segments(61, 60, 20) == [(0, 60), (1, 61)]
    assert plan_segments(150, 60, 20) == [(0, 60), (40, 100), (80, 140), (90, 150)]
    for steps in range(1, 90):
        runs = plan_segments(steps, 10, 3)
        assert runs[0][0] == 0 and runs[-1][1] == steps
        assert all(b - a == min(steps, 10) for a, b in runs)
        assert all(later[0] <= before[1] - 3 and later[1] > before[1] for before, later in pairwise(runs))
    with pytest.raises(ValueError, match="less than"):
        plan_segments(10, 4, 4)


def test_windows_do_not_depend_on_who_renders_them_and_when(factory: FolderFactory, plan: Plan) -> None:
    windows = (Window(0, 0, 8), Window(1, 4, 14))
    one = {w.index: factory.renderer(threads=1).render(plan, w) for w in windows}
    renderer = factory.renderer(threads=1)
    for w in reversed(windows):
        np.testing.assert_array_equal(renderer.render(plan, w), one[w.index])
    # Two threads sum in another order, so that bit for bit holds for equal threads alone.
    renderer = factory.renderer(threads=2)
    for w in windows:
        np.testing.assert_allclose(renderer.render(plan, w), one[w.index], atol=1e-5)
    assert one[1].shape == (8, 10, 4, 8) and one[1].dtype == np.float32
    assert np.isfinite(one[1]).all()
    # Both windows start from the film's own noise: where they overlap they are alike, elsewhere not.
    alike = np.corrcoef(one[0][:, 4:].ravel(), one[1][:, :4].ravel())[0, 1]
    assert alike > 0.9 > 0.8 > np.corrcoef(one[0][:, :4].ravel(), one[1][:, :4].ravel())[0, 1]


def test_held_frames_come_back_and_anchors_are_looked_at(factory: FolderFactory, plan: Plan) -> None:
    renderer, window = factory.renderer(), Window(1, 4, 12)
    plain = renderer.render(plan, window)
    known = np.random.default_rng(0).standard_normal((8, 4, 8), np.float32)
    held = renderer.render(plan, window, {5: known})
    np.testing.assert_array_equal(held[:, 1], known)
    assert np.abs(held[:, 2] - plain[:, 2]).max() > 1e-6
    anchored = renderer.render(plan, window, {0: known})
    assert anchored.shape == plain.shape and np.abs(anchored - plain).max() > 1e-6


def test_half_precision_is_near_and_holds_exactly(factory: FolderFactory, plan: Plan) -> None:
    """What a GPU does, on a CPU."""
    from sgen_ray.models.inference import TorchRenderer
    from sgen_ray.models.parts import load_part

    exact, network = factory.renderer(), load_part(factory.folder, "renderer", dtype=torch.bfloat16)
    half = TorchRenderer(factory.grid, network, exact.flow.sigma_data)
    known = np.random.default_rng(0).standard_normal((8, 4, 8), np.float32)
    out = half.render(plan, Window(0, 0, 8), {1: known, 9: known})
    np.testing.assert_array_equal(out[:, 1], known)
    near = exact.render(plan, Window(0, 0, 8), {1: known, 9: known})
    assert 0 < np.abs(out - near).max() < 0.1


def test_steps_are_told_and_may_stop_the_work(factory: FolderFactory, plan: Plan) -> None:
    told: list[tuple[int, int]] = []
    factory.renderer().render(plan, Window(0, 0, 8), on_step=lambda done, total: told.append((done, total)))
    assert told == [(step, 4) for step in range(1, 5)]  # the second of two is made of three

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        factory.planner().plan(order(factory), stop)


@pytest.mark.parametrize("calm_below", [0.0, 0.1])
def test_segments_decode_to_the_whole_film(factory: FolderFactory, plan: Plan, calm_below: float) -> None:
    decoder = factory.decoder()
    decoder.autoencoder.register_to_config(calm_below=calm_below)
    latents = factory.renderer().render(plan, Window(0, 0, plan.latent_frames))
    whole = decoder.decode(Segment(0, 0, 14, 0, latents, 0, plan.frames))
    assert whole.shape == (56, 32, 64, 3) and whole.dtype == np.uint8
    before, after = factory.halo
    assert decoder.halo == factory.halo
    for start, stop in ((0, 6), (6, 14)):
        first, last = max(0, start - before), min(14, stop + after)
        run = Segment(0, start, stop, first, latents[:, first:last], 4 * start, min(4 * stop, 54))
        part = decoder.decode(run).astype(int)
        assert np.abs(part - whole[4 * start : min(4 * stop, 54)]).max() <= 1  # sums in another order


def test_a_shots_pictures_are_drawn_from_its_own_latents() -> None:
    grid = Grid(64, 32, 16, 6, 4, 1, 2, spatial_compression=16, temporal_compression=8, detail=2)
    decoder = TorchDecoder(grid, TinyAutoencoder(6, 8, 16, (8, 6, 8), detail=2).requires_grad_(False))
    latents = np.random.default_rng(0).standard_normal((6, 8, 2, 4), np.float32)
    other = np.concatenate([latents[:, :4], -latents[:, 4:]], axis=1)

    def frames(latents: np.ndarray, *cuts: int) -> np.ndarray:  # of latent frames [2, 10)
        return decoder.decode(Segment(0, 3, 10, 2, latents, 24, 80, cuts))

    before = (frames(x)[:24] for x in (latents, other))
    assert (np.diff(np.stack([*before]).astype(int), axis=0) != 0).any((0, 2, 3, 4)).tolist() == [False] * 23 + [True]
    np.testing.assert_array_equal(frames(latents, 6)[:24], frames(other, 6)[:24])
    after = decoder.decode(Segment(0, 6, 10, 6, latents[:, 4:], 48, 80))
    np.testing.assert_array_equal(frames(latents, 6)[24:], after)


def test_preview_shows_a_thumbnail_a_step(factory: FolderFactory, plan: Plan) -> None:
    shown = factory.planner().preview(plan)
    assert shown.shape == (7, 8, 16, 3) and shown.dtype == np.uint8


def test_cuts_fall_on_the_plans_clock(factory: FolderFactory) -> None:
    grid = factory.grid  # a step a second
    assert shot_steps([3, 4], grid, 7) == [0, 3]
    assert shot_steps([2.4, 2.6, 5], grid, 10) == [0, 2, 5]
    with pytest.raises(RequestError, match=r"shot 2 is too short: the model plans in steps of 1 s"):
        shot_steps([3, 0.3, 3], grid, 7)
    with pytest.raises(RequestError, match="shot 2 is too short"):
        shot_steps([3, 0.4], grid, 3)
    with pytest.raises(RequestError, match="too short"):
        factory.planner().plan(replace(order(factory), shots=(Shot("a car", 0.2), Shot("a cat", 3))))


def test_another_models_plan_is_refused(factory: FolderFactory, plan: Plan) -> None:
    with pytest.raises(PlanError, match="another model"):
        factory.renderer().render(replace(plan, grid=replace(plan.grid, fps=16)), Window(0, 0, 8))


def test_a_truncated_part_is_named_in_one_line(factory: FolderFactory, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(factory.folder, folder)
    weights = folder / "renderer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="renderer") as error:
        load_factory(str(folder)).renderer()
    assert "\n" not in str(error.value)
    shutil.rmtree(folder / "planner")
    with pytest.raises(ModelError, match="planner"):
        load_factory(str(folder))


def test_parts_load_in_several_threads_at_once(factory: FolderFactory) -> None:
    """As planner and renderers of an in-process engine do."""
    with ThreadPoolExecutor(6) as pool:
        loads = [pool.submit(load) for load in (factory.planner, factory.renderer, factory.decoder) * 4]
        for load in loads:
            load.result()
