"""What a film of the demo world holds: shots, each a set of named attributes and a few free numbers.

Everything that a frame shows is a function of its `Scene` and the time since the shot began.
"""

from __future__ import annotations

from dataclasses import dataclass

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "subject": (
        "none", "astronaut", "person", "dog", "cat", "horse", "bird", "fish", "whale", "car", "bus", "boat", "plane",
        "rocket", "ball", "shoe", "bottle", "watch", "vapour", "cloud", "rain", "river",
    ),
    "place": (
        "mars", "moon", "city", "forest", "ocean", "underwater", "desert", "snow", "meadow", "mountains", "studio",
    ),
    "sky": ("none", "sun", "moon", "earth", "planet"),
    "action": (
        "none", "standing", "walking", "running", "driving", "flying", "swimming", "sailing", "jumping", "bouncing",
        "turning", "rising", "forming", "falling", "flowing",
    ),
    "direction": ("still", "left", "right"),
    "time": ("dawn", "day", "dusk", "night"),
    "weather": ("clear", "rain", "snow", "fog"),
    "camera": ("still", "follow", "pan left", "pan right", "zoom in"),
    "colour": ("none", "red", "orange", "yellow", "green", "blue", "purple", "white", "black"),
}  # fmt: skip
"""Attribute name -> its classes; a class index is a position in this tuple."""

WATER_CYCLE = ("vapour", "cloud", "rain", "river")
"""The subjects that, in this order, make the water cycle."""
ON_STAND = ("shoe", "bottle", "watch")
"""The products: subjects on a stand, which can turn."""


@dataclass(frozen=True)
class Scene:
    """One shot. The attributes are classes of `ATTRIBUTES`; the free numbers are in 0..1.

    Attributes:
        hills: where in the endless landscape the shot begins.
        drift: phase of the subject's slow drift about the middle of the frame.
        gait: phase of steps, wing beats, waves and turns.
        size, pace: how large and how fast, within about 8 % and 15 % of the usual.
        sky_x: where the sky object stands.
    """

    subject: str
    place: str
    sky: str = "none"
    action: str = "none"
    direction: str = "still"
    time: str = "day"
    weather: str = "clear"
    camera: str = "still"
    colour: str = "none"
    seconds: float = 4.0
    hills: float = 0.5
    drift: float = 0.5
    gait: float = 0.0
    size: float = 0.5
    pace: float = 0.5
    sky_x: float = 0.8

    def __post_init__(self) -> None:
        for name, classes in ATTRIBUTES.items():
            if getattr(self, name) not in classes:
                raise ValueError(f"{name} {getattr(self, name)!r} is not one of: {', '.join(classes)}")


@dataclass(frozen=True)
class Film:
    """Shots in order, joined by hard cuts."""

    shots: tuple[Scene, ...]

    @property
    def seconds(self) -> float:
        return float(sum(shot.seconds for shot in self.shots))

    def starts(self) -> tuple[float, ...]:
        """Seconds at which each shot begins."""
        starts, now = [], 0.0
        for shot in self.shots:
            starts.append(now)
            now += shot.seconds
        return tuple(starts)

    def shot_at(self, t: float) -> int:
        """Index of the shot on screen at `t` seconds; a cut shows the new shot; past the end, the last one."""
        return max((i for i, start in enumerate(self.starts()) if start <= t), default=0)
