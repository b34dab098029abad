"""Words of the demo world: which it knows, and what a free prompt asks to be drawn."""

from __future__ import annotations

import random
import re
from functools import cache

from sgen_ray.world import vocabulary as v
from sgen_ray.world.sampling import STILL_ACTIONS, complete, shot_lengths
from sgen_ray.world.scene import ATTRIBUTES, ON_STAND, WATER_CYCLE, Film

_KEYWORDS: dict[str, dict[str, str]] = {
    "subject": {
        "astronaut": "astronaut, spaceman, spacewoman, cosmonaut, space explorer",
        "person": "person, man, woman, boy, girl, pedestrian, guy, human, walker, someone, people",
        "dog": "dog, puppy, hound", "cat": "cat, kitten, kitty", "horse": "horse, pony, stallion, mare",
        "bird": "bird, songbird, seagull, gull, eagle", "fish": "fish, clownfish", "whale": "whale, dolphin",
        "car": "car, automobile, motor car, taxi", "bus": "bus, coach",
        "boat": "boat, sailboat, ship, yacht, sailing boat, sailing ship",
        "plane": "plane, airplane, aeroplane, jet, aircraft, airliner",
        "rocket": "rocket, spaceship, rocket ship, spacecraft, space ship", "ball": "ball, football",
        "shoe": "shoe, sneaker, trainer, boot, product", "bottle": "bottle, flask",
        "watch": "watch, wristwatch, timepiece, clock",
        "vapour": "vapour, vapor, steam, water vapour, water vapor, evaporating water, evaporation",
        "cloud": "cloud", "rain": "raindrop, rain falling, rain falls, rain pouring, rain pours, heavy rain",
        "river": "river, stream",
    },
    "place": {
        "mars": "mars, martian, red planet, planet mars",
        "moon": "on the moon, over the moon, surface of the moon, lunar, across the moon, lunar surface",
        "city": "city, town, street, downtown, skyline, rooftop", "forest": "forest, wood, tree, jungle",
        "ocean": "ocean, sea, wave",
        "underwater": "underwater, under water, under the sea, below the wave, deep in the sea, deep sea, sea floor, "
                      "bottom of the sea, depth of the sea, depths of the sea, under the ocean, aquarium, coral reef",
        "desert": "desert, dune, sand dune, sand", "meadow": "meadow, field, grass, park, garden, countryside",
        "snow": "in the snow, through the snow, over the snow, snowy, winter, snow field, snow, ice, arctic",
        "mountains": "mountain, peak, hill", "studio": "studio, backdrop, indoors",
    },
    "sky": {
        "sun": "sun, sunny, sunshine", "moon": "moon, moonlight, crescent moon, moonlit",
        "earth": "earth, planet earth", "planet": "planet, saturn, ringed planet, ring, planet with ring",
    },
    "action": {
        "standing": "standing, stands, stand still, waiting, waits, parked, stopped, resting, rests, staying, stays, "
                    "sitting, sits, stationary",
        "walking": "walking, walks, walk, strolling, strolls, wandering, wanders, hiking, hikes",
        "running": "running, runs, run, racing, races, sprinting, sprints, dashing, dashes, galloping, gallops",
        "driving": "driving, drives, drive, rolling, rolls, cruising, cruises",
        "flying": "flying, flies, fly, soaring, soars, gliding, glides",
        "swimming": "swimming, swims, swim", "sailing": "sailing, sails, voyaging, voyages",
        "jumping": "jumping, jumps, jump, leaping, leaps, hopping, hops",
        "bouncing": "bouncing, bounces, bounce", "turning": "turning, turns, rotating, rotates, spinning, spins, "
                    "revolving, revolves, on a stand, on a turntable, on a pedestal",
        "rising": "rising, rises, launching, launches, launch, taking off, takes off, lifting off, lifts off, "
                  "blasting off, blasts off, ascending, ascends",
        "forming": "forming, forms", "falling": "falling, falls", "flowing": "flowing, flows",
    },
    "direction": {
        "left": "left, leftward, leftwards, from right to left, right to left",
        "right": "right, rightward, rightwards, from left to right, left to right",
    },
    "time": {
        "dawn": "dawn, sunrise, morning, daybreak", "day": "day, daylight, noon, midday, afternoon, daytime",
        "dusk": "dusk, sunset, evening, twilight", "night": "night, dark, midnight, nighttime",
    },
    "weather": {
        "clear": "clear sky, clear weather, fine weather", "rain": "rain, rainy, raining, downpour, storm",
        "snow": "snows, snowing, falling snow, snowfall, snowstorm, snowflake, blizzard",
        "fog": "fog, foggy, haze, hazy, misty, mist",
    },
    "camera": {
        "still": "static camera, static shot, fixed camera, camera stays still, still camera, camera is still",
        "follow": "camera follows, tracking shot, camera moves along",
        "pan left": "pan left, pans left, panning left, pan to the left, pans to the left, panning to the left",
        "pan right": "pan right, pans right, panning right, pan to the right, pans to the right, panning to the right",
        "zoom in": "zoom in, zooms in, zooming in, camera closes in, zoom, close up",
    },
    "colour": {
        "red": "red, crimson", "orange": "orange, ginger, brown", "yellow": "yellow, golden, gold", "green": "green",
        "blue": "blue", "purple": "purple, violet, pink", "white": "white, silver", "black": "black",
    },
}  # fmt: skip
_SILENT = ("green field", "green meadow", "red planet", "blue earth", "blue river", "white cloud", "blue planet")
"""Phrases whose colour is not the subject's."""

