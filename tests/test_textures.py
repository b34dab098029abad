"""How the decoder learns textures that latents only hint at, and where its training looks."""

from pathlib import Path

import pytest
import torch
from micro import micro

from sgen_ray.training import autoencoder as training
from sgen_ray.training.autoencoder import AutoencoderStage, ghosted, liveliness, pulse, unlikeness
from sgen_ray.training.data import from_bytes
from sgen_ray.training.loop import Trainer
from sgen_ray.training.schedule import Schedule

BLOCK = (4, 8, 8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_few_large_changes_are_not_many_small_ones() -> None:
    flicker = torch.arange(9).reshape(1, 1, 9, 1, 1) % 2 * torch.ones(8, 8)
    small = liveliness(0.1 * flicker, 2, 1, BLOCK)
    few = 0.4 * flicker
    few[..., 4:, :] = few[..., :, 4:] = 0  # a quarter of the places, four times as far
    torch.testing.assert_close(small, torch.full((2, 1, 1, 2, 1, 1), 0.1), atol=1e-4, rtol=1e-3)
    mean, square = liveliness(few, 2, 1, BLOCK)
    torch.testing.assert_close(mean, torch.full((1, 1, 2, 1, 1), 0.1))
    torch.testing.assert_close(square, torch.full((1, 1, 2, 1, 1), 0.2), atol=1e-4, rtol=1e-3)


def test_a_grid_is_lively_at_some_distances_only() -> None:
    grid = (torch.arange(24) // 2 % 2).float().expand(1, 1, 4, 16, 24)  # two columns on, two off
    noise = torch.rand(1, 1, 4, 16, 24, generator=seeded()).round()
    for lag, of_grid in ((1, 0.5), (2, 1.0), (4, 0.0), (8, 0.0)):
        assert liveliness(grid, 4, lag, BLOCK)[0].mean() == pytest.approx(of_grid, abs=0.06)
        assert liveliness(noise, 4, lag, BLOCK)[0].mean() == pytest.approx(0.5, abs=0.06)
    assert liveliness(grid, 3, 1, BLOCK)[0].max() == 0


def test_liveliness_does_not_ask_where_in_a_block() -> None:
    frames = torch.randn(1, 1, 5, 16, 24, generator=seeded())
    turned = frames.unflatten(-1, (3, 8)).flip(-1).flatten(-2).unflatten(-2, (2, 8)).flip(-2).flatten(-3, -2)
    torch.testing.assert_close(liveliness(turned, 2, 1, BLOCK), liveliness(frames, 2, 1, BLOCK))
    moved = frames.roll(8, -1)
    assert not torch.allclose(liveliness(moved, 2, 1, BLOCK), liveliness(frames, 2, 1, BLOCK), atol=1e-3)
    # There are fewer differences than frames: the last block of them counts by what it has.
    rising = torch.arange(8.0).reshape(1, 1, 8, 1, 1) * torch.ones(8, 8)
    torch.testing.assert_close(liveliness(rising, 2, 2, BLOCK), torch.full((2, 1, 1, 2, 1, 1), 2.0))


def test_what_changes_all_at_once_in_every_latent_pulses() -> None:
    assert pulse(torch.ones(15), 4) == 1
    assert pulse(torch.tensor([1.0, 1, 1, 5]).repeat(4)[:15], 4) == 2.5
    still, error = torch.zeros(1, 3, 9, 32, 32), torch.zeros(9)
    error[5:], steadily = 0.4, torch.linspace(0, 0.4, 9)
    at_once, little_by_little = (still + e.reshape(1, 1, 9, 1, 1) for e in (error, steadily))
    assert unlikeness(little_by_little, still)[0] < unlikeness(at_once, still)[0]


def test_some_clips_get_a_weaker_displaced_copy() -> None:
    frames = torch.randn(64, 3, 2, 16, 24, generator=seeded())
    out = ghosted(frames, seeded(1))
    changed = [i for i in range(64) if not torch.equal(out[i], frames[i])]
    assert 8 <= len(changed) <= 24  # a quarter of 64
    for i in changed:
        own = (out[i] * frames[i]).mean() / frames[i].square().mean()
        assert 0.45 < own < 1.01  # the clip itself is never the weaker one


def test_training_looks_where_more_moves(tmp_path: Path) -> None:
    stage = AutoencoderStage(micro(), tmp_path, "cpu")
    frames = torch.zeros(1, 3, 16, 32, 256, dtype=torch.uint8)
    frames[:, :, ::8, :, 192:] = 255  # the last quarter flickers
    generator = seeded()
    shows = [bool(stage.crop(frames, generator).any()) for _ in range(1000)]
    # A crop of 8 blocks of 32 begins at one of 25 places; it shows a block of the quarter from the 17th on.
    one = 8 / 25
    assert sum(shows) / 1000 == pytest.approx(1 - (1 - one) ** 2, abs=0.05)


def test_the_decoder_draws_textures_that_latents_leave_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of scattered dots a latent tells next to nothing: by errors alone the best picture of them is grey."""
    monkeypatch.setattr(training, "FIT_BATCHES", 1)
    dots = (torch.rand(4, 1, 16, 32, 64, generator=seeded()) < 0.1) * 255
    batch = {"frames": dots.expand(-1, 3, -1, -1, -1).byte()}
    true = from_bytes(batch["frames"])

    weights = {name: getattr(training, name) for name in ("LIVELY", "EVEN")}

    def lively(counts: bool, folder: str) -> float:
        for name, weight in weights.items():
            monkeypatch.setattr(training, name, counts * weight)
        torch.manual_seed(0)
        stage = AutoencoderStage(micro(), tmp_path, "cpu")
        run = Trainer(stage, Schedule(steps=1000, batch=4, learning_rate=3e-3, warmup=5), tmp_path / folder)
        run.resume()
        run.replay._block = lambda index, size: batch  # type: ignore[method-assign]
        for _ in range(100):
            run.train_step()
        with torch.no_grad():
            out = stage.model.decode(stage.model.encode(true))
        return float(out.diff(dim=2).abs().mean() / true.diff(dim=2).abs().mean())

    assert lively(False, "errors") < 0.2
    assert lively(True, "both") > 0.6
