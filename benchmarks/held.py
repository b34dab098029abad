"""Are the networks trained to be held? Each mode's loss on held-out clips and films, and a sheet of examples.

Beside the loss of the frames that are left to paint: the loss of the very same frames when nothing is held. What is
held should help, so the first should be the smaller one.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from common import options, save, show
from torch import Tensor

from sgen_ray.diffusion.flow import Flow, Network, sample
from sgen_ray.models.dit import PlannerDiT, RendererDiT
from sgen_ray.models.factory import load_factory
from sgen_ray.models.guidance import guided
from sgen_ray.models.parts import load_part
from sgen_ray.models.planning import preview
from sgen_ray.training.clips import ANCHORS
from sgen_ray.training.holding import held_frames
from sgen_ray.training.planner import PlannerStage
from sgen_ray.training.recipes import RECIPES
from sgen_ray.training.renderer import RendererStage
from sgen_ray.training.sheets import save_rows
from sgen_ray.types import VideoRequest

RENDERER_EXAMPLES = ("none", "first", "prefix", "both", "anchors")
PLANNER_EXAMPLES = ("none", "prefix", "span", "outside")
MARK = torch.tensor([1.0, -1.0, 1.0])
"""Magenta: not held."""


@dataclass(frozen=True)
class Held:
    """One mode's loss over the frames that are left to paint, and that of the same frames with nothing held."""

    mode: str
    loss: float
    free: float | None


def main() -> None:
    parser = options(__doc__ or "", films=4, small=1)
    parser.add_argument("--steps", type=int, default=VideoRequest.steps, help="of the renderer, for the sheet")
    arguments = parser.parse_args()
    factory = load_factory(arguments.model)
    recipe = RECIPES[str(factory.facts.get("recipe", factory.name))]()
    torch.set_num_threads(arguments.workers)
    with torch.no_grad():
        renderer = RendererStage(recipe, factory.folder, "cpu")
        renderer.trained["renderer"] = load_part(factory.folder, "renderer")
        planner = PlannerStage(recipe, factory.folder, "cpu")
        planner.trained["planner"] = load_part(factory.folder, "planner")
        found = {"renderer": losses(renderer), "planner": losses(planner)}
        renderer_sheet(renderer, arguments)
        planner_sheet(planner, arguments)
    for name, modes in found.items():
        rows = [[h.mode, h.loss, h.free, _ratio(h)] for h in modes]
        show(f"Held-out velocity error of the {name}, by mode",
             ["held", "loss", "same frames, nothing held", "ratio"], rows)  # fmt: skip
    figures = {name: {h.mode: {"loss": h.loss, "free": h.free} for h in modes} for name, modes in found.items()}
    save("held", arguments, figures, judged=False)


