"""A model without weights for benchmarks of the engine: noise by absolute frame, a pause for each sampler step.

Its films are a function of request and seed like any model's; its sizes are those of a grid that is given. Through
`journal`, a folder, it leaves word of every window that was painted although the store had it by then.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgen_ray.diffusion.noise import LATENTS, SEMANTIC, frame_noise
from sgen_ray.engine.stored import encode_latents
from sgen_ray.errors import RequestError
from sgen_ray.protocols import OnStep
from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, Plan, Seen, Segment, Shot, Tokens, VideoRequest, Window

SMALL = Grid(width=32, height=16, fps=8, latent_channels=4, semantic_channels=4, semantic_height=1, semantic_width=2)
NANO = Grid(width=128, height=64, fps=8, latent_channels=32, semantic_channels=8, semantic_height=2, semantic_width=4)
"""The shipped model's."""


def request(grid: Grid, seconds: float, seed: int = 0, scale: int = 2, steps: int = 4) -> VideoRequest:
    return VideoRequest(
        shots=(Shot("noise", seconds),), width=grid.width * scale, height=grid.height * scale, fps=grid.fps, seed=seed,
        steps=steps, plan_steps=8, model="fast",
    )  # fmt: skip


@dataclass(frozen=True)
class FastFactory:
    """pause: seconds that a sampler step takes. store: where finished windows lie, to see whether one was there."""

    grid: Grid = SMALL
    pause: float = 0.0
    journal: Path | None = None
    store: Path | None = None

    name = "fast"
    halo = (1, 1)

    def fingerprint(self) -> str:
        return "fast-1"

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def known_words(self) -> tuple[str, ...]:
        return ()

    def see(self, picture: NDArray[np.uint8]) -> Seen:
        raise RequestError("this model has no eyes")

    def planner(self, device: str, threads: int) -> FastPlanner:
        return FastPlanner(self)

    def renderer(self, device: str, threads: int) -> FastRenderer:
        return FastRenderer(self)

    def decoder(self, device: str, threads: int) -> FastDecoder:
        return FastDecoder(self.grid)


@dataclass(frozen=True)
class FastPlanner:
    factory: FastFactory

    def plan(
        self, request: VideoRequest, on_step: OnStep | None = None, held: Mapping[int, Tokens] | None = None
    ) -> Plan:
        grid = self.factory.grid
        frames = grid.frames(request.seconds)
        latent_frames = grid.latent_frames(frames)
        for step in range(request.plan_steps):
            time.sleep(self.factory.pause)
            if on_step is not None:
                on_step(step + 1, request.plan_steps)
        shape = (grid.semantic_height, grid.semantic_width, grid.semantic_channels)
        semantic = frame_noise(request.seed, SEMANTIC, 0, grid.semantic_steps(latent_frames), shape)
        text = np.ones((1, 2, 4), np.float32)
        return Plan(request, grid, semantic, text, text[..., 0] > 0, (0,), frames, latent_frames, "fast-1")

    def preview(self, plan: Plan) -> NDArray[np.uint8]:
        return np.zeros((len(plan.semantic), 8, 16, 3), np.uint8)


@dataclass(frozen=True)
class FastRenderer:
    factory: FastFactory

    def render(
        self, plan: Plan, window: Window, held: Mapping[int, Latents] | None = None, on_step: OnStep | None = None
    ) -> Latents:
        before = self._stored()
        grid, steps = self.factory.grid, plan.request.steps
        shape = (grid.latent_channels, grid.latent_height, grid.latent_width)
        noise = frame_noise(plan.request.seed, LATENTS, window.start, window.stop, shape)
        first, last = grid.semantic_range(window.start, window.stop)
        latents = np.ascontiguousarray(noise.transpose(1, 0, 2, 3)) + plan.semantic[first:last].mean(dtype=np.float32)
        for step in range(steps):
            time.sleep(self.factory.pause)
            if on_step is not None:
                on_step(step + 1, steps)
        if before and hashlib.sha256(encode_latents(latents, window)).hexdigest() in before:
            assert self.factory.journal is not None
            (self.factory.journal / f"again {window.index} {time.monotonic_ns()}").touch()
        return latents

    def _stored(self) -> set[str]:
        """Content of all windows that are committed now; a store names files by their content."""
        if self.factory.journal is None or self.factory.store is None:
            return set()
        return {path.name for path in self.factory.store.glob("window/*/*")}


@dataclass(frozen=True)
class FastDecoder:
    """Smooth in time, so that a halo is really needed."""

    grid: Grid
    halo = (1, 1)

    def decode(self, segment: Segment) -> NDArray[np.uint8]:
        latents = segment.latents[:3]
        first, last = segment.start - segment.latent_start, segment.stop - segment.latent_start
        padded = np.concatenate([latents[:, :1], latents, latents[:, -1:]], axis=1)  # the film's ends are repeated
        smooth = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
        bright = np.clip(smooth[:, first:last] * 40 + 128, 0, 255).astype(np.uint8).transpose(1, 2, 3, 0)
        size = self.grid.spatial_compression
        frames = bright.repeat(size, axis=1).repeat(size, axis=2).repeat(self.grid.temporal_compression, axis=0)
        return frames[: segment.frame_stop - segment.frame_start]
