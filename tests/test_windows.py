from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgen_ray.windows import SEGMENT_LENGTH, WINDOW_LENGTH, WINDOW_OVERLAP, segments, split, wavefront


@st.composite
def timelines(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """A film's latent frames, unit, window length and overlap, all allowed."""
    unit = draw(st.integers(1, 6))
    length = unit * draw(st.integers(1, 8))
    overlap = unit * draw(st.integers(0, length // unit // 2))
    return draw(st.integers(1, 300)), unit, length, overlap


@given(timelines())
def test_windows_cover_the_film_on_the_grid(timeline: tuple[int, int, int, int]) -> None:
    latent_frames, unit, length, overlap = timeline
    windows = split(latent_frames, unit, length, overlap)
    covered = [sum(window.start <= frame < window.stop for window in windows) for frame in range(latent_frames)]
    assert set(covered) <= {1, 2}
    assert windows[0].start == 0
    assert windows[-1].stop == latent_frames
    assert [window.index for window in windows] == list(range(len(windows)))
    assert all(window.start % unit == 0 for window in windows)
    assert all(window.length == length for window in windows[:-1])
    assert windows[-1].length < length + unit
    assert windows[0].left == windows[-1].right == 0
    for earlier, later in pairwise(windows):
        assert earlier.right == later.left == overlap == earlier.stop - later.start
        assert later.stop - earlier.stop >= unit


def test_a_minute_by_default() -> None:
    windows = split(120, 4)
    assert [(window.start, window.stop) for window in windows] == [
        (0, 24), (20, 44), (40, 64), (60, 84), (80, 104), (100, 120)
    ]  # fmt: skip
    assert [(window.left, window.right) for window in windows] == [(0, 4), *[(4, 4)] * 4, (4, 0)]


@pytest.mark.parametrize(("latent_frames", "spans"), [
    (1, [(0, 1)]),
    (24, [(0, 24)]),
    (27, [(0, 27)]),
    (28, [(0, 24), (20, 28)]),
    (47, [(0, 24), (20, 47)]),
])  # fmt: skip
def test_ragged_ends(latent_frames: int, spans: list[tuple[int, int]]) -> None:
    assert [(window.start, window.stop) for window in split(latent_frames, 4, 24, 4)] == spans


@pytest.mark.parametrize(("arguments", "words"), [
    ((0, 4, 24, 4), "at least one latent frame"),
    ((10, 0, 24, 4), "a unit of one"),
    ((10, 4, 22, 4), "length 22 must be a positive multiple of 4"),
    ((10, 4, 0, 0), "length 0"),
    ((10, 4, 24, 6), "overlap 6 must be a multiple of 4"),
    ((10, 4, 24, -4), "overlap -4"),
    ((10, 4, 24, 16), "at most half"),
])  # fmt: skip
def test_bad_sizes_are_named(arguments: tuple[int, int, int, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split(*arguments)


@given(st.integers(1, 200), st.integers(1, 30))
def test_segments_are_fixed_absolute_runs(latent_frames: int, length: int) -> None:
    runs = segments(latent_frames, length)
    assert [frame for start, stop in runs for frame in range(start, stop)] == list(range(latent_frames))
    assert runs[:-1] == segments(latent_frames + 7 * length, length)[: len(runs) - 1]


def test_segments_refuse_nothing() -> None:
    with pytest.raises(ValueError, match="positive sizes"):
        segments(8, 0)


def test_wavefront_starts_at_the_beginning() -> None:
    assert list(wavefront(5)) == [0, 1, 2, 3, 4]


def test_defaults_fit_the_nano_grid() -> None:
    assert WINDOW_LENGTH % 4 == WINDOW_OVERLAP % 4 == SEGMENT_LENGTH % 4 == 0
