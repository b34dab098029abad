"""The judge, the count, and the changes to a plan that show whether it matters."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sgen_ray.errors import ModelError
from sgen_ray.evaluation.adherence import Case, Reading, adherence, draw_cases, guessing, kept, read, world_frames
from sgen_ray.evaluation.judge import (
    CLIP_FRAMES,
    HEIGHT,
    OFFSETS,
    STRIDE,
    WIDTH,
    Judge,
    load_judge,
    save_judge,
)
from sgen_ray.evaluation.judge_training import (
    Clips,
    JudgeSchedule,
    JudgeTrainer,
    accuracy,
    draw_clips,
    mirror,
    recompress,
    spoil,
)
from sgen_ray.evaluation.painting import Model, paint, request, with_tokens_of, without_text, without_tokens
from sgen_ray.evaluation.shares import Share, share, wilson
from sgen_ray.evaluation.steadiness import report_frames, steadiness
from sgen_ray.models.autoencoder import TinyAutoencoder
from sgen_ray.models.decoding import TorchDecoder
from sgen_ray.models.dit import PlannerDiT, RendererDiT
from sgen_ray.models.inference import TorchPlanner, TorchRenderer
from sgen_ray.models.motion import apparent_motion
from sgen_ray.models.semantic import PreviewDecoder, SemanticCompressor
from sgen_ray.models.text import tiny_text_encoder, word_tokenizer
from sgen_ray.shapes import Grid
from sgen_ray.world import ATTRIBUTES, Film, Scene

GRID = Grid(
    width=32, height=16, fps=8, latent_channels=4, semantic_channels=4, semantic_height=1, semantic_width=2
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class _Factory:
    grid, name, halo = GRID, "toy", (2, 2)


@pytest.fixture(scope="module")
def toy() -> Model:
    """The real networks, untrained and very small."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer(["red", "car", "blue", "boat"], 8)
    common = {"num_attention_heads": 1, "attention_head_dim": 16, "num_layers": 2, "ffn_dim": 32, "text_dim": 16,
              "freq_dim": 16}  # fmt: skip
    renderer = RendererDiT(**common, in_channels=4, out_channels=4, patch_size=(1, 2, 2), semantic_channels=4,
                           attention_span=8)  # fmt: skip
    planner = PlannerDiT(**common, in_channels=4, out_channels=4, patch_size=(1, 1, 1), shot_clock=True)
    for network in (renderer, planner):  # their last layers begin at zero, and would hear nothing
        torch.nn.init.normal_(network.proj_out.weight, std=0.3)
        torch.nn.init.normal_(network.condition_embedder.time_proj.weight, std=0.3)
    autoencoder = TinyAutoencoder(latent_channels=4, channels=(16, 8, 8))
    text = tiny_text_encoder(len(tokenizer), width=16, layers=1, heads=2)
    parts = [m.eval().requires_grad_(False) for m in (renderer, planner, autoencoder, text)]
    renderer, planner, autoencoder, text = parts
    compressor = SemanticCompressor(feature_channels=8, semantic_channels=4, hidden=16)
    preview = PreviewDecoder(semantic_channels=4, width=8)
    return Model(
        _Factory(),  # type: ignore[arg-type]
        TorchPlanner(GRID, tokenizer, text, planner, compressor, preview),
        TorchRenderer(GRID, renderer, torch.ones(4)),
        TorchDecoder(GRID, autoencoder),
    )


def test_wilson_agrees_with_its_closed_form() -> None:
    # With z = 1 and 1 of 2: centre (p + 1/4) / (3/2) = 1/2, half-width sqrt(1/8 + 1/16) / (3/2).
    low, high = wilson(1, 2, z=1.0)
    assert (low + high) / 2 == pytest.approx(0.5)
    assert (high - low) / 2 == pytest.approx(0.1875**0.5 / 1.5)
    # Nothing hit: exactly z^2 / (n + z^2); the other end is 0.
    assert wilson(0, 10, z=2.0) == pytest.approx((0.0, 4 / 14))
    assert wilson(10, 10, z=2.0) == pytest.approx((10 / 14, 1.0))
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


