"""A model folder's networks behind the engine's protocols: plan one film, render one window at a time.

Nothing is kept between calls. One window a forward, noise by absolute frame: the same window comes out of any renderer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sgen_ray.diffusion.flow import Flow, sample
from sgen_ray.diffusion.noise import CHOICE, LATENTS, SEMANTIC, frame_noise
from sgen_ray.errors import PlanError, RequestError
from sgen_ray.models.base import device_of
from sgen_ray.models.choosing import DRAFT_STEPS, LONGEST, chosen
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.decoding import to_pixels
from sgen_ray.models.dit import VideoDiT
from sgen_ray.models.guidance import SettledFlow, guided, painted
from sgen_ray.models.planning import plan_segments, preview, shot_clock
from sgen_ray.models.semantic import SemanticCompressor
from sgen_ray.protocols import OnStep
from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, Plan, Tokens, VideoRequest, Window

PARTS = 3
"""A film too long to plan at once is planned in stretches; a third of each is held from the one before."""


class TorchPlanner:
    """Text to plan: `protocols.Planner`."""

    def __init__(
        self, grid: Grid, tokenizer: Any, text_encoder: nn.Module, planner: VideoDiT, compressor: SemanticCompressor,
        preview_decoder: nn.Module, fingerprint: str = "", at_once: int = 60,
    ) -> None:  # fmt: skip
        """at_once: semantic steps of the longest film that the network was trained for."""
        self.grid, self.tokenizer, self.text_encoder = grid, tokenizer, text_encoder
        self.network, self.compressor, self.decoder = planner, compressor, preview_decoder
        self.fingerprint, self.device, self.dtype = fingerprint, device_of(planner), planner.dtype
        self.at_once = at_once
        self.deviation = torch.ones(grid.semantic_channels, device=self.device)

    @torch.no_grad()
    def plan(
        self,
        request: VideoRequest,
        on_step: OnStep | None = None,
        held: Mapping[int, Tokens] | None = None,
    ) -> Plan:
        grid = self.grid
        frames = grid.frames(request.seconds)
        latent_frames = grid.latent_frames(frames)
        steps = grid.semantic_steps(latent_frames)
        starts = shot_steps([s.seconds for s in request.shots], grid, steps)
        prompts = [shot.prompt for shot in request.shots]
        text, mask = self._text(prompts)
        unwanted, unwanted_mask = self._text([request.negative_prompt] * len(prompts))
        shot = torch.zeros(1, steps, dtype=torch.long, device=self.device)
        for start in starts[1:]:
            shot[:, start:] += 1
        shape = (grid.semantic_channels, grid.semantic_height, grid.semantic_width)
        config = self.network.config
        count = config.sampling_candidates if steps <= LONGEST else 1
        known, z = self._held(held or {}, steps, shape)
        runs = plan_segments(steps, self.at_once, self.at_once // PARTS)
        runs = [(start, stop) for start, stop in runs if not known[start:stop].all()]
        clock = shot_clock(shot)
        drafts = DRAFT_STEPS if count > 1 else 0
        each = drafts + request.plan_steps
        for number, (start, stop) in enumerate(runs):
            part, begin = slice(start, stop), number * each
            here, fixed = shot[:, part], (known[part], z[:, :, part])
            first, last = int(here[0, 0]), int(here[0, -1])
            wanted, other = (
                Conditioning(
                    text=t[None, first : last + 1].to(self.dtype), text_mask=m[None, first : last + 1],
                    shot=here - first, shot_clock=clock[:, part],
                )
                for t, m in ((text, mask), (unwanted, unwanted_mask))
            )  # fmt: skip
            flow = SettledFlow(self.deviation, here, config.settled_above)
            # In float32 whatever the network computes in: eight roundings would add up.
            drawn = [frame_noise(request.seed, SEMANTIC + 2 * k, start, stop, shape) for k in range(count)]
            noise = config.sampling_temperature * torch.cat([_clip(x, self.device) for x in drawn])
            if count > 1:
                asking = _clip(frame_noise(request.seed, CHOICE, start, stop, shape), self.device)
                noise = chosen(
                    self.network, flow, noise, (wanted, other), request.guidance, fixed, asking,
                    _part(on_step, begin, len(runs) * each),
                )  # fmt: skip
            z[:, :, part] = sample(
                flow, guided(self.network, (wanted, other), request.guidance), noise, request.plan_steps,
                config.sampling_shift, fixed, _part(on_step, begin + drafts, len(runs) * each),
            )  # fmt: skip
            known[part] = True
        return Plan(
            request=request,
            grid=grid,
            semantic=z[0].permute(1, 2, 3, 0).float().cpu().numpy(),
            text=text.float().cpu().numpy(),
            text_mask=mask.cpu().numpy(),
            shot_starts=tuple(start * grid.semantic_stride for start in starts),
            frames=frames,
            latent_frames=latent_frames,
            model_fingerprint=self.fingerprint,
        )

    def _text(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Each prompt by itself: its embedding may not hang on what stands beside it, or an edit changes every shot."""
        from sgen_ray.models.text import encode_text  # brings in transformers, which renderers do without

        found = {p: encode_text(self.text_encoder, self.tokenizer, [p], self.device) for p in dict.fromkeys(prompts)}
        return torch.cat([found[p][0] for p in prompts]), torch.cat([found[p][1] for p in prompts])

    def _held(self, held: Mapping[int, Tokens], steps: int, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Known tokens as `sample` takes them: mask [S] and values [1, C, S, h, w]."""
        mask, values = torch.zeros(steps, dtype=torch.bool), torch.zeros(1, shape[0], steps, *shape[1:])
        for step, tokens in held.items():
            mask[step], values[0, :, step] = True, torch.from_numpy(np.array(tokens)).permute(2, 0, 1)
        return mask.to(self.device), values.to(self.device)

    @torch.no_grad()
    def preview(self, plan: Plan) -> NDArray[np.uint8]:
        z = torch.from_numpy(np.array(plan.semantic)).permute(3, 0, 1, 2).to(self.device)
        return to_pixels(preview(self.decoder, self.compressor, z))


class TorchRenderer:
    """Plan to latents of one window: `protocols.Renderer`."""

    def __init__(self, grid: Grid, renderer: VideoDiT, sigma_data: Tensor) -> None:
        self.grid, self.network = grid, renderer
        self.device, self.dtype = device_of(renderer), renderer.dtype
        self.flow = Flow(sigma_data.detach().float().clone()).to(self.device)

    @torch.no_grad()
    def render(
        self, plan: Plan, window: Window, held: Mapping[int, Latents] | None = None, on_step: OnStep | None = None
    ) -> Latents:
        if plan.grid != self.grid:
            raise PlanError("this plan was made on another model's grid: plan again with this model")
        grid, held = self.grid, held or {}
        shape = (grid.latent_channels, grid.latent_height, grid.latent_width)
        noise = frame_noise(plan.request.seed, LATENTS, window.start, window.stop, shape)
        inside = {f - window.start: x for f, x in held.items() if window.start <= f < window.stop}
        outside = {f - window.start: x for f, x in sorted(held.items()) if not window.start <= f < window.stop}
        mask = torch.zeros(window.length, dtype=torch.bool)
        values = np.zeros_like(noise)
        for frame, latent in inside.items():
            mask[frame], values[frame] = True, latent
        c = self.conditioning(plan, window, outside)
        known = mask.to(self.device), _clip(values, self.device)
        x = painted(self.flow, self.network, c, _clip(noise, self.device), plan.request.steps, known, on_step)
        out = x[0].float().cpu().numpy()
        for frame, latent in inside.items():
            out[:, frame] = latent
        return out

    def conditioning(self, plan: Plan, window: Window, anchors: Mapping[int, Latents]) -> Conditioning:
        """What the network is told of one window: its steps of the plan, the text of its shots, known frames."""
        shots = np.searchsorted(plan.shot_starts, np.arange(window.start, window.stop), "right") - 1
        first, last = int(shots[0]), int(shots[-1])
        begin, end = self.grid.semantic_range(window.start, window.stop)
        semantic = torch.from_numpy(np.array(plan.semantic[begin:end])).permute(3, 0, 1, 2)[None]
        text = torch.from_numpy(np.array(plan.text[first : last + 1]))[None]
        mask = torch.from_numpy(np.array(plan.text_mask[first : last + 1]))[None]
        known = times = known_shot = None
        if anchors:
            known = _clip(np.stack(list(anchors.values())), self.device)
            times = torch.tensor([list(anchors)], dtype=torch.float32)
            frame = np.array([window.start + f for f in anchors])
            where = np.searchsorted(plan.shot_starts, frame, "right") - 1
            known_shot = torch.from_numpy(np.clip(where - first, 0, last - first))[None]
        return Conditioning(
            text=text.to(self.device, self.dtype), text_mask=mask.to(self.device),
            shot=torch.from_numpy(shots - first)[None].to(self.device), first=window.start,
            semantic=semantic.to(self.device, self.dtype),
            anchors=None if known is None else self.flow.clean(known).to(self.dtype),
            anchor_times=None if times is None else times.to(self.device),
            anchor_shot=None if known_shot is None else known_shot.to(self.device),
        )  # fmt: skip


def _clip(x: NDArray[np.float32], device: torch.device) -> Tensor:
    """[T, C, H, W] to [1, C, T, H, W] on the device."""
    return torch.from_numpy(x).transpose(0, 1)[None].to(device)


def _part(on_step: OnStep | None, begin: int, total: int) -> OnStep | None:
    """Steps that follow on `begin` others, told as steps of the whole."""
    return on_step and (lambda done, _: on_step(begin + done, total))


def shot_steps(seconds: list[float], grid: Grid, steps: int) -> list[int]:
    """First semantic step of each shot: cuts fall on the plan's own clock. RequestError where a shot is too short."""
    starts, elapsed = [0], 0.0
    for i, length in enumerate(seconds[:-1]):
        elapsed += length
        start = math.floor(elapsed * grid.fps / grid.frames_per_step + 0.5)
        if start <= starts[-1] or start >= steps:
            raise RequestError(
                f"shot {i + 1 if start <= starts[-1] else i + 2} is too short: "
                f"the model plans in steps of {grid.frames_per_step / grid.fps:g} s"
            )
        starts.append(start)
    return starts
