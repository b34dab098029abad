"""Changing a film is planning it again with most of its plan held: what stays, stays byte for byte.

The held steps are clamped while the rest is diffused, so the new part fits in between; the seed stays too. Windows and
segments that see nothing new keep their fingerprints and are taken from the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sgen_ray.errors import RequestError
from sgen_ray.types import Plan, Shot, Tokens


@dataclass(frozen=True)
class Revision:
    """A new storyboard, and what is kept of the old plan: semantic step -> its tokens [h, w, C]."""

    shots: tuple[Shot, ...]
    held: Mapping[int, Tokens]


def edit_shot(plan: Plan, number: int, prompt: str) -> Revision:
    """Another prompt for shot `number`, counted from 1; every other shot is held.

    Raises:
        RequestError: there is no such shot.
    """
    shots = plan.request.shots
    if not 1 <= number <= len(shots):
        known = "has only one shot, shot 1" if len(shots) == 1 else f"has shots 1 to {len(shots)}"
        raise RequestError(f"there is no shot {number}: the film {known}")
    begin, end = _starts(plan)[number - 1 : number + 1]
    changed = replace(shots[number - 1], prompt=prompt)
    return Revision(
        (*shots[: number - 1], changed, *shots[number:]), _held(plan, [*range(begin), *range(end, len(plan.semantic))])
    )


def rewrite(plan: Plan, shots: Sequence[Shot]) -> Revision:
    """Another storyboard: shots that stay as they are, at their place, are held where all keep their lengths."""
    old = plan.request.shots
    if [shot.seconds for shot in shots] != [shot.seconds for shot in old]:
        return Revision(tuple(shots), {})
    starts = _starts(plan)
    kept = [number for number, (one, other) in enumerate(zip(old, shots, strict=True)) if one == other]
    return Revision(
        tuple(shots), _held(plan, [step for number in kept for step in range(starts[number], starts[number + 1])])
    )


def extend(plan: Plan, seconds: float, prompt: str | None = None) -> Revision:
    """`seconds` more: a new shot where there is a prompt, otherwise more of the last one; what there was is held."""
    shots, grid = plan.request.shots, plan.grid
    if prompt is None:
        last = shots[-1]
        return Revision(
            (*shots[:-1], replace(last, seconds=last.seconds + seconds)), _held(plan, range(len(plan.semantic)))
        )
    # A last step that the old film only half filled belongs to whichever shot the new cut leaves it to.
    cut = int(plan.request.seconds * grid.fps / grid.frames_per_step + 0.5)
    return Revision((*shots, Shot(prompt, seconds)), _held(plan, range(min(cut, len(plan.semantic)))))


def _starts(plan: Plan) -> list[int]:
    """First semantic step of each shot, and the number of steps."""
    return [*(start // plan.grid.semantic_stride for start in plan.shot_starts), len(plan.semantic)]


def _held(plan: Plan, steps: range | list[int]) -> dict[int, Tokens]:
    return {step: plan.semantic[step] for step in steps}
