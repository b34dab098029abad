from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgen_ray.windows import (
    SEGMENT_LENGTH,
    WINDOW_LENGTH,
    WINDOW_OVERLAP,
    Need,
    Seams,
    WindowTask,
    segments,
    split,
    wavefront,
    window_tasks,
)


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
        (0, 36), (28, 64), (56, 92), (84, 120)
    ]  # fmt: skip
    assert [(window.left, window.right) for window in windows] == [(0, 8), (8, 8), (8, 8), (8, 0)]


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


def needs(tasks: tuple[WindowTask, ...]) -> list[list[tuple[int, int, int]]]:
    return [[(need.window, need.start, need.stop) for need in task.needs] for task in tasks]


def test_who_waits_for_whom() -> None:
    windows = split(120, 4, 24, 4)
    assert needs(window_tasks(windows, (0,), "independent")) == [[]] * 6
    # Window 0 shows frames 0 to 20 alone: a quarter and three quarters of that.
    seen = [(0, 5, 6), (0, 15, 16)]
    assert needs(window_tasks(windows, (0,), "anchors")) == [[], *[seen] * 5]


def test_each_shot_has_anchors_of_its_own() -> None:
    windows = split(120, 4, 24, 4)  # the cut is in window 2; windows 3 and 4 show 16 frames of the second shot alone
    first, second = [(0, 5, 6), (0, 15, 16)], [(3, 68, 69), (3, 76, 77)]
    found = needs(window_tasks(windows, (0, 50), "anchors"))
    assert found == [[], first, first + second, [], second, second]
    assert needs(window_tasks(windows, (0, 50, 104), "anchors"))[5] == second  # of a shot in one window: none
    assert needs(window_tasks(split(24, 4, 24, 4), (0,), "anchors")) == [[]]


def test_the_beginning_is_ready_first() -> None:
    windows = split(120, 4, 24, 4)
    assert list(wavefront(window_tasks(windows, (0,), "independent"))) == [0, 1, 2, 3, 4, 5]
    # The cut is in window 1, and window 2 gives the second shot's anchors.
    assert list(wavefront(window_tasks(windows, (0, 30), "anchors"))) == [0, 2, 1, 3, 4, 5]


@given(timelines(), st.lists(st.integers(1, 299), max_size=4), st.sampled_from(get_args(Seams)))
def test_windows_wait_for_few_and_never_in_a_circle(
    timeline: tuple[int, int, int, int], cuts: list[int], seams: Seams
) -> None:
    windows = split(*timeline)
    starts = (0, *sorted({cut for cut in cuts if cut < timeline[0]}))
    tasks = window_tasks(windows, starts, seams)
    order = list(wavefront(tasks))
    assert sorted(order) == list(range(len(windows)))
    depth: dict[int, int] = {}
    for index in order:
        depth[index] = 1 + max((depth[need.window] for need in tasks[index].needs), default=0)
    assert max(depth.values()) <= {"independent": 1, "anchors": 2}[seams]
    for task in tasks:
        frames = [frame for need in task.needs for frame in range(need.start, need.stop)]
        assert len(frames) == len(set(frames))
        for need in task.needs:
            window = windows[need.window]
            assert window.start <= need.start < need.stop <= window.stop
            assert not (task.window.start < need.stop and need.start < task.window.stop)
            # What is looked at shows a shot that the window shows too.
            shot = sum(start <= need.start for start in starts) - 1
            begin, end = starts[shot], [*starts[1:], timeline[0]][shot]
            assert task.window.start < end and begin < task.window.stop


def test_a_longer_last_shot_keeps_its_anchors() -> None:
    short, long = split(120, 4, 24, 4), split(200, 4, 24, 4)
    assert window_tasks(short, (0, 40), "anchors")[:5] == window_tasks(long, (0, 40), "anchors")[:5]
    assert window_tasks(long, (0, 40), "anchors")[9].needs == (Need(2, 48, 49), Need(2, 56, 57))


def test_defaults_fit_the_nano_grid() -> None:
    assert WINDOW_LENGTH % 4 == WINDOW_OVERLAP % 4 == SEGMENT_LENGTH % 4 == 0
