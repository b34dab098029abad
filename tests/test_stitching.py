import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgen_ray.shapes import Grid
from sgen_ray.stitching import Blend, weights
from sgen_ray.types import RenderedWindow, Segment, Window
from sgen_ray.windows import split

GRID = Grid(
    width=16, height=8, fps=8, latent_channels=3, semantic_channels=4, semantic_height=1, semantic_width=2
)  # fmt: skip


def render(window: Window, seed: int = 0) -> RenderedWindow:
    generator = np.random.default_rng([seed, window.index])
    return RenderedWindow(window, generator.standard_normal((3, window.length, 1, 2), np.float32))


def constant(window: Window, values: list[float]) -> RenderedWindow:
    """Latents that hold, in each frame, the given value."""
    latents = np.broadcast_to(np.float32(values)[None, :, None, None], (3, window.length, 1, 2))
    return RenderedWindow(window, latents)


def collect(blend: Blend, rendered: list[RenderedWindow]) -> dict[int, Segment]:
    found = [segment for window in rendered for segment in blend.add(window)]
    assert len({segment.index for segment in found}) == len(found)
    return {segment.index: segment for segment in found}


def film(segments: dict[int, Segment]) -> np.ndarray:
    """The segments' own latents, halo cut off, one after another."""
    parts = [segments[index] for index in sorted(segments)]
    return np.concatenate(
        [part.latents[:, part.start - part.latent_start : part.stop - part.latent_start] for part in parts], axis=1
    )


def test_the_middle_of_an_overlap_is_a_linear_ramp() -> None:
    windows = split(24, 4, 16, 8)
    blend = Blend(windows, GRID, (0, 0), 96)
    segments = collect(blend, [constant(windows[0], [0.0] * 16), constant(windows[1], [1.0] * 16)])
    assert blend.done
    expected = np.float32([0] * 8 + [0, *(np.arange(1, 7) / 7), 1] + [1] * 8)
    np.testing.assert_allclose(film(segments)[0, :, 0, 0], expected, atol=1e-7)


@pytest.mark.parametrize("overlap", [0, 1, 2, 4, 6, 8, 12])
def test_either_window_may_be_the_later_one(overlap: int) -> None:
    np.testing.assert_allclose(weights(overlap) + weights(overlap)[::-1], np.ones(overlap), atol=1e-7)
    assert (np.diff(weights(overlap)) >= 0).all()


def test_the_outer_eighths_show_one_window_alone() -> None:
    windows = split(24, 4, 16, 8)
    first, second = (render(window) for window in windows)
    whole = film(collect(Blend(windows, GRID, (0, 0), 96), [first, second]))
    np.testing.assert_array_equal(whole[:, :9], first.latents[:, :9])
    np.testing.assert_allclose(whole[:, 15:], second.latents[:, 7:], atol=1e-6)


def test_windows_that_agree_are_kept_bit_for_bit() -> None:
    whole = np.random.default_rng(1).standard_normal((3, 120, 1, 2), np.float32)
    windows = split(120, 4)
    rendered = [RenderedWindow(window, whole[:, window.start : window.stop]) for window in windows]
    segments = collect(Blend(windows, GRID, (3, 2), 480), rendered)
    assert film(segments).tobytes() == whole.tobytes()
    for segment in segments.values():
        assert segment.latent_start == max(0, segment.start - 3)
        stop = min(120, segment.stop + 2)
        assert segment.latents.tobytes() == whole[:, segment.latent_start : stop].tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(0, 9), st.integers(0, 9), st.integers(1, 20), st.randoms())
def test_any_order_gives_the_same_bytes(frames: int, before: int, after: int, length: int, random: Random) -> None:
    latent_frames = GRID.latent_frames(frames * 3)
    windows = split(latent_frames, 4, 12, 4)
    rendered = [render(window) for window in windows]
    expected = collect(Blend(windows, GRID, (before, after), frames * 3, length), rendered)
    shuffled = list(rendered)
    random.shuffle(shuffled)
    blend = Blend(windows, GRID, (before, after), frames * 3, length)
    found = collect(blend, shuffled)
    assert blend.done
    assert blend.held == 0
    assert len(found) == blend.segment_count
    assert {index: segment.latents.tobytes() for index, segment in found.items()} == {
        index: segment.latents.tobytes() for index, segment in expected.items()
    }
    shown = [frame for index in sorted(found) for frame in range(found[index].frame_start, found[index].frame_stop)]
    assert shown == list(range(frames * 3))


