"""Films by seed: what goes with what, how shots follow each other, and which combinations are held out.

Each subject is drawn about equally often. Held-out combinations never occur in the split "train".
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping

from sgen_ray.world.scene import ATTRIBUTES, ON_STAND, WATER_CYCLE, Film, Scene

SPLITS = ("train", "heldout")
COLOURS = ATTRIBUTES["colour"][1:]
WALKERS = ("person", "dog", "cat", "horse")
ON_LAND = ("mars", "moon", "city", "forest", "desert", "snow", "meadow", "mountains")
_OPEN = ("city", "forest", "ocean", "desert", "snow", "meadow", "mountains")

Weights = Mapping[str, float]


def _even(*names: str) -> Weights:
    return dict.fromkeys(names, 1.0)


PLACES_OF: dict[str, Weights] = {
    "none": _even(*_OPEN, "mars", "moon", "underwater"),
    "astronaut": {**_even(*ON_LAND), "mars": 4.0, "moon": 2.0},
    **{name: {**_even(*ON_LAND), "mars": 0.5, "moon": 0.5} for name in WALKERS},
    "bird": _even(*_OPEN), "plane": _even(*_OPEN), "rocket": {**_even(*_OPEN), "mars": 2.0, "moon": 2.0},
    "fish": {"underwater": 3.0, "ocean": 1.0}, "whale": {"underwater": 1.0, "ocean": 2.0}, "boat": {"ocean": 1.0},
    "car": {**_even("forest", "desert", "snow", "meadow", "mountains", "mars"), "city": 2.0},
    "bus": {**_even("forest", "desert", "snow", "meadow", "mountains"), "city": 2.0},
    "ball": _even("city", "forest", "desert", "snow", "meadow", "mars", "moon", "studio"),
    **{name: {**_even("desert", "snow", "meadow", "mars", "forest", "city"), "studio": 9.0}
       for name in ON_STAND},
    "vapour": {"ocean": 1.0}, "cloud": _even("ocean", "mountains", "meadow", "desert", "forest"),
    "rain": {"mountains": 3.0, "forest": 1.0, "meadow": 1.0, "city": 1.0},
    "river": _even("meadow", "mountains", "forest"),
}  # fmt: skip
ACTIONS_OF: dict[str, Weights] = {
    "none": {"none": 1.0},
    "astronaut": {"walking": 5.0, "standing": 1.0, "running": 1.0, "jumping": 1.0},
    "person": {"walking": 3.0, "standing": 1.0, "running": 2.0, "jumping": 1.0},
    "dog": {"walking": 2.0, "standing": 1.0, "running": 3.0}, "cat": {"walking": 3.0, "standing": 1.0, "running": 1.5},
    "horse": {"walking": 2.0, "standing": 1.0, "running": 3.0}, "bird": {"flying": 1.0}, "plane": {"flying": 1.0},
    "rocket": {"flying": 1.5, "rising": 2.0, "standing": 0.7}, "fish": {"swimming": 1.0},
    "whale": {"swimming": 1.0}, "boat": {"sailing": 4.0, "standing": 1.0}, "car": {"driving": 5.0, "standing": 1.0},
    "bus": {"driving": 5.0, "standing": 1.0}, "ball": {"bouncing": 5.0, "standing": 1.0},
    **{name: {"turning": 6.0, "standing": 1.0} for name in ON_STAND},
    "vapour": {"rising": 1.0}, "cloud": {"forming": 1.0}, "rain": {"falling": 1.0}, "river": {"flowing": 1.0},
}  # fmt: skip
"""Actions of a subject; fish and whales in the open sea jump as well."""

STILL_ACTIONS = ("none", "standing", "turning", "rising", "forming", "falling", "flowing")
_SUBJECTS = {name: 0.6 if name in WATER_CYCLE or name == "none" else 1.0 for name in ATTRIBUTES["subject"]}
"""The water cycle's subjects come again as a film of four shots."""
_WATER_SHOTS = (
    {"subject": "vapour", "place": "ocean", "sky": "sun", "weather": "clear"},
    {"subject": "cloud"},
    {"subject": "rain", "place": "mountains"},
    {"subject": "river"},
)