def test_shares_add_and_say_nothing_of_nothing() -> None:
    assert share([True, False, True]) + Share(1, 1) == Share(3, 4)
    assert Share(0, 0).value is None and Share(0, 0).interval is None


def test_judge_answers_every_attribute_and_the_same_each_time() -> None:
    torch.manual_seed(0)
    judge = Judge()
    frames = np.random.default_rng(0).integers(0, 256, (64, HEIGHT, WIDTH, 3), np.uint8)
    found = judge.predict(frames)
    clips = len({*range(0, 64 - CLIP_FRAMES + 1, STRIDE), 64 - CLIP_FRAMES})  # the last one ends with the film
    assert {name: tuple(p.shape) for name, p in found.items()} == {n: (clips, len(c)) for n, c in ATTRIBUTES.items()}
    assert all(torch.allclose(p.sum(1), torch.ones(clips), atol=1e-5) for p in found.values())
    again = judge.predict(frames)
    assert all(torch.equal(found[name], again[name]) for name in ATTRIBUTES)
    # A clip is its own five frames: others do not matter, and neither does the batch.
    alone = judge.predict(frames[:CLIP_FRAMES])
    noise = frames.copy()
    noise[[i for i in range(64) if i not in OFFSETS]] = 0
    assert all(torch.allclose(judge.predict(noise)[n][:1], alone[n], atol=1e-5) for n in ATTRIBUTES)


