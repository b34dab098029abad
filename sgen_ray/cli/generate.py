"""`sgen generate`: a prompt or a storyboard becomes a film."""

from __future__ import annotations

from sgen_ray.cli import options as o
from sgen_ray.cli.filming import MAKING, Making, film, makes_films
from sgen_ray.types import VideoRequest


@makes_films
def generate(
    prompt: o.Prompt = None,
    shots: o.Shots = None,
    image: o.Image = None,
    seconds: o.Seconds = None,
    size: o.Size = None,
    fps: o.Fps = None,
    seed: o.Seed = VideoRequest.seed,
    steps: o.Steps = VideoRequest.steps,
    plan_steps: o.PlanSteps = None,
    guidance: o.Guidance = VideoRequest.guidance,
    negative: o.Negative = VideoRequest.negative_prompt,
    model: o.Model = VideoRequest.model,
    making: Making = MAKING,
) -> None:
    """Make a film from a prompt or a storyboard.

    sgen generate "An astronaut walking on Mars, the Earth visible in the sky" -o mars.mp4

    sgen generate --shots story.yaml --size 640x320 --fps 24 -o water.mp4

    sgen generate "a red car in the city at night" --seconds 12 --seed 7 --json

    sgen generate "a horse running in a meadow" --image horse.png -o horse.mp4
    """
    from sgen_ray import api

    film(
        lambda: api.place_order(
            prompt,
            shots=shots or (),
            picture=image,
            seconds=seconds,
            size=size,
            fps=fps,
            seed=seed,
            steps=steps,
            plan_steps=plan_steps,
            guidance=guidance,
            negative_prompt=negative,
            model=model,
        ),
        making,
    )