def sample_film(seed: int, seconds: float, shots: int | None = None, split: str = "train") -> Film:
    """A film of `seconds`, the same for the same arguments. Shots last whole seconds, at least 3 where there is room
    (the last one takes what is left over); `shots` None leaves their number open.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of: {', '.join(SPLITS)}")
    if not seconds > 0:
        raise ValueError(f"a film lasts more than 0 seconds, not {seconds}")
    rng = random.Random(f"film {seed} {split}")
    room = max(1, int(seconds // 3))
    if shots is None:
        most = min(6, room)
        shots = 1 if rng.random() < 0.3 else rng.randint(1, most)
    lengths = shot_lengths(rng, seconds, shots)
    kind = rng.random()
    if shots >= 4 and split == "train" and kind < 0.16:
        given = [dict(_WATER_SHOTS[i * 4 // shots]) for i in range(shots)]
        whole_day = {"time": _pick(rng, {"dawn": 1.0, "day": 4.0, "dusk": 1.0})}
        given = [whole_day | g for g in given]
    elif shots > 1 and kind < 0.62:
        lead = _in_split(rng, {}, 1.0, split)
        given = [{"subject": lead.subject, "colour": lead.colour}] * shots
    else:
        given = [{}] * shots
    return Film(tuple(_in_split(rng, g, length, split) for g, length in zip(given, lengths, strict=True)))


def shot_lengths(rng: random.Random, seconds: float, shots: int) -> list[float]:
    """Lengths that sum to `seconds`: whole, at least 3 where there is room, the rest dealt out at random."""
    if shots < 1:
        raise ValueError(f"a film has at least one shot, not {shots}")
    whole = int(seconds)
    least = min(3, whole // shots)
    if least < 1:
        return [seconds / shots] * shots
    lengths = [float(least)] * shots
    for _ in range(whole - least * shots):
        lengths[rng.randrange(shots)] += 1
    lengths[-1] += seconds - whole
    return lengths


def held_out(scene: Scene) -> bool:
    """Whether a shot belongs to the tenth of combinations that training never sees."""
    free = scene.colour if scene.colour != "none" else f"{scene.time}/{scene.camera}"
    return zlib.crc32(f"{scene.subject} {scene.place} {free} 5".encode()) % 10 == 0


def complete(rng: random.Random, given: Mapping[str, str], seconds: float) -> Scene:
    """A scene with the `given` attributes, whatever they are, and likely ones for the rest."""
    got = dict(given)
    subject = got.setdefault("subject", _pick(rng, _SUBJECTS))
    place = got.setdefault("place", _place(rng, subject, got.get("action")))
    action = got.setdefault("action", _action(rng, subject, place, got.get("direction")))
    got.setdefault("direction", "still" if action in STILL_ACTIONS else _direction(rng, action, subject))
    if "weather" not in got:
        dry = place in ("mars", "moon", "underwater", "studio") or subject in ("vapour", "cloud")
        got["weather"] = (
            "rain"
            if subject == "rain"
            else "clear"
            if dry or got.get("sky", "none") != "none"
            else _pick(rng, {"clear": 6.0, "rain": 1.4, "snow": 2.0 if place == "snow" else 0.9, "fog": 1.0})
        )
    if "time" not in got:
        night = 0.0 if got.get("sky") == "sun" else 3.0 if got.get("sky") == "moon" else 1.0
        got["time"] = _pick(rng, {"dawn": 0.8, "day": 2.0, "dusk": 0.8, "night": night})
    if "sky" not in got:
        got["sky"] = _sky(rng, place, got["time"], got["weather"])
    if "camera" not in got:
        got["camera"] = _camera(rng, got["direction"], subject, seconds)
    if "colour" not in got:
        free = subject not in ("none", "vapour", "cloud", "rain", "river")
        got["colour"] = _colour(rng, subject, place) if free else "none"
    numbers = {name: round(rng.random(), 4) for name in ("hills", "drift", "gait", "size", "pace", "sky_x")}
    return Scene(**got, seconds=seconds, **numbers)  # type: ignore[arg-type]


def _in_split(rng: random.Random, given: Mapping[str, str], seconds: float, split: str) -> Scene:
    wanted = split == "heldout"
    for attempt in range(400):
        # A story whose subject has no combination in this split gets another colour, then another subject.
        kept = {k: v for k, v in given.items() if attempt < 120 or (k == "subject" and attempt < 240)}
        scene = complete(rng, kept, seconds)
        if held_out(scene) == wanted:
            return scene
    raise AssertionError(f"no scene of split {split} found")


def _pick(rng: random.Random, weights: Weights) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _place(rng: random.Random, subject: str, action: str | None) -> str:
    if subject in ("fish", "whale") and action == "jumping":
        return "ocean"
    return _pick(rng, PLACES_OF[subject])


def _action(rng: random.Random, subject: str, place: str, direction: str | None) -> str:
    weights = dict(ACTIONS_OF[subject])
    if subject in ("fish", "whale") and place == "ocean":
        weights = {"jumping": 1.0} if subject == "fish" else {"jumping": 1.0, "swimming": 1.0}
    if direction in ("left", "right"):
        weights = {a: w for a, w in weights.items() if a not in STILL_ACTIONS} or weights
    return _pick(rng, weights)


def _direction(rng: random.Random, action: str, subject: str) -> str:
    often_still = (action == "jumping" and subject not in ("fish", "whale")) or action == "bouncing"
    return _pick(rng, {"left": 1.0, "right": 1.0, "still": 1.5 if often_still else 0.0})


def _sky(rng: random.Random, place: str, time: str, weather: str) -> str:
    if place in ("underwater", "studio") or weather != "clear":
        return "none"
    if place in ("mars", "moon"):
        earth = 5.0
        return _pick(rng, {"none": 1.5, "sun": 0.0 if time == "night" else 1.0, "earth": earth, "planet": 1.5,
                           "moon": 0.0 if place == "moon" else 0.5})  # fmt: skip
    if time == "night":
        return _pick(rng, {"none": 1.0, "moon": 3.0, "earth": 0.4, "planet": 0.8})
    return _pick(rng, {"none": 1.5, "sun": 3.0, "moon": 0.3, "earth": 0.2, "planet": 0.5})


def _camera(rng: random.Random, direction: str, subject: str, seconds: float) -> str:
    if direction != "still":
        return _pick(rng, {"follow": 4.0, "zoom in": 1.0})
    roams = seconds <= 10 or subject in ("none", "vapour", "cloud", "rain")
    return _pick(rng, {"still": 2.0, "pan left": 1.0 * roams, "pan right": 1.0 * roams, "zoom in": 1.2})


def _colour(rng: random.Random, subject: str, place: str) -> str:
    weights = dict.fromkeys(COLOURS, 1.0)
    if subject == "astronaut":
        weights["white"] = 8.0
    elif subject in ("dog", "cat", "horse"):
        weights |= {"orange": 2.0, "white": 2.0, "black": 2.0}
    elif subject == "whale":
        weights["blue"] = 3.0
    if place in ("ocean", "underwater"):
        weights["blue"] *= 0.5
    if place == "snow":
        weights["white"] *= 0.4
    return _pick(rng, weights)
