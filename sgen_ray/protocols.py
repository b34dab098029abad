"""What the engine asks of a model: the only thing it knows about models.

A factory is small and picklable; it is handed to an actor, which loads weights in its own process. Every call is a
pure function of its arguments: no state is kept between windows, so any renderer gives the same window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, Plan, Seen, Segment, Tokens, VideoRequest, Window

OnStep = Callable[[int, int], None]
"""Called as on_step(done, total) after each finished sampler step; it may raise `Cancelled` to stop."""


class Planner(Protocol):
    def plan(
        self,
        request: VideoRequest,
        on_step: OnStep | None = None,
        held: Mapping[int, Tokens] | None = None,
    ) -> Plan:
        """The whole film's plan, the same for the same arguments. `held` maps a semantic step to its known tokens
        [h, w, C], which come back as given."""
        ...

    def preview(self, plan: Plan) -> NDArray[np.uint8]:
        """One thumbnail a semantic step, [S, H, W, 3], decoded from the plan alone."""
        ...


class Renderer(Protocol):
    def render(
        self, plan: Plan, window: Window, held: Mapping[int, Latents] | None = None, on_step: OnStep | None = None
    ) -> Latents:
        """Latents [C, T, H, W] of one window. `held` maps an absolute latent frame to its known latent [C, H, W];
        frames inside the window are returned as given, frames outside it are looked at as anchors."""
        ...


class Decoder(Protocol):
    @property
    def halo(self) -> tuple[int, int]:
        """Latent frames before and after that exact decoding of a run needs."""
        ...

    def decode(self, segment: Segment) -> NDArray[np.uint8]:
        """Pixel frames [frame_stop - frame_start, H, W, 3] of one segment; a shot's depend on its latents alone."""
        ...


class ModelFactory(Protocol):
    """Where a model is and how to load its parts; holds no weights itself."""

    @property
    def name(self) -> str: ...

    @property
    def grid(self) -> Grid: ...

    @property
    def halo(self) -> tuple[int, int]:
        """The decoder's halo, known without loading it."""
        ...

    def fingerprint(self) -> str:
        """Hash of everything in the model that a frame depends on."""
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of a prompt that the model has never seen; empty for open-vocabulary models."""
        ...

    def known_words(self) -> tuple[str, ...]:
        """A readable sample of what the model knows, for the warning."""
        ...

    def see(self, picture: NDArray[np.uint8]) -> Seen:
        """A picture [H, W, 3] of the grid's size, as planner and renderer take it."""
        ...

    def planner(self, device: str, threads: int) -> Planner: ...

    def renderer(self, device: str, threads: int) -> Renderer: ...

    def decoder(self, device: str, threads: int) -> Decoder: ...