_STOP_WORDS = frozenset(
    """
    a an the and or but of in on at by to from with without for into onto over under above below across through
    along past up down off out near next beside between behind before after around among against toward towards
    while as then than is are was be been being it its this that these those there here his her their he she they
    we you i me my our your who which what when where how some any one two three four no not very really slowly
    quickly fast slow gently calm calmly quiet quietly happy small little big large great huge giant tiny tall
    long short old new young beautiful nice lovely bright deep wide open empty plain whole same different another
    other few many more most has have had do does let make makes made show shows showing shown see seen seeing
    looks look looking goes going go comes coming come gets back front side top bottom middle first second third
    last finally later again also just only still moving moves move scene scenes shot shots video film movie clip
    picture view camera sky weather air ground land landscape surface light style cartoon animation animated
    please create generate draw high quality minute seconds about visible hanging shining appears
    """.split()
)

_CYCLE_PROMPTS = (
    "water vapour rising from the sea under the sun", "a cloud forming over the mountains",
    "rain falling on the mountains", "a river flowing through a meadow to the sea",
)  # fmt: skip


def tokenise_words(text: str) -> list[str]:
    """Lower-case words, without punctuation; an apostrophe ends a word, a hyphen parts two."""
    return re.findall(r"[a-z0-9]+", re.sub(r"['\u2019]s\b", "", text.lower()))


@cache
def words() -> frozenset[str]:
    """Every lower-case word that a caption can hold, in both splits."""
    found = set(tokenise_words(v.LINKS))
    for name in vars(v):
        table = getattr(v, name)
        if name.isupper() and name != "PLURAL" and not isinstance(table, str):
            for entry in table.values() if isinstance(table, dict) else (table,):
                for wording in (*entry[0], *entry[1]):
                    found.update(tokenise_words(wording.replace("{}", " ")))
    found.update(ATTRIBUTES["colour"][1:])
    return frozenset(found)


def common_words() -> frozenset[str]:
    """Plain English that a prompt may hold without meaning anything in this world."""
    return _STOP_WORDS


def unknown_words(prompt: str) -> tuple[str, ...]:
    """Words of a prompt that neither a caption nor `parse` nor plain English glue accounts for, in order, once."""
    known = words() | _STOP_WORDS | {word for phrase in _phrases() for word in phrase} | {"water", "cycle"}
    return tuple(dict.fromkeys(w for w in tokenise_words(prompt) if w not in known and _singular(w) not in known
                               and not w.isdigit()))  # fmt: skip


