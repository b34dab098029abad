import math

import numpy as np
import pytest

from sgen_ray import measures
from sgen_ray.measures import FilmStats, measure, report
from sgen_ray.shapes import Grid
from sgen_ray.types import Report
from sgen_ray.windows import split

GRID = Grid(
    width=32, height=16, fps=8, latent_channels=3, semantic_channels=4, semantic_height=1, semantic_width=2
)  # fmt: skip
LATENT_FRAMES = 64
FRAMES = LATENT_FRAMES * 4
WINDOWS = split(LATENT_FRAMES, 4, 24, 4)


def moving(frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    """A coloured texture and its mirror image in turn, [T, 16, 32, 3]: every frame is as sharp, colourful and far from
    the one before as the next."""
    texture = np.random.default_rng(seed).integers(0, 200, (16, 32, 3), np.uint8)
    return np.stack([texture if frame % 2 else texture[:, ::-1] for frame in range(frames)])


def figures(film: np.ndarray, shot_starts: tuple[int, ...] = (0,), segment: int = 32) -> Report:
    stats = FilmStats()
    for start in reversed(range(0, len(film), segment)):
        stats.add(measure(film[start : start + segment], start))
    return report(stats, WINDOWS, shot_starts, GRID)


def test_even_motion_shows_no_join_and_no_drift() -> None:
    found = figures(moving())
    assert found.seam_ratio == pytest.approx(1)
    assert found.overlap_sharpness == pytest.approx(1)
    assert found.drift == pytest.approx({"sharpness": 0, "colourfulness": 0, "motion": 0}, abs=1e-9)
    assert found.motion > 0.1


def test_a_frozen_film_scores_nothing() -> None:
    film = np.repeat(moving(1), FRAMES, axis=0)
    assert figures(film) == Report(seam_ratio=None, overlap_sharpness=pytest.approx(1), drift={}, motion=0)


def test_noise_moves_by_a_third_and_is_sharper_than_any_picture() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 16, 32, 3), np.uint8)
    found = figures(noise)
    assert found.motion == pytest.approx(1 / 3, rel=0.01)
    assert found.seam_ratio == pytest.approx(1, abs=0.02)
    # Independent pixels of variance v: the Laplacian has variance 20 v.
    luma_variance = (0.2126**2 + 0.7152**2 + 0.0722**2) / 12
    assert measure(noise).sharpness.mean() == pytest.approx(20 * luma_variance, rel=0.02)


def test_a_jump_at_a_join_is_found() -> None:
    film = moving()
    joins = [4 * latent for window in WINDOWS[1:] for latent in range(window.start, window.start + 5)]
    level = np.zeros(FRAMES, np.uint8)
    level[WINDOWS[1].start * 4 :] = 50
    found = figures(film + level[:, None, None, None])
    difference = np.full(FRAMES, measure(film).difference.mean())
    difference[WINDOWS[1].start * 4] = measures.frame_difference(film[79], film[80] + np.uint8(50))
    expected = difference[joins].sum() / (len(joins) * difference[1])
    assert found.seam_ratio == pytest.approx(expected)
    assert expected > 1.01
    # The same jump anywhere else lowers the ratio.
    assert figures(film + np.roll(level, 32)[:, None, None, None]).seam_ratio < 1


def test_a_decoder_that_ticks_at_every_latent_frame_is_no_seam() -> None:
    film = moving() + np.repeat(np.arange(LATENT_FRAMES) % 2 * 50, 4).astype(np.uint8)[:, None, None, None]
    assert figures(film).seam_ratio == pytest.approx(1)


def test_a_film_still_between_its_jumps_scores_badly() -> None:
    film = np.repeat(moving(1), FRAMES, axis=0)
    film[80:] += 20
    assert figures(film).seam_ratio > 100


def test_cuts_are_no_seams_and_no_motion() -> None:
    # A cut in the middle of the second overlap; the second shot moves twice as far and is sharper.
    quiet, busy = moving(168) // 2, moving(FRAMES - 168, seed=1)
    found = figures(np.concatenate([quiet, busy]), shot_starts=(0, 42))
    assert found.seam_ratio == pytest.approx(1)
    assert found.overlap_sharpness == pytest.approx(1)
    assert found.drift == pytest.approx({"sharpness": 0, "colourfulness": 0, "motion": 0}, abs=1e-9)
    blind = figures(np.concatenate([quiet, busy]))
    assert blind.drift["sharpness"] > 0.5
    assert blind.seam_ratio != pytest.approx(1, abs=0.01)


