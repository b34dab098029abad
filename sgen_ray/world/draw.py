"""From films and times to frames: group the frames by what they show, paint back to front."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from sgen_ray.world.motion import State, boxes, is_class, shot_index, states
from sgen_ray.world.places import paint_front, paint_place
from sgen_ray.world.scene import ATTRIBUTES, Film
from sgen_ray.world.sky import paint_fog, paint_weather
from sgen_ray.world.subjects import paint_subject

_CPU_PIXELS, _GPU_PIXELS = 1 << 18, 1 << 23  # of one chunk: what stays in a core's cache; what fills a GPU


def draw(films: Sequence[Film], times: Tensor, width: int, height: int, device: str | torch.device = "cpu") -> Tensor:
    """Frames [N, T, 3, height, width] float32 in 0..1 of film n at `times` [N, T] seconds.

    A frame depends on its film and its time alone (up to float rounding): not on the batch, other frames or a rate.
    """
    if times.ndim != 2 or times.shape[0] != len(films):
        raise ValueError(f"times must be [films, frames], {len(films)} films, but is {list(times.shape)}")
    device = torch.device(device)
    state = states(films, times, width / height)
    out = torch.empty(times.numel(), 3, height, width, device=device)
    chunk = max(1, (_CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS) // (width * height))
    fog = partial(_each, out, state, "weather", ("fog",), chunk)

    _each(out, state, "place", ATTRIBUTES["place"], chunk, paint_place)
    fog(partial(paint_fog, strength=1.0))
    box = boxes(state, width / height)
    for name, rows in _groups(state, "subject", ATTRIBUTES["subject"][1:], chunk):
        paint_subject(out, rows.to(device), state.rows(rows).to(device), name, box[rows])
    _each(out, state, "place", ("ocean",), chunk, paint_front)
    fog(partial(paint_fog, strength=0.3))
    _each(out, state, "weather", ("rain", "snow"), chunk, paint_weather)
    return out.view(*times.shape, 3, height, width)


def _groups(state: State, attribute: str, names: Sequence[str], chunk: int) -> Iterator[tuple[str, Tensor]]:
    """The frames of each class, at most `chunk` at a time."""
    values = getattr(state, attribute)
    # Frames of one magnification lie together, so that the patches of a chunk are of one size.
    order = torch.argsort(state.scale, stable=True)
    for name in names:
        rows = order[is_class(values, attribute, name)[order]]
        if len(rows):
            yield from ((name, part) for part in torch.split(rows, chunk))


def _each(out: Tensor, state: State, attribute: str, names: Sequence[str], chunk: int,
          paint: Callable[[Tensor, State, str], None]) -> None:  # fmt: skip
    """Paint whole frames, a class at a time."""
    for name, rows in _groups(state, attribute, names, chunk):
        here = rows.to(out.device)
        image = out.index_select(0, here)
        paint(image, state.rows(rows).to(out.device), name)
        out.index_copy_(0, here, image)


def attribute_indices(films: Sequence[Film], times: Tensor) -> dict[str, Tensor]:
    """Attribute name -> [N, T] int64 class indices of what is on screen."""
    shots = [shot for film in films for shot in film.shots]
    index = shot_index(films, times.to("cpu", torch.float32))
    return {
        name: torch.tensor([classes.index(getattr(shot, name)) for shot in shots])[index]
        for name, classes in ATTRIBUTES.items()
    }


def geometry(films: Sequence[Film], times: Tensor, aspect: float = 2.0) -> Tensor:
    """[N, T, 4] float32: centre x, y, width, height of the subject in 0..1 of a frame of this aspect; zeros if none."""
    return boxes(states(films, times, aspect), aspect).view(*times.shape, 4)
