"""Which frames are held in training, and at which times."""

import math

import pytest
import torch

from sgen_ray.training.holding import (
    PLANNER_MODES,
    PLANNER_WEIGHTS,
    RENDERER_MODES,
    RENDERER_WEIGHTS,
    draw_time,
    held_frames,
    pick_modes,
)


@pytest.mark.parametrize("mode", sorted({*RENDERER_MODES, *PLANNER_MODES}))
def test_every_mode_holds_what_its_name_says(mode: str) -> None:
    generator = torch.Generator().manual_seed(0)
    for frames in (1, 2, 3, 8, 60):
        for _ in range(40):
            mask = held_frames(mode, frames, generator)
            assert mask.shape == (frames,) and not mask.all()
            if mode == "none" or frames == 1:
                assert not mask.any()
                continue
            assert mask.any() or frames == 2
            edges = int((mask[1:] != mask[:-1]).sum())
            match mode:
                case "first":
                    assert mask.nonzero().flatten().tolist() == [0]
                case "prefix":
                    assert mask[0] and edges == 1
                case "suffix":
                    assert mask[-1] and edges == 1
                case "both" if frames > 2:
                    assert mask[0] and mask[-1] and edges == 2
                case "span" | "outside":
                    assert edges <= 2
                case "scattered":
                    assert 1 <= mask.sum() <= 4


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown mode"):
        held_frames("middle", 4, torch.Generator())


@pytest.mark.parametrize(
    "modes, weights",
    [(RENDERER_MODES, RENDERER_WEIGHTS), (PLANNER_MODES, PLANNER_WEIGHTS)],
    ids=["renderer", "planner"],
)
def test_modes_come_by_their_weights(modes: tuple[str, ...], weights: tuple[float, ...]) -> None:
    assert sum(weights) == pytest.approx(1)
    drawn = pick_modes(modes, weights, 20_000, torch.Generator().manual_seed(0))
    for mode, weight in zip(modes, weights, strict=True):
        assert drawn.count(mode) / len(drawn) == pytest.approx(weight, abs=0.02)


@pytest.mark.parametrize("shift", [1.0, 5.0])
def test_times_are_logit_normal_and_shifted_as_the_sampler_is(shift: float) -> None:
    t = draw_time(20_000, torch.Generator().manual_seed(0), shift)
    assert t.min() > 0 and t.max() < 1
    logit = torch.logit(t.double())
    assert logit.mean().item() == pytest.approx(math.log(shift), abs=0.05)
    # `times` maps t to shift t / (1 + (shift - 1) t): on the logit scale, a step of log(shift).
    assert t.median().item() == pytest.approx(shift / (1 + shift), abs=0.02)
