"""Captions as a person types them: synonyms, clauses in varying order, attributes left out.

What a caption does not say is left open; `captions_with_mentions` tells which attributes it does say.
"""

from __future__ import annotations

import random

from sgen_ray.world import vocabulary as v
from sgen_ray.world.sampling import SPLITS, STILL_ACTIONS
from sgen_ray.world.scene import ON_STAND, Film, Scene

Captioned = tuple[str, frozenset[str]]


def captions(film: Film, seed: int, split: str = "train") -> list[str]:
    """One caption a shot. Some wordings occur only in the split "heldout"."""
    return [text for text, _ in captions_with_mentions(film, seed, split)]


def captions_with_mentions(film: Film, seed: int, split: str = "train") -> list[Captioned]:
    """One caption a shot, with the names of the attributes that it states."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of: {', '.join(SPLITS)}")
    rng = random.Random(f"caption {seed} {split}")
    return [_Writer(rng, split, shot).caption() for shot in film.shots]


class _Writer:
    """Writes one caption and notes what it says."""

    def __init__(self, rng: random.Random, split: str, scene: Scene) -> None:
        self.rng, self.scene, self.said = rng, scene, set[str]()
        self.held_share = 0.4 if split == "heldout" else 0.0

    def caption(self) -> Captioned:
        s, rng = self.scene, self.rng
        wants = {
            "colour": s.colour != "none" and rng.random() < 0.7,
            "action": s.action != "none" and rng.random() < 0.85,
            "direction": s.direction != "still" and rng.random() < 0.5,
            "place": rng.random() < 0.92 or s.subject == "none",
            "time": rng.random() < (0.45 if s.time != "day" else 0.25),
            "weather": s.subject != "rain" and rng.random() < (0.8 if s.weather != "clear" else 0.08),
            "sky": s.sky != "none" and rng.random() < 0.7,
            "camera": rng.random() < (0.4 if s.camera.startswith(("pan", "zoom")) else 0.08),
        }
        text = self._keywords(wants) if rng.random() < 0.1 else self._sentence(wants)
        if rng.random() < 0.5:
            text = text[0].upper() + text[1:]
        if rng.random() < 0.2:
            text += "."
        return text, frozenset(self.said)

    def _sentence(self, wants: dict[str, bool]) -> str:
        s, rng = self.scene, self.rng
        finite = rng.random() < 0.4
        core = [self._subject(wants["colour"])]
        if wants["action"]:
            core.append(self._verb(finite))
        if wants["direction"]:
            core.append(self._say("direction", v.DIRECTION[s.direction]))
        place = self._place(wants["action"]) if wants["place"] and s.subject != "none" else ""
        extras = [self._say(name, table[getattr(s, name)])
                  for name, table in (("time", v.TIME), ("weather", v.WEATHER)) if wants[name]]  # fmt: skip
        rng.shuffle(extras)
        tail = [self._say(name, table[getattr(s, name)])
                for name, table in (("sky", v.SKY), ("camera", v.CAMERA)) if wants[name]]  # fmt: skip
        lead = ""
        if place and rng.random() < 0.15 and s.subject not in v.WATER:
            lead, place = place, ""
        elif extras and rng.random() < 0.25:
            lead = extras.pop()
        core += [place, *extras]
        sentence = " ".join(part for part in core if part)
        if not finite and not lead and s.subject not in v.WATER and rng.random() < 0.12:
            sentence = f"{self._of(v.OPENINGS)} {sentence}"
        return ", ".join(part for part in (lead, sentence, *tail) if part)

    def _keywords(self, wants: dict[str, bool]) -> str:
        """As in a search box: parts in any order, commas between."""
        s = self.scene
        parts = [self._subject(wants["colour"]).removeprefix("a ").removeprefix("an ").removeprefix("the ")]
        if wants["action"] and s.subject != "none":
            parts.append(self._verb(finite=False, may_be=False) + (
                f" {self._say('direction', v.DIRECTION[s.direction])}" if wants["direction"] else ""))  # fmt: skip
        if wants["place"] and s.subject != "none":
            parts.append(self._place(moving=False))
        for name, table in (("time", v.TIME), ("weather", v.WEATHER), ("sky", v.SKY), ("camera", v.CAMERA)):
            if wants[name]:
                parts.append(self._say(name, table[getattr(s, name)]))
        rest = parts[1:]
        self.rng.shuffle(rest)
        return ", ".join([parts[0], *rest])

    def _subject(self, with_colour: bool) -> str:
        s, rng = self.scene, self.rng
        if s.subject == "none":
            return self._say("place", v.EMPTY[s.place])
        if s.subject in v.WATER:
            return self._say("subject", v.WATER[s.subject])
        noun = self._say("subject", v.NOUNS[s.subject])
        article = "the" if rng.random() < 0.15 else "a"
        if not with_colour:
            return _article(article, noun)
        self.said.add("colour")
        if s.subject in v.GARMENT and rng.random() < 0.8:
            return f"{_article(article, noun)} {self._of(v.GARMENT[s.subject]).format(s.colour)}"
        return _article(article, f"{s.colour} {noun}")

    def _verb(self, finite: bool, may_be: bool = True) -> str:
        s = self.scene
        if s.action == "none":
            return ""
        words = v.VERBS["launching" if s.subject == "rocket" and s.action == "rising" else s.action]
        if s.action == "standing" and s.subject in ("car", "bus"):
            words = v.PARKED
        participle, present = self._say("action", words).split("/")
        if s.subject in v.WATER and finite:
            # The noun is already written: a plural one takes the participle, which is right for both.
            finite = False
        if finite:
            verb = present
        else:
            may_be = may_be and s.subject not in v.WATER
            verb = f"is {participle}" if may_be and self.rng.random() < 0.15 else participle
        if s.subject in ON_STAND:
            verb += f" {self._of(v.ON_STAND)}" if self.rng.random() < 0.8 else ""
        return verb.replace("is is", "is")

    def _place(self, moving: bool) -> str:
        s = self.scene
        if s.subject == "vapour" and s.place in v.FROM:
            table = v.FROM
        elif s.subject == "river" and s.place in v.RIVER:
            table = v.RIVER
        elif s.action == "flying" or s.subject in ("cloud", "rain"):
            table = v.OVER
        else:
            table = v.THROUGH if moving and s.action not in STILL_ACTIONS and self.rng.random() < 0.5 else v.IN
        return self._say("place", table[s.place])

    def _say(self, attribute: str, words: v.Wordings) -> str:
        self.said.add(attribute)
        return self._of(words)

    def _of(self, words: v.Wordings) -> str:
        return self.rng.choice(words[1] if self.rng.random() < self.held_share else words[0])


def _article(article: str, noun: str) -> str:
    return f"{'an' if article == 'a' and noun[0] in 'aeiou' else article} {noun}"
