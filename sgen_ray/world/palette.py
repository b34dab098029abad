"""Colours of places and times of day, as linear blends of plain RGB in 0..1."""

from __future__ import annotations

from sgen_ray.world.scene import ATTRIBUTES

RGB = tuple[float, float, float]

SKY: dict[str, tuple[RGB, RGB]] = {
    "dawn": ((0.45, 0.50, 0.80), (1.0, 0.76, 0.70)),
    "day": ((0.25, 0.60, 0.95), (0.78, 0.92, 1.0)),
    "dusk": ((0.36, 0.20, 0.50), (1.0, 0.52, 0.25)),
    "night": ((0.04, 0.05, 0.20), (0.17, 0.22, 0.48)),
}
"""Top and horizon of the sky."""

SKY_OF_PLACE: dict[str, dict[str, tuple[RGB, RGB]]] = {
    "mars": {
        "dawn": ((0.55, 0.40, 0.45), (1.0, 0.78, 0.62)),
        "day": ((0.85, 0.62, 0.45), (1.0, 0.87, 0.70)),
        "dusk": ((0.45, 0.20, 0.22), (0.98, 0.55, 0.30)),
        "night": ((0.09, 0.03, 0.08), (0.34, 0.14, 0.15)),
    },
    "moon": {
        "dawn": ((0.02, 0.02, 0.06), (0.22, 0.16, 0.24)),
        "day": ((0.03, 0.03, 0.08), (0.12, 0.13, 0.22)),
        "dusk": ((0.02, 0.02, 0.05), (0.26, 0.12, 0.10)),
        "night": ((0.01, 0.01, 0.03), (0.03, 0.04, 0.09)),
    },
    "underwater": {
        "dawn": ((0.62, 0.72, 0.86), (0.20, 0.34, 0.62)),
        "day": ((0.45, 0.90, 0.95), (0.05, 0.45, 0.72)),
        "dusk": ((0.85, 0.56, 0.50), (0.18, 0.22, 0.50)),
        "night": ((0.06, 0.16, 0.32), (0.02, 0.06, 0.18)),
    },
    "studio": {
        "dawn": ((0.80, 0.70, 0.76), (0.96, 0.86, 0.84)),
        "day": ((0.74, 0.80, 0.84), (0.95, 0.97, 0.97)),
        "dusk": ((0.56, 0.40, 0.36), (0.88, 0.64, 0.48)),
        "night": ((0.07, 0.08, 0.13), (0.22, 0.24, 0.34)),
    },
}

LIGHT: dict[str, RGB] = {
    "dawn": (1.0, 0.84, 0.84),
    "day": (1.0, 1.0, 1.0),
    "dusk": (0.92, 0.66, 0.58),
    "night": (0.44, 0.50, 0.72),
}
"""What the landscape's colours are multiplied with."""

SUBJECT_LIGHT: dict[str, RGB] = {
    "dawn": (1.0, 0.93, 0.93),
    "day": (1.0, 1.0, 1.0),
    "dusk": (0.98, 0.86, 0.82),
    "night": (0.84, 0.87, 0.97),
}
"""The same for the subject: milder, so that its colour stays readable."""

GREY_SKY: RGB = (0.60, 0.64, 0.70)
PALE_SKY: RGB = (0.84, 0.88, 0.93)


def sky_table() -> list[list[tuple[RGB, RGB]]]:
    """[place][time] -> (top, horizon)."""
    return [[SKY_OF_PLACE.get(p, SKY)[t] for t in ATTRIBUTES["time"]] for p in ATTRIBUTES["place"]]