class Both(Flow):
    """A flow that, whenever a held loss is asked for, also notes the loss of the same frames with nothing held."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow.sigma_data)
        self.free: list[float | None] = []

    def loss(self, network: Network, x0: Tensor, eps: Tensor, t: Tensor, *how: Any, **named: Any) -> Tensor:
        left, level = t > 0, t.amax(1, keepdim=True).expand_as(t)
        each = super().loss(network, x0, eps, level)
        self.free.append(None if left.all() else float((each * left).sum() / left.sum()))
        return super().loss(network, x0, eps, t, *how, **named)


def losses(stage: RendererStage | PlannerStage) -> list[Held]:
    """The stage's own held-out figures, each beside the same frames with nothing held.

    For anchors, another clip's plan, no plan and no text, which hold no frame, that is the loss of the mode "none";
    "subject" is that loss again, over the subject's place alone.
    """
    flow = stage.flow
    stage.flow = both = Both(flow)
    figures = stage.evaluate()
    stage.flow = flow
    plain = figures["loss_none"]
    found = []
    for (name, loss), free in zip(figures.items(), both.free, strict=True):
        mode = name.removeprefix("loss_")
        found.append(Held(mode, loss, None if mode in ("none", "subject") else free if free is not None else plain))
    return found


def renderer_sheet(stage: RendererStage, arguments: argparse.Namespace) -> None:
    """For each clip: the truth; then for each mode what is held and what came out."""
    items = stage.draw(3 + arguments.seed, arguments.films, "heldout")
    plan, _ = stage._plan(items, torch.Generator(), False)
    latents, network = items["latents"], cast(RendererDiT, stage.trained["renderer"])
    shift = network.config.sampling_shift
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(6))
    noise = network.config.sampling_temperature * noise
    pick = torch.arange(2, latents.shape[2] * stage.grid.temporal_compression, stage.grid.temporal_compression)

    def seen(x: Tensor) -> Tensor:
        return stage.autoencoder.decode_coarse(x).clamp(-1, 1)[:, :, pick]

    rows = [[row] for row in seen(latents)]
    for mode in RENDERER_EXAMPLES:
        anchors = ANCHORS if mode == "anchors" else 0
        held = held_frames("none" if anchors else mode, latents.shape[2], torch.Generator().manual_seed(7))
        c = stage.conditioning(items, plan, 0, anchors)
        painted = sample(stage.flow, network.given(c), noise, arguments.steps, shift, (held, latents))
        if anchors:
            given = [seen_anchors(stage, a, len(pick)) for a in items["anchors"]]
        else:
            given = list(marked(seen(latents), held[pick // stage.grid.temporal_compression]))
        for film, before, after in zip(rows, given, seen(painted), strict=True):
            film += [before, after]
    path: Path = arguments.out / "held_renderer.png"
    save_rows(path, [row for film in rows for row in film])
    print(f"sheet: {path}; rows of each clip: truth, then given and painted for {', '.join(RENDERER_EXAMPLES)}")


def seen_anchors(stage: RendererStage, anchors: Tensor, columns: int) -> Tensor:
    """Anchors [C, A, H, W] as pictures [3, columns, H, W], the rest marked."""
    pictures = [stage.autoencoder.decode_coarse(a[None, :, None])[0, :, :1].clamp(-1, 1) for a in anchors.unbind(1)]
    row = torch.cat(pictures, 1)
    blank = MARK.reshape(3, 1, 1, 1).expand(-1, columns - row.shape[1], *row.shape[2:])
    return torch.cat((row, blank), 1)


def planner_sheet(stage: PlannerStage, arguments: argparse.Namespace) -> None:
    """For each film, every fourth step as a thumbnail: the true plan; then for each mode what is held and what came."""
    items = stage.draw(3 + arguments.seed, arguments.films, "heldout")
    z, network = items["z"], cast(PlannerDiT, stage.trained["planner"])
    shift = network.config.sampling_shift
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(6))
    decoder = stage.trained["preview"]
    push = guided(network, stage.conditions(items), VideoRequest.guidance)

    def seen(plans: Tensor) -> list[Tensor]:
        return [preview(decoder, stage.compressor, plan).clamp(-1, 1)[::4].transpose(0, 1) for plan in plans]

    rows = [[row] for row in seen(z)]
    for mode in PLANNER_EXAMPLES:
        held = held_frames(mode, stage.steps, torch.Generator().manual_seed(7))
        planned = sample(stage.flow, push, noise, VideoRequest.plan_steps, shift, (held, z))
        for film, truth, after in zip(rows, seen(z), seen(planned), strict=True):
            film += [marked(truth[None], held[::4])[0], after]
    path: Path = arguments.out / "held_planner.png"
    save_rows(path, [row for film in rows for row in film], 2)
    print(f"sheet: {path}; rows of each film: truth, then given and planned for {', '.join(PLANNER_EXAMPLES)}")


def marked(pictures: Tensor, held: Tensor) -> Tensor:
    """Pictures [N, 3, T, H, W] with those that are not held [T] painted over."""
    return torch.where(held.reshape(1, 1, -1, 1, 1), pictures, MARK.reshape(1, 3, 1, 1, 1))


def _ratio(held: Held) -> float | None:
    return held.loss / held.free if held.free else None


if __name__ == "__main__":
    main()
