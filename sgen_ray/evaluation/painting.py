"""A whole film in this process, without Ray or a file: what a benchmark that looks at hundreds of films needs.

The same windows and the same blend as the engine's, so the frames are those that the engine would encode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from sgen_ray.models.decoding import TorchDecoder
from sgen_ray.models.factory import FolderFactory
from sgen_ray.models.inference import TorchPlanner, TorchRenderer
from sgen_ray.models.text import encode_text
from sgen_ray.request import make_request
from sgen_ray.stitching import Blend
from sgen_ray.types import Latents, Plan, RenderedWindow, VideoRequest, Window
from sgen_ray.windows import SEAMS, WindowTask, split, wavefront, window_tasks


@dataclass(frozen=True)
class Model:
    """A model's loaded parts."""

    factory: FolderFactory
    planner: TorchPlanner
    renderer: TorchRenderer
    decoder: TorchDecoder


def load_model(factory: FolderFactory, device: str = "cpu", threads: int = 1) -> Model:
    """Raises ModelError as the factory does."""
    return Model(
        factory, factory.planner(device, threads), factory.renderer(device, threads), factory.decoder(device, threads)
    )


def request(model: Model, prompt: str, seconds: float, seed: int, steps: int = VideoRequest.steps,
            guidance: float = VideoRequest.guidance) -> VideoRequest:  # fmt: skip
    """One shot of `prompt`, at the model's own size and rate."""
    return make_request(prompt, grid=model.factory.grid, seconds=seconds, seed=seed, steps=steps, guidance=guidance,
                        model=model.factory.name)  # fmt: skip


def paint(model: Model, plan: Plan) -> NDArray[np.uint8]:
    """Frames [T, H, W, 3] of the model's grid."""
    windows = split(plan.latent_frames, plan.grid.unit)
    tasks = window_tasks(windows, plan.shot_starts, SEAMS)
    return decode(model, plan, windows, paint_windows(model, plan, tasks))


def paint_windows(model: Model, plan: Plan, tasks: Sequence[WindowTask]) -> Iterator[tuple[Window, Latents]]:
    """Each window, finished, in the order of the wavefront."""
    painted: dict[int, Latents] = {}
    for index in wavefront(tasks):
        window = tasks[index].window
        held = {
            frame: painted[need.window][:, frame - tasks[need.window].window.start]
            for need in tasks[index].needs
            for frame in range(need.start, need.stop)
        }
        painted[index] = model.renderer.render(plan, window, held)
        yield window, painted[index]


def decode(
    model: Model, plan: Plan, windows: Sequence[Window], painted: Iterable[tuple[Window, Latents]]
) -> NDArray[np.uint8]:
    """Frames [T, H, W, 3] of painted windows, blended."""
    blend = Blend(windows, plan.grid, model.decoder.halo, plan.frames, shot_starts=plan.shot_starts)
    frames = {}
    for window, latents in painted:
        for segment in blend.add(RenderedWindow(window, latents)):
            frames[segment.index] = model.decoder.decode(segment)
    return np.concatenate([frames[index] for index in sorted(frames)])


@torch.no_grad()
def without_text(model: Model, plan: Plan) -> Plan:
    """The plan with every shot's text at the null embedding, as the renderer saw it in training."""
    planner = model.planner
    text, mask = encode_text(planner.text_encoder, planner.tokenizer, [""] * len(plan.text), planner.device)
    return replace(plan, text=text.float().cpu().numpy(), text_mask=mask.cpu().numpy())


def with_tokens_of(plan: Plan, other: Plan) -> Plan:
    """The plan with another's semantic tokens; text, noise and everything else stay.

    Raises:
        ValueError: the films are not of one length.
    """
    if plan.semantic.shape != other.semantic.shape:
        raise ValueError(f"plans of {len(plan.semantic)} and {len(other.semantic)} steps cannot be swapped")
    return replace(plan, semantic=other.semantic)


def without_tokens(plan: Plan) -> Plan:
    """The plan with all semantic tokens zero, as the renderer sometimes saw it in training."""
    return replace(plan, semantic=np.zeros_like(plan.semantic))