def test_blur_in_overlaps_is_found() -> None:
    film = moving()
    sharp = measures.frame_sharpness(film[0])
    for window in WINDOWS[1:]:
        frames = slice(window.start * 4, (window.start + window.left) * 4)
        film[frames] = (film[frames].astype(np.uint16) + np.roll(film[frames], 1, axis=1)) // 2
    blurred = measures.frame_sharpness(film[WINDOWS[1].start * 4])
    assert figures(film).overlap_sharpness == pytest.approx(blurred / sharp, rel=0.01)
    assert blurred < sharp / 2


def test_drift_of_a_linear_ramp() -> None:
    values = np.linspace(1, 3, 200)
    # Means of the first and the last 30 of 200 even steps lie 170 steps apart; the mean is 2.
    assert measures.drift(values) == pytest.approx(170 * (2 / 199) / 2)
    assert measures.drift(np.full(200, 5.0)) == 0
    assert measures.drift(values[::-1]) == pytest.approx(measures.drift(values))
    assert measures.drift(np.zeros(200)) is None
    assert measures.drift(np.ones(6)) is None


def test_colour_that_fades_is_drift_and_brightness_is_not() -> None:
    red = np.zeros((FRAMES, 16, 32, 3), np.uint8)
    red[..., 0] = np.arange(FRAMES)[:, None, None]
    found = figures(red)
    # A flat red of level v has colourfulness 0.3 v sqrt(1 + 1/4), so it drifts as the level does: 0, 1, ... 255.
    ends = int(FRAMES * 0.15)
    assert found.drift["colourfulness"] == pytest.approx((FRAMES - ends) / 127.5)
    assert found.drift["motion"] == pytest.approx(0)
    assert "sharpness" not in found.drift
    assert found.motion == pytest.approx(1 / 255 / 3)
    grey = np.repeat(red[..., :1], 3, axis=-1)
    assert "colourfulness" not in figures(grey).drift


def test_colourfulness_of_two_halves() -> None:
    frame = np.zeros((4, 8, 3), np.uint8)
    frame[:, :4, 0] = 200
    # R - G is 200 or 0, (R + G) / 2 - B is 100 or 0.
    spread, centre = math.hypot(100, 50), math.hypot(100, 50)
    assert measures.frame_colourfulness(frame) == pytest.approx(spread + 0.3 * centre)
    assert measures.frame_colourfulness(np.full((4, 4, 3), 99, np.uint8)) == 0


def test_segments_in_any_order_and_twice_give_the_same() -> None:
    film = moving()
    whole, pieces = FilmStats(), FilmStats()
    whole.add(measure(film))
    starts = list(range(0, FRAMES, 8))
    np.random.default_rng(3).shuffle(starts)
    for start in starts + starts[:5]:
        pieces.add(measure(film[start : start + 8], start))
    for expected, found in zip(whole.series(), pieces.series(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_borders_are_dropped_as_they_close() -> None:
    stats = FilmStats()
    for start in range(0, FRAMES, 8):
        stats.add(measure(moving(8), start))
        assert stats.frames_held <= 2


def test_a_missing_segment_is_named() -> None:
    stats = FilmStats()
    with pytest.raises(ValueError, match="frame 0 was not measured"):
        stats.series()
    stats.add(measure(moving(8), 0))
    stats.add(measure(moving(8), 16))
    with pytest.raises(ValueError, match="frame 8 was not measured"):
        stats.series()


def test_the_shortest_films() -> None:
    windows = split(1, 4)
    for frames in (1, 2, 4):
        stats = FilmStats()
        stats.add(measure(moving(frames)))
        found = report(stats, windows, (0,), GRID)
        assert found.seam_ratio is None
        assert found.overlap_sharpness is None
        assert not found.drift
        assert (found.motion > 0) is (frames > 1)


def test_what_is_no_picture_is_refused() -> None:
    for frames in (np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4), np.uint8), np.zeros((0, 4, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            measure(frames)
