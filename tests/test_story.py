import pytest

from sgen_ray.errors import RequestError
from sgen_ray.story import MAX_BYTES, parse_story, read_story
from sgen_ray.types import Shot

LIST = "- prompt: rain over the sea\n  seconds: 15\n- prompt: 'sun: at last'\n  seconds: 2.5\n"
SHOTS = (Shot("rain over the sea", 15.0), Shot("sun: at last", 2.5))


def test_a_list_and_a_mapping_say_the_same():
    assert parse_story(LIST) == SHOTS
    assert parse_story("shots:\n" + LIST) == SHOTS


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "story.yaml").write_bytes(b"\xef\xbb\xbf" + LIST.encode())
    assert read_story(tmp_path / "story.yaml") == SHOTS


BAD = [
    ("", "line 1: the story is empty"),
    ("# nothing yet\n", "line 1: the story is empty"),
    ("just text", "line 1: a story is a list"),
    ("shots: []", "line 1: a story is a list"),
    ("shots:\n", "line 1: a story is a list"),
    ("- a fox\n- a bear\n", "line 1: a shot needs"),
    ("- prompt: a\n  seconds: 3\n- prompt: b\n  secnds: 3\n", "line 4: unknown key 'secnds'; did you mean seconds"),
    ("- prompt: a\n  seconds: 3\n  zoom: 3\n", "line 3: unknown key 'zoom'; use prompt and seconds"),
    ("shot:\n- prompt: a\n", "line 1: unknown key 'shot'; did you mean shots"),
    ("- prompt: a\n  seconds: 3\n- seconds: 3\n", "line 3: prompt is missing"),
    ("- prompt: a\n", "line 1: seconds is missing"),
    ("- prompt: a\n  prompt: b\n  seconds: 3\n", "line 2: prompt is given twice"),
    ("- prompt:\n  seconds: 3\n", "line 1: prompt must be a text"),
    ("- prompt: [a]\n  seconds: 3\n", "line 1: prompt must be a text"),
    ("- prompt: a\n  seconds: 12s\n", "line 2: seconds is '12s'"),
    ("- prompt: a\n  seconds: -1\n", "line 2: seconds is '-1'"),
    ("- prompt: a\n  seconds: .inf\n", "line 2: seconds is '.inf'"),
    ("- prompt: a\n  seconds: [1]\n", "line 2: seconds is a list"),
    ("- prompt: day: rain\n  seconds: 3\n", "line 1: mapping values.*quotes"),
    ("- prompt: a\n\tseconds: 3\n", "line 2"),
    ("- prompt: 'a\n  seconds: 3\n", "line 3"),
    ("- prompt: a\n  seconds: 3\n---\n- prompt: b\n", "line 3"),
    ("- prompt: a\n  seconds: \x07\n", "line 2: a character"),
    ("- prompt: *nobody\n  seconds: 3\n", "line 1"),
    ("[" * 5000, "line 1"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_mistake_is_one_line_that_names_the_line(text, message):
    with pytest.raises(RequestError, match="^story.yaml, " + message) as caught:
        parse_story(text)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_story(tmp_path):
    with pytest.raises(RequestError, match="does not exist"):
        read_story(tmp_path / "none.yaml")
    with pytest.raises(RequestError, match="cannot be read"):
        read_story(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("- prompt: a\n  seconds: 3\n- prompt: caf\xe9\n".encode("latin-1"))
    with pytest.raises(RequestError, match="latin.yaml, line 3: not UTF-8"):
        read_story(latin)
    (tmp_path / "film.mp4").write_bytes(b"\0" * (MAX_BYTES + 1))
    with pytest.raises(RequestError, match="right file"):
        read_story(tmp_path / "film.mp4")
