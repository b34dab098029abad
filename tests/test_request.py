import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgen_ray.errors import RequestError
from sgen_ray.request import MAX_PROMPT, default_size, make_request, parse_size
from sgen_ray.shapes import Grid
from sgen_ray.types import Shot, VideoRequest

GRID = Grid(128, 64, 8, 16, 8, 3, 6)


def test_a_bare_prompt_becomes_a_minute_on_the_models_own_clock():
    assert make_request("a fox", grid=GRID) == VideoRequest((Shot("a fox", 60.0),), 512, 256, 8, plan_steps=32)


def test_values_arrive_unchanged():
    request = make_request("  a \n fox ", grid=GRID, seconds=7.5, size="640x360", fps=24, seed=3, steps=4, guidance=0)
    assert request == VideoRequest((Shot("a fox", 7.5),), 640, 360, 24, seed=3, steps=4, guidance=0.0)


@pytest.mark.parametrize(("width", "expected"), [(128, 512), (160, 480), (480, 480), (832, 832), (168, 504)])
def test_default_size_is_the_smallest_whole_upscale_of_at_least_480(width, expected):
    assert default_size(Grid(width, 64, 8, 16, 8, 3, 6)) == (expected, 64 * expected // width)


@given(st.integers(8, 1920), st.integers(8, 1920))
def test_even_sizes_survive_as_text_and_as_numbers(half_width, half_height):
    size = 2 * half_width, 2 * half_height
    assert parse_size(f"{size[0]}x{size[1]}") == parse_size(size) == size


def test_shots_give_the_length_and_a_prompt_goes_before_each():
    shots = (Shot("rain", 0.1 + 0.2 + 1), Shot("sun", 2.7))
    request = make_request("a valley", shots=shots, grid=GRID)
    assert [shot.prompt for shot in request.shots] == ["a valley, rain", "a valley, sun"]
    assert make_request(shots=shots[1:], grid=GRID).shots == (Shot("sun", 2.7),)


def test_shots_are_summed_in_decimals():
    shots = [Shot("rain", 1.1)] * 3
    assert math.isclose(make_request(shots=shots, seconds=3.3, grid=GRID).seconds, 3.3)


BAD = [
    ({"prompt": None}, "empty"),
    ({"prompt": " \n "}, "empty"),
    ({"prompt": "x" * (MAX_PROMPT + 1)}, f"shorten it to {MAX_PROMPT}"),
    ({"prompt": "a\x00fox"}, r"U\+0000"),
    ({"prompt": "a\udcfffox"}, r"U\+DCFF"),
    ({"seconds": 0}, "from 1 to 1200"),
    ({"seconds": 1201}, "from 1 to 1200"),
    ({"seconds": float("nan")}, "from 1 to 1200"),
    ({"seconds": 20, "max_seconds": 10}, "from 1 to 10"),
    ({"size": "513x256"}, "use 514x256"),
    ({"size": "512"}, "like 512x256"),
    ({"size": "512x256\n99"}, "like 512x256"),
    ({"size": "14x256"}, "width is 14"),
    ({"size": "512x4000"}, "height is 4000"),
    ({"fps": 0}, "from 1 to 60"),
    ({"fps": 61}, "from 1 to 60"),
    ({"steps": 0}, "from 1 to 100"),
    ({"steps": 101}, "from 1 to 100"),
    ({"plan_steps": 0}, "plan steps"),
    ({"seed": -1}, "seed is -1"),
    ({"guidance": float("inf")}, "guidance is inf"),
    ({"shots": [Shot("a", 10), Shot("b", 10)], "seconds": 30}, "last 20 s together but seconds is 30"),
    ({"shots": [Shot("a", 800), Shot("b", 800)]}, "1600 s together"),
    ({"shots": [Shot("a", 10), Shot("b", 0.1)]}, "shot 2"),
    ({"shots": [Shot("a", 10), Shot(" ", 10)]}, "shot 2"),
    ({"shots": [Shot("a" * MAX_PROMPT, 10)]}, "PROMPT with that of shot 1"),
    ({"negative_prompt": "x" * (MAX_PROMPT + 1)}, "negative prompt"),
]


def test_long_films_are_planned_in_more_steps():
    def steps(seconds, **more):
        return make_request("a", seconds=seconds, grid=GRID, **more).plan_steps

    assert [steps(8), steps(20), steps(20.5), steps(60)] == [16, 16, 32, 32]
    assert steps(60, plan_steps=4) == 4
    tenths = [Shot("a", 7.4), Shot("b", 8.8), Shot("c", 3.8)]
    assert steps(None, shots=tenths) == 16  # 20 s, though floats add up to a little more


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_line_that_says_what_to_do(change, message):
    with pytest.raises(RequestError, match=message) as caught:
        make_request(**({"prompt": "a fox", "grid": GRID} | change))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
