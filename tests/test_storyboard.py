"""One prompt split into shots: by rule, and by a language model's answer over real HTTP."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from service import listening

from sgen_ray.cli.main import main
from sgen_ray.errors import RequestError
from sgen_ray.models.factory import load_factory
from sgen_ray.story import parse_story, read_story
from sgen_ray.storyboard import TOPICS, asked_storyboard, story_yaml, storyboard
from sgen_ray.types import Shot


def test_a_known_topic_is_told_in_its_shots():
    shots = storyboard("A one-minute video explaining the Water Cycle to children", 60)
    assert [shot.seconds for shot in shots] == [15] * 4
    assert shots[0].prompt.startswith("water vapour") and shots[3].prompt.startswith("a river")


def test_the_demo_model_knows_every_word_of_the_topics():
    for shots in TOPICS.values():
        assert load_factory("nano").unknown_words(" ".join(shots)) == ()


@pytest.mark.parametrize(
    ("told", "shots"),
    [
        ("a dog in the snow", ["a dog in the snow"]),
        ("A dog runs. Then a cat walks, then a bird flies", ["A dog runs", "a cat walks", "a bird flies"]),
        ("1. a car in the city\n2. a bus in the snow\n", ["a car in the city", "a bus in the snow"]),
        ("First, a boat sails; finally a whale jumps!", ["a boat sails", "a whale jumps!"]),
    ],
)
def test_sentences_become_shots(told: str, shots: list[str]):
    assert [shot.prompt for shot in storyboard(told, 30)] == shots


@pytest.mark.parametrize("seconds", [7, 10, 60, 61.5])
def test_lengths_add_up(seconds: float):
    shots = storyboard("a. b. c", seconds)
    assert sum(shot.seconds for shot in shots) == pytest.approx(seconds) and len(shots) == 3


def test_nothing_to_show_is_refused():
    with pytest.raises(RequestError, match="empty"):
        storyboard(" . ", 10)


def test_a_story_file_reads_back():
    shots = (Shot("a dog: running, 'fast'", 7.5), Shot("über den Wolken", 12))
    assert parse_story(story_yaml(shots)) == shots


def model(answer: Callable[[dict], object]) -> FastAPI:
    """A server of chat completions."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> object:
        return answer(await request.json())

    return app


def saying(text: str) -> dict:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


def test_a_language_model_writes_it():
    asked: list[dict] = []

    def answer(wanted: dict) -> object:
        asked.append(wanted)
        shots = [{"prompt": "a dog in the snow", "seconds": 10}, {"prompt": "a cat in the city", "seconds": 30}]
        return saying(f"Here you are:\n```json\n{json.dumps(shots)}\n```")

    with listening(model(answer)) as address:
        shots = asked_storyboard("pets", 20, f"{address}/v1/", "tiny", known=("dog", "cat"))
    assert shots == (Shot("a dog in the snow", 5), Shot("a cat in the city", 15))
    system, user = asked[0]["messages"]
    assert user["content"] == "pets" and "20 seconds" in system["content"] and "dog, cat" in system["content"]


@pytest.mark.parametrize("answer", [saying("no"), saying("[1, 2]"), saying('[{"prompt": ""}]'), {}, [], saying("[")])
def test_an_answer_that_is_no_storyboard_is_one_line(answer: object):
    with (
        listening(model(lambda wanted: answer)) as address,
        pytest.raises(RequestError, match="language model") as told,
    ):
        asked_storyboard("pets", 20, f"{address}/v1", "tiny")
    assert "\n" not in str(told.value)


def test_a_language_model_that_is_not_there_is_one_line():
    for url in ("http://127.0.0.1:9/v1", "no address", ""):
        with pytest.raises(RequestError, match="gave no answer"):
            asked_storyboard("pets", 20, url, "tiny")


def test_the_command_writes_a_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["storyboard", "explain the water cycle", "--seconds", "20", "-o", "story.yaml"]) == 0
    assert [shot.seconds for shot in read_story("story.yaml")] == [5] * 4
    assert main(["storyboard", "a dog runs. a gnu runs", "--json"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out.splitlines()[-1])["shots"]) == 2 and "gnu" in err