def test_judge_reads_other_sizes_and_films_shorter_than_a_clip() -> None:
    judge = Judge()
    frames = np.random.default_rng(0).integers(0, 256, (CLIP_FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    larger = frames.repeat(2, 1).repeat(2, 2)
    same, upscaled = judge.predict(frames), judge.predict(larger)
    assert all(torch.allclose(same[n], upscaled[n], atol=1e-4) for n in ATTRIBUTES)
    assert judge.predict(frames[:3])["subject"].shape == (1, len(ATTRIBUTES["subject"]))


def test_judge_is_saved_in_half_precision_within_a_mebibyte(tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge = Judge()
    save_judge(judge, tmp_path, {"seed": 0})
    assert (tmp_path / "model.safetensors").stat().st_size <= 2**20
    frames = np.random.default_rng(0).integers(0, 256, (CLIP_FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    loaded = load_judge(tmp_path).predict(frames)
    assert all(torch.allclose(p, loaded[n], atol=2e-2) for n, p in judge.predict(frames).items())
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="restore the folder"):
        load_judge(tmp_path)
    with pytest.raises(ModelError, match="train one"):
        load_judge(tmp_path / "nowhere")


def test_judge_beats_chance_after_seconds_of_training(tmp_path: Path) -> None:
    schedule = JudgeSchedule(steps=60, batch=16, fresh=8, replay=128, warmup=5)
    trainer = JudgeTrainer(tmp_path, schedule)
    assert trainer.run(minutes=60)
    clips = draw_clips(10_000_019, 96, "heldout")
    found = accuracy(trainer.judge, clips)
    # Always answering a clip's commonest class gives at most 0.2 of places and 0.45 of times.
    places, times = (clips.labels[:, list(ATTRIBUTES).index(name)] for name in ("place", "time"))
    assert found["place"] > max(0.3, 1.5 * float(places.bincount().max()) / 96)
    assert found["time"] > max(0.5, 1.1 * float(times.bincount().max()) / 96)


def test_judge_training_in_slices_equals_one_run(tmp_path: Path) -> None:
    schedule = JudgeSchedule(steps=4, batch=4, fresh=2, replay=4, warmup=1)
    whole = JudgeTrainer(tmp_path / "whole", schedule)
    whole.run(minutes=60)
    first = JudgeTrainer(tmp_path / "cut", schedule)
    for _ in range(2):
        first._step()
    first.save()
    second = JudgeTrainer(tmp_path / "cut", schedule)
    assert second.step == 2
    second.run(minutes=60)
    mine, theirs = whole.judge.state_dict(), second.judge.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_mirror_turns_directions_and_pans_around() -> None:
    frames = torch.rand(2, 4, 3, 8, 8)
    labels = torch.zeros(2, len(ATTRIBUTES), dtype=torch.long)
    direction, camera = list(ATTRIBUTES).index("direction"), list(ATTRIBUTES).index("camera")
    labels[:, direction] = ATTRIBUTES["direction"].index("left")
    labels[:, camera] = ATTRIBUTES["camera"].index("pan right")
    mirrored = mirror(frames, labels, torch.tensor([True, False]))
    assert torch.equal(mirrored[0], frames[0].flip(-1)) and torch.equal(mirrored[1], frames[1])
    assert [ATTRIBUTES["direction"][i] for i in labels[:, direction]] == ["right", "left"]
    assert [ATTRIBUTES["camera"][i] for i in labels[:, camera]] == ["pan left", "pan right"]


def test_recompression_is_lossless_at_fine_steps_and_flat_at_coarse_ones() -> None:
    frames = torch.rand(2, 4, 3, 16, 16) * 2 - 1
    step = torch.ones(2, 1, 1, 1, 1)
    assert torch.allclose(recompress(frames, 1e-5 * step), frames, atol=1e-4)
    assert torch.equal(recompress(frames, 100 * step), torch.zeros_like(frames))
    assert not torch.equal(spoil(frames.repeat(8, 1, 1, 1, 1), torch.Generator()), frames.repeat(8, 1, 1, 1, 1))


def _case(**scene: str) -> Case:
    return Case(0, "", Film((Scene("car", "city", **scene),)), {"subject": "car", "place": "city"})


def _reading(subject: str, place: str, *colours: str) -> Reading:
    seen = {name: classes[0] for name, classes in ATTRIBUTES.items()} | {"subject": subject, "place": place}
    clips = {name: (value,) * len(colours) for name, value in seen.items()} | {"colour": colours}
    return Reading(seen, clips, (0.5,) * len(colours))


def test_adherence_counts_what_is_stated_only() -> None:
    cases = [_case(), _case()]
    found = adherence([_reading("car", "city", "red"), _reading("bus", "city", "red")], cases)
    assert found["subject"] == Share(1, 2) and found["place"] == Share(2, 2) and found["colour"] == Share(0, 0)
    assert found["statements"] == Share(3, 4) and found["films"] == Share(1, 2)
    assert guessing(cases)["statements"] == Share(4, 4)


def test_kept_is_the_share_of_the_majority_where_the_caption_leaves_it_open() -> None:
    found = kept([_reading("car", "city", "red", "red", "red", "blue")], [_case()])
    assert found["colour"] == 0.75 and found["sky"] == 1.0
    assert "subject" not in found


def test_cases_are_held_out_and_say_what_their_scene_is() -> None:
    cases = draw_cases(12, 8)
    assert cases == draw_cases(12, 8) and len({case.caption for case in cases}) == 12
    for case in cases:
        assert case.stated and all(getattr(case.film.shots[0], n) == wanted for n, wanted in case.stated.items())


def test_swapping_and_zeroing_change_the_plan_alone(toy: Model) -> None:
    first, second = (toy.planner.plan(request(toy, p, 2, 3)) for p in ("a red car", "a blue boat"))
    swapped = with_tokens_of(first, second)
    assert np.array_equal(swapped.semantic, second.semantic) and np.array_equal(swapped.text, first.text)
    assert not without_tokens(first).semantic.any()
    mute = without_text(toy, first)
    assert np.array_equal(mute.text, without_text(toy, second).text) and not np.array_equal(mute.text, first.text)
    assert mute.text_mask.sum() == 1  # the end token alone
    assert np.array_equal(mute.semantic, first.semantic)
    with pytest.raises(ValueError, match="cannot be swapped"):
        with_tokens_of(first, toy.planner.plan(request(toy, "a red car", 4, 3)))


def test_without_text_only_the_plan_tells_films_apart(toy: Model) -> None:
    first, second = (toy.planner.plan(request(toy, p, 2, 3)) for p in ("a red car", "a blue boat"))
    mute = [without_text(toy, plan) for plan in (first, second)]
    assert np.array_equal(paint(toy, with_tokens_of(mute[0], mute[1])), paint(toy, mute[1]))
    nothing = [paint(toy, without_tokens(plan)) for plan in mute]
    assert nothing[0].shape == (16, 16, 32, 3) and np.array_equal(nothing[0], nothing[1])
    assert not np.array_equal(paint(toy, mute[0]), nothing[0])


def test_frozen_films_and_noise_do_not_count() -> None:
    case = _case(action="driving", direction="left", camera="follow")
    grid = replace(GRID, width=128, height=64)
    truth = world_frames(case.film, grid, 30 * 8)
    motion = report_frames(truth, grid).motion
    noise = np.random.default_rng(0).integers(0, 256, truth.shape, np.uint8)
    right, wrong = _reading("car", "city", "red"), _reading("bus", "moon", "red")

    def counts(frames: np.ndarray, reading: Reading) -> bool:
        return steadiness(report_frames(frames, grid), reading, case, motion).counts

    assert counts(truth, right) and not counts(truth, wrong)
    assert not counts(np.broadcast_to(truth[:1], truth.shape), right)
    assert not counts(noise, right)


def test_a_reading_covers_the_film_to_its_end_at_any_rate() -> None:
    judge = Judge()
    frames = np.random.default_rng(0).integers(0, 256, (4 * CLIP_FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    once = read(judge, frames)
    twice = read(judge, frames.repeat(2, 0), fps=16)
    assert once.seen == twice.seen and once.clips == twice.clips
    assert len(once.confidence) == len({*range(0, 3 * CLIP_FRAMES, STRIDE), 3 * CLIP_FRAMES})


def test_clips_match_their_labels() -> None:
    clips = draw_clips(3, 4)
    assert isinstance(clips, Clips)
    assert clips.frames.shape == (4, len(OFFSETS), 3, HEIGHT, WIDTH) and clips.labels.shape == (4, len(ATTRIBUTES))
    assert torch.equal(clips.frames, draw_clips(3, 4).frames)


def test_motion_is_read_in_pixels_of_either_scale() -> None:
    # A smooth wave that goes one pixel to the right from frame to frame, at any size.
    x = torch.arange(float(WIDTH))
    clip = torch.stack([torch.sin((x - shift) * 2 * torch.pi / 64) for shift in (0, 1, 2, 3)])
    clip = clip[None, :, None, None].expand(1, 4, 3, HEIGHT, WIDTH)
    flow = apparent_motion(clip)
    assert flow.shape == (1, 12, HEIGHT // 4, WIDTH // 4)
    across_half, down_half, across_quarter, down_quarter = (part[..., 4:-4, 4:-4] for part in flow.split(3, 1))
    assert float(across_half.mean()) == pytest.approx(1 / 2, rel=0.1)
    assert float(across_quarter.mean()) == pytest.approx(1 / 4, rel=0.1)
    assert float(down_half.abs().max()) < 1e-3 and float(down_quarter.abs().max()) < 1e-3
    assert torch.allclose(apparent_motion(clip.flip(1))[:, :3].flip(1), -flow[:, :3], atol=1e-5)


def test_the_judge_that_comes_along_reads_slow_camera_moves() -> None:
    grid = replace(GRID, width=WIDTH, height=HEIGHT)
    films = [case.film for case in draw_cases(60, 16.0, 3) if case.film.shots[0].camera in ("pan left", "zoom in")][:8]
    readings = [read(load_judge(), world_frames(film, grid, 16 * 8)) for film in films]
    hits = [r.seen["camera"] == film.shots[0].camera for r, film in zip(readings, films, strict=True)]
    assert len(hits) == 8 and sum(hits) >= 7
