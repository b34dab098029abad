"""Films, captions, prompts: splits stay apart, and captions say what they claim to say."""

from collections import Counter

import pytest

from sgen_ray.world import (
    ATTRIBUTES,
    captions,
    captions_with_mentions,
    held_out,
    parse,
    sample_film,
    tokenise_words,
    unknown_words,
    words,
)


def test_a_film_is_a_function_of_its_seed() -> None:
    assert sample_film(7, 20.0) == sample_film(7, 20.0)
    assert sample_film(7, 20.0) != sample_film(8, 20.0)


def test_shots_last_whole_seconds_and_at_least_three() -> None:
    for seed in range(60):
        film = sample_film(seed, 24.0)
        assert film.seconds == 24.0
        assert all(shot.seconds >= 3 and shot.seconds == int(shot.seconds) for shot in film.shots)
    assert len(sample_film(1, 60.0, shots=5).shots) == 5
    assert sample_film(1, 2.5).seconds == 2.5


def test_held_out_combinations_are_never_trained_on() -> None:
    train = [shot for seed in range(400) for shot in sample_film(seed, 15.0).shots]
    held = [shot for seed in range(100) for shot in sample_film(seed, 9.0, split="heldout").shots]
    assert not any(held_out(shot) for shot in train)
    assert all(held_out(shot) for shot in held)


def test_subjects_come_about_equally_often() -> None:
    counts = Counter(sample_film(seed, 4.0, shots=1).shots[0].subject for seed in range(4000))
    for subject in ATTRIBUTES["subject"]:
        assert 80 < counts[subject] < 280, (subject, counts[subject])


def test_the_water_cycle_is_not_rare() -> None:
    cycle = ["vapour", "cloud", "rain", "river"]
    films = [sample_film(seed, 16.0, shots=4) for seed in range(300)]
    assert sum([shot.subject for shot in film.shots] == cycle for film in films) > 25


def test_every_word_of_a_caption_is_known() -> None:
    for seed in range(600):
        film = sample_film(seed, 6.0)
        for split in ("train", "heldout"):
            for text in captions(film, seed, split):
                assert set(tokenise_words(text)) <= words()
                assert unknown_words(text) == ()


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_caption_states_what_it_mentions(split: str) -> None:
    right, stated = 0, 0
    for seed in range(800):
        film = sample_film(seed, 3.0, shots=1)
        text, mentioned = captions_with_mentions(film, seed, split)[0]
        read = parse(text).shots[0]
        stated += len(mentioned)
        right += sum(getattr(read, name) == getattr(film.shots[0], name) for name in mentioned)
    assert right / stated > 0.99


def test_some_wordings_are_held_out() -> None:
    films = [sample_film(seed, 3.0, shots=1) for seed in range(600)]
    trained = {w for i, f in enumerate(films) for w in tokenise_words(captions(f, i)[0])}
    tested = {w for i, f in enumerate(films) for w in tokenise_words(captions(f, i, "heldout")[0])}
    assert {"strolling", "spaceman"} <= trained
    assert {"kitty", "turntable", "daybreak"} & (tested - trained) == {"kitty", "turntable", "daybreak"}


def test_prompts_are_drawn_as_they_say() -> None:
    shot = parse("An astronaut walking on Mars, the Earth visible in the sky").shots[0]
    assert (shot.subject, shot.place, shot.sky, shot.action) == ("astronaut", "mars", "earth", "walking")
    shot = parse("a red car drives left through the city at night in the rain").shots[0]
    assert (shot.subject, shot.colour, shot.direction) == ("car", "red", "left")
    assert (shot.place, shot.time, shot.weather) == ("city", "night", "rain")
    film = parse("The water cycle, explained", seconds=20)
    assert [s.subject for s in film.shots] == ["vapour", "cloud", "rain", "river"]
    assert film.seconds == 20
    film = parse("A black dog runs through the snow, then it walks on the moon", seconds=9)
    assert [(s.subject, s.colour, s.place) for s in film.shots] == [("dog", "black", "snow"), ("dog", "black", "moon")]
    assert parse("a watch turning on a stand").shots[0].place == "studio"


def test_unknown_words_are_named_once_and_common_ones_are_not() -> None:
    assert unknown_words("A purple giraffe and a giraffe's zebra in the forests") == ("giraffe", "zebra")
    assert parse("qwertz").seconds == 8


def test_the_splits_are_named() -> None:
    with pytest.raises(ValueError, match="is not one of: train, heldout"):
        sample_film(0, 4.0, split="test")
