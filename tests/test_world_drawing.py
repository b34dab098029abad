"""Frames: a function of film and time alone, and true to their attributes."""

from dataclasses import replace

import pytest
import torch

from sgen_ray.world import ATTRIBUTES, Film, Scene, attribute_indices, draw, geometry, sample_film

W, H = 64, 32
DOG = Scene("dog", "meadow", action="walking", direction="right", camera="follow", colour="red")


def frame(scene: Scene, t: float = 1.0, width: int = W, height: int = H) -> torch.Tensor:
    return draw([Film((scene,))], torch.tensor([[t]]), width, height)[0, 0]


def test_a_frame_depends_on_film_and_time_alone() -> None:
    films = [sample_film(seed, 9.0) for seed in range(12)]
    times = torch.arange(5).repeat(12, 1) * 1.75
    together = draw(films, times, W, H)
    assert torch.equal(together, draw(films, times, W, H))
    for n in (0, 5, 11):
        alone = draw([films[n]], times[n : n + 1, 3:4], W, H)
        assert torch.allclose(alone[0, 0], together[n, 3], atol=1e-4)


def test_every_subject_draws_in_every_place_within_range() -> None:
    shots = [Scene(s, p, colour="red") for s in ATTRIBUTES["subject"] for p in ATTRIBUTES["place"]]
    frames = draw([Film((shot,)) for shot in shots], torch.full((len(shots), 1), 1.0), 32, 16)
    assert frames.dtype == torch.float32
    assert bool(frames.isfinite().all()) and float(frames.min()) >= 0 and float(frames.max()) <= 1


@pytest.mark.parametrize("size", [(32, 16), (40, 40), (24, 48), (161, 90)])
def test_any_size(size: tuple[int, int]) -> None:
    assert frame(DOG, 1.0, *size).shape == (3, size[1], size[0])


def test_day_is_brighter_than_dusk_than_night_in_every_place() -> None:
    for place in ATTRIBUTES["place"]:
        day, dusk, night = (frame(Scene("none", place, time=t)).mean() for t in ("day", "dusk", "night"))
        assert day > dusk > night, place


def test_the_other_direction_is_the_mirror_image_of_the_subject() -> None:
    # A drift that is the same from either side, and a plain wall behind, leave only the subject to compare.
    still = replace(DOG, place="studio", subject="car", action="driving", drift=0.0, hills=0.0)
    right = frame(still, 0.0)
    left = frame(replace(still, direction="left"), 0.0)
    assert torch.allclose(left, right.flip(-1), atol=1e-3)


def test_the_ground_under_a_foot_moves_as_the_foot_does() -> None:
    from sgen_ray.world.motion import states
    from sgen_ray.world.people import foot

    times = torch.arange(0, 1, 0.01)[None]
    state = states([Film((replace(DOG, subject="person"),))], times, 2.0)
    x, height = foot(state, 0.32, 0.1, 0.0, 0.0)
    on_screen = state.x + state.facing * x * state.scale
    on_ground = on_screen + state.camera
    down = (height[1:] == 0) & (height[:-1] == 0)
    assert float(down.float().mean()) > 0.4
    assert float((on_ground[1:] - on_ground[:-1])[down].abs().max()) < 1e-4


def test_geometry_bounds_what_the_subject_paints() -> None:
    for name in ATTRIBUTES["subject"][1:]:
        scene = Scene(name, "mars", time="dusk", colour="yellow", camera="still")
        changed = (frame(scene) - frame(replace(scene, subject="none"))).abs().sum(0) > 0.3
        x, y, w, h = geometry([Film((scene,))], torch.tensor([[1.0]]), W / H)[0, 0].tolist()
        rows, columns = changed.nonzero().unbind(1)
        assert len(rows) > 30, name
        stand = 0.15 if name in ("shoe", "bottle", "watch") else 0.08  # a plinth is wider and lower than its product
        assert (rows.max() + 0.5) / H < y + h / 2 + stand and (rows.min() + 0.5) / H > y - h / 2 - 0.06, name
        if stand < 0.1:
            assert (columns.max() + 0.5) / W < x + w / 2 + 0.04 and (columns.min() + 0.5) / W > x - w / 2 - 0.04, name
    assert torch.equal(geometry([Film((Scene("none", "city"),))], torch.zeros(1, 2)), torch.zeros(1, 2, 4))


def test_the_subject_has_its_colour() -> None:
    rgb = {"red": 0, "green": 1, "blue": 2}
    for colour, channel in rgb.items():
        scene = Scene("ball", "studio", colour=colour)
        patch = (frame(scene, 1.0) - frame(replace(scene, subject="none"), 1.0)).sum((1, 2))
        assert int(patch.argmax()) == channel


def test_a_subject_that_travels_stays_in_the_frame() -> None:
    film = Film((replace(DOG, seconds=60.0),))
    x = geometry([film], torch.arange(0, 60, 0.5)[None])[0, :, 0]
    assert float(x.min()) > 0.25 and float(x.max()) < 0.75
    assert float(x.max() - x.min()) > 0.2


def test_a_cut_shows_the_new_shot_at_its_time() -> None:
    film = Film((Scene("none", "city", seconds=3.0), Scene("none", "mars", seconds=4.0)))
    assert [film.shot_at(t) for t in (0.0, 2.9, 3.0, 6.9, 99.0)] == [0, 0, 1, 1, 1]
    place = attribute_indices([film], torch.tensor([[0.0, 2.875, 3.0, 6.5]]))["place"]
    names = [ATTRIBUTES["place"][i] for i in place[0].tolist()]
    assert names == ["city", "city", "mars", "mars"]
    second = draw([film], torch.tensor([[3.5]]), W, H)[0, 0]
    assert torch.allclose(second, frame(film.shots[1], 0.5), atol=1e-4)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ValueError, match="subject 'giraffe' is not one of"):
        Scene("giraffe", "city")


def test_patches_of_other_frames_leave_no_trace() -> None:
    # A patch is as large as the largest of its batch needs: what it adds must be blank.
    for name in ATTRIBUTES["subject"][1:]:
        scene = Scene(name, "snow", colour="black", direction="right", action="walking", camera="follow")
        zoomed = replace(scene, camera="zoom in", size=1.0)
        both = draw([Film((scene,)), Film((zoomed,))], torch.tensor([[1.0], [4.0]]), W, H)[0, 0]
        assert torch.allclose(both, frame(scene), atol=1e-4), name


def test_the_world_is_the_one_that_models_were_trained_on() -> None:
    # Shipped weights know this world: who changes these figures trains anew.
    films = [sample_film(seed, 12.0) for seed in range(40)]
    times = (torch.arange(40)[:, None] * 0.31 + torch.arange(3) * 4) % 12
    means = draw(films, times, W, H).mean((0, 1, 3, 4))
    assert torch.allclose(means, torch.tensor([0.49590, 0.53602, 0.59534]), atol=1e-4), means