def parse(prompt: str, seed: int = 0, seconds: float = 8) -> Film:
    """Draw what a prompt says; what it leaves open comes from the seed. Sentences and "then" part shots."""
    rng = random.Random(f"parse {seed}")
    text = " ".join(tokenise_words(prompt))
    if "water cycle" in text:
        parts = list(_CYCLE_PROMPTS)
    else:
        parts = [p for p in re.split(r"[.;\n]|,?\s*\b(?:and )?then\b", prompt.lower()) if _read(p)] or [prompt]
    parts = parts[: max(1, int(seconds))]
    lengths = _even_lengths(seconds, len(parts)) if len(parts) > 1 else shot_lengths(rng, seconds, 1)
    shots, before = [], dict[str, str]()
    for part, length in zip(parts, lengths, strict=True):
        got = _read(part)
        if "subject" not in got and before:
            # "A dog runs in the snow, then through the city": the same dog.
            got = {k: before[k] for k in ("subject", "colour") if k in before} | got
        got.setdefault("subject", "none")
        shot = complete(rng, _sensible(got), length)
        before = {"subject": shot.subject, "colour": shot.colour}
        shots.append(shot)
    return Film(tuple(shots))


def _even_lengths(seconds: float, shots: int) -> list[float]:
    lengths = [float(int(seconds * (i + 1) / shots) - int(seconds * i / shots)) for i in range(shots)]
    lengths[-1] += seconds - int(seconds)
    return lengths


def _sensible(got: dict[str, str]) -> dict[str, str]:
    """Settle what the words leave open or ambiguous with what people mean most: by day, in clear weather."""
    subject = got["subject"]
    if got.get("direction") in ("left", "right") and got.get("camera") in ("still", "pan left", "pan right"):
        del got["camera"]
    if subject == "rocket" and got.get("action") == "running":
        del got["action"]
    if subject in ("none", *WATER_CYCLE):
        for name in ("action", "direction", "colour"):
            got.pop(name, None)
        if subject == "rain":
            got["weather"] = "rain"
    if subject in v.WATER:
        got.setdefault("sky", "none")
    if subject in ON_STAND:
        got.setdefault("place", "studio")
    if subject == "astronaut":
        got.setdefault("colour", "white")
    if got.get("sky") != "moon":
        got.setdefault("time", "day")
    got.setdefault("weather", "clear")
    moves = got.get("direction") in ("left", "right") or got.get("action") not in (None, *STILL_ACTIONS)
    got.setdefault("camera", "follow" if moves else "still")
    return got


@cache
def _phrases() -> dict[tuple[str, ...], tuple[str, str]]:
    found = {}
    for attribute, classes in _KEYWORDS.items():
        for name, phrases in classes.items():
            for phrase in phrases.split(","):
                found[tuple(phrase.split())] = (attribute, name)
    return found


def _read(text: str) -> dict[str, str]:
    """Attributes that a text names: the longest phrase first, and of one attribute the first in the text."""
    tokens = tokenise_words(text)
    phrases = _phrases()
    got: dict[str, str] = {}
    water: str | None = "rain" if tokens[:1] == ["rain"] else None
    i = 0
    while i < len(tokens):
        if " ".join(tokens[i : i + 2]) in _SILENT and tokens[i] != "red":
            i += 1
            continue
        for n in (5, 4, 3, 2, 1):
            chunk = tuple(tokens[i : i + n])
            hit = phrases.get(chunk) or phrases.get((*chunk[:-1], _singular(chunk[-1])))
            if hit and len(chunk) == n:
                attribute, name = hit
                if attribute == "subject" and name in v.WATER:
                    water = water or name
                    if name == "rain":
                        got.setdefault("weather", "rain")
                else:
                    got.setdefault(attribute, name)
                i += n - 1
                break
        i += 1
    if water:
        got.setdefault("subject", water)
    return got


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