def test_every_order_of_four_windows() -> None:
    windows = split(40, 4, 12, 4)
    results = set()
    for order in itertools.permutations(windows):
        segments = collect(Blend(windows, GRID, (2, 1), 157, 8), [render(window) for window in order])
        results.add(film(segments).tobytes())
    assert len(windows) == 5
    assert len(results) == 1


def test_segments_come_as_soon_as_their_neighbours_allow() -> None:
    windows = split(44, 4, 24, 4)
    blend = Blend(windows, GRID, (0, 1), 44 * 4, 8)
    ready = [[segment.index for segment in blend.add(render(window))] for window in windows]
    # The second window starts at 20: frames [0, 17) need the first alone, [16, 25) both.
    assert ready == [[0, 1], [2, 3, 4, 5]]


def test_segments_know_where_shots_begin_in_all_that_they_hold() -> None:
    windows = split(44, 4, 24, 4)
    blend = Blend(windows, GRID, (2, 1), 44 * 4, 8, shot_starts=(0, 6, 8, 24))
    segments = collect(blend, [render(window) for window in windows])
    # Of latent frames [0, 9), [6, 17), [14, 25), [22, 33), ...: the first that a segment holds is no cut in it.
    assert [segments[index].cuts for index in range(4)] == [(6, 8), (8,), (24,), (24,)]
    assert not any(segments[index].cuts for index in (4, 5))


def test_duplicates_change_nothing() -> None:
    windows = split(44, 4, 24, 4)
    blend = Blend(windows, GRID, (1, 1), 44 * 4, 8)
    assert blend.add(render(windows[0]))
    assert not blend.add(render(windows[0], seed=9))
    first = collect(Blend(windows, GRID, (1, 1), 176, 8), [render(window) for window in windows])
    rest = collect(blend, [render(windows[1])])
    assert all(rest[index].latents.tobytes() == first[index].latents.tobytes() for index in rest)
    assert not blend.add(render(windows[1]))
    assert blend.held == 0


def test_memory_does_not_grow_with_length() -> None:
    windows = split(1200, 4, 24, 4)
    blend = Blend(windows, GRID, (2, 2), 4800, 8)
    held = []
    for window in windows:
        blend.add(render(window))
        held.append(blend.held)
    assert max(held) <= 24
    assert blend.done


def test_strangers_are_refused() -> None:
    windows = split(44, 4, 24, 4)
    blend = Blend(windows, GRID, (0, 0), 176, 8)
    with pytest.raises(ValueError, match="not a window of this film"):
        blend.add(render(Window(0, 0, 20, 0, 4)))
    with pytest.raises(ValueError, match=r"window 0 has latents \(3, 23, 1, 2\)"):
        blend.add(RenderedWindow(windows[0], np.zeros((3, 23, 1, 2), np.float32)))


@pytest.mark.parametrize(("windows", "frames", "halo", "words"), [
    ((), 8, (0, 0), "begin at latent frame 0"),
    ((Window(0, 0, 8),), 40, (0, 0), "cover 8 latent frames, but 40 frames need 10"),
    ((Window(0, 0, 8, 0, 4), Window(1, 4, 16, 2, 0)), 64, (0, 0), "do not join"),
    ((Window(0, 0, 8, 0, 4), Window(2, 4, 16, 4, 0)), 64, (0, 0), "out of place"),
    ((Window(0, 0, 8),), 32, (-1, 0), "halo must not be negative"),
])  # fmt: skip
def test_windows_that_make_no_film(windows: tuple[Window, ...], frames: int, halo: tuple[int, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Blend(windows, GRID, halo, frames)
