"""The demo world: an endless, captioned, procedural cartoon, and the truth about every frame of it."""

from sgen_ray.world.captions import captions, captions_with_mentions
from sgen_ray.world.draw import attribute_indices, draw, geometry
from sgen_ray.world.language import common_words, parse, tokenise_words, unknown_words, words
from sgen_ray.world.sampling import held_out, sample_film
from sgen_ray.world.scene import ATTRIBUTES, Film, Scene

__all__ = [
    "ATTRIBUTES",
    "Film",
    "Scene",
    "attribute_indices",
    "captions",
    "captions_with_mentions",
    "common_words",
    "draw",
    "geometry",
    "held_out",
    "parse",
    "sample_film",
    "tokenise_words",
    "unknown_words",
    "words",
]
