"""A model without weights, for tests of the engine: deterministic, fast, and able to fail in every way on purpose."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgen_ray.engine.calls import WorkerDied
from sgen_ray.errors import ModelError
from sgen_ray.protocols import OnStep
from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, Plan, Seen, Segment, Shot, Tokens, VideoRequest, Window

GRID = Grid(
    width=32, height=16, fps=8, latent_channels=3, semantic_channels=4, semantic_height=1, semantic_width=2
)  # fmt: skip


def request(seconds: float = 20, shots: int | tuple[Shot, ...] = 1, **wishes: object) -> VideoRequest:
    if isinstance(shots, int):
        shots = tuple(Shot(f"shot {index}", seconds / shots) for index in range(shots))
    values = {"width": 64, "height": 32, "fps": 8, "steps": 4, "plan_steps": 3, "model": "toy", **wishes}
    return VideoRequest(shots=shots, **values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ToyFactory:
    """Faults, all off by default; `notes` is a folder through which processes leave word.

    Attributes:
        pause: seconds a sampler step takes. loading: seconds that loading takes.
        broken: loading fails, as with corrupt weights.
        raises: this window's render raises, always. kills: this window's render kills its process, always.
        crash_once: this window's render kills its process, the first time.
        nan: this window's latents are not finite.
        planner_crashes: the planner's process dies in its first plan.
    """

    notes: Path | None = None
    pause: float = 0.0
    loading: float = 0.0
    broken: bool = False
    raises: int | None = None
    kills: int | None = None
    crash_once: int | None = None
    nan: int | None = None
    planner_crashes: bool = False
    in_process: bool = True

    name = "toy"
    grid = GRID
    halo = (1, 1)

    def fingerprint(self) -> str:
        return "toy-1"

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def known_words(self) -> tuple[str, ...]:
        return ("shot",)

    def see(self, picture: NDArray[np.uint8]) -> Seen:
        """Its mean colour, everywhere."""
        red, green, blue = picture.mean((0, 1)) / 255
        shape = (GRID.latent_channels, GRID.latent_height, GRID.latent_width)
        return Seen(np.full((1, 2, 4), red, np.float32), np.full(shape, green - blue, np.float32))

    def planner(self, device: str, threads: int) -> "ToyPlanner":
        return ToyPlanner(self)

    def renderer(self, device: str, threads: int) -> "ToyRenderer":
        if self.broken:
            raise ModelError("the weights of model 'toy' are cut off; install it again")
        time.sleep(self.loading)
        self.note(f"renderer {device} {threads}")
        return ToyRenderer(self)

    def decoder(self, device: str, threads: int) -> "ToyDecoder":
        return ToyDecoder()

    def note(self, text: str) -> None:
        if self.notes is not None:
            (self.notes / f"{text} {time.monotonic_ns()}").touch()

    def noted(self, text: str) -> int:
        assert self.notes is not None
        return len(list(self.notes.glob(f"{text} *")))

    def die(self) -> None:
        if self.in_process:
            raise WorkerDied("its process was killed, as a test wanted")
        os.kill(os.getpid(), signal.SIGKILL)

    def first_time(self, text: str) -> bool:
        assert self.notes is not None
        try:
            (self.notes / text).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


class ToyPlanner:
    def __init__(self, factory: ToyFactory) -> None:
        self._factory = factory

    def plan(
        self,
        request: VideoRequest,
        on_step: OnStep | None = None,
        held: Mapping[int, Tokens] | None = None,
    ) -> Plan:
        if self._factory.planner_crashes and self._factory.first_time("planner crashed"):
            self._factory.die()
        self._factory.note("planned")
        frames = GRID.frames(request.seconds)
        latent_frames = GRID.latent_frames(frames)
        steps = GRID.semantic_steps(latent_frames)
        random = np.random.default_rng(request.seed)
        for step in range(request.plan_steps):
            time.sleep(self._factory.pause)
            if on_step is not None:
                on_step(step + 1, request.plan_steps)
        semantic = np.sin(random.standard_normal((steps, 1, 2, 4), np.float32).cumsum(0) / 4)
        text = np.stack(
            [
                np.random.default_rng(list(shot.prompt.encode())).standard_normal((5, 6), np.float32)
                for shot in request.shots
            ]
        )
        starts = (
            np.cumsum([0, *(GRID.frames(shot.seconds) for shot in request.shots[:-1])]) // GRID.temporal_compression
        )
        for shot, start in enumerate(starts):  # what is planned follows the prompt
            semantic[start // GRID.semantic_stride :] += text[shot].mean()
        for step, tokens in (held or {}).items():
            semantic[step] = tokens
        return Plan(
            request=request,
            grid=GRID,
            semantic=semantic,
            text=text,
            text_mask=np.ones(text.shape[:2], np.bool_),
            shot_starts=tuple(int(start) for start in starts),
            frames=frames,
            latent_frames=latent_frames,
            model_fingerprint="toy-1",
        )

    def preview(self, plan: Plan) -> NDArray[np.uint8]:
        return np.zeros((len(plan.semantic), 2, 4, 3), np.uint8)


class ToyRenderer:
    def __init__(self, factory: ToyFactory) -> None:
        self._factory = factory

    def render(
        self, plan: Plan, window: Window, held: Mapping[int, Latents] | None = None, on_step: OnStep | None = None
    ) -> Latents:
        factory, steps, held = self._factory, plan.request.steps, held or {}
        inside = {frame: known for frame, known in held.items() if window.start <= frame < window.stop}
        looked_at = [known for frame, known in sorted(held.items()) if frame not in inside]
        frames = range(window.start, window.stop)
        shape = (GRID.latent_channels, GRID.latent_height, GRID.latent_width)
        noise = [
            np.random.default_rng([plan.request.seed, frame]).standard_normal(shape, np.float32) for frame in frames
        ]
        latents = np.stack(noise, axis=1)
        shots = np.searchsorted(np.array(plan.shot_starts), np.array(frames), side="right") - 1
        wanted = plan.semantic[[frame // GRID.semantic_stride for frame in frames]].mean((1, 2)) @ np.ones(
            (4, 3), np.float32
        )
        wanted += plan.text[shots].mean((1, 2))[:, None]
        if looked_at:
            wanted += np.mean(looked_at, (0, 2, 3)) / 8
        for step in range(steps):
            time.sleep(factory.pause)
            latents += (wanted.T[:, :, None, None] - latents) / (steps - step + 1)
            latents[:, 1:-1] = (
                latents[:, :-2] + 2 * latents[:, 1:-1] + latents[:, 2:]
            ) / 4  # windows differ at their ends
            for frame, known in inside.items():
                latents[:, frame - window.start] = known
            if on_step is not None:
                on_step(step + 1, steps)
        if window.index == factory.raises:
            raise RuntimeError("this window is poison\nand it says so at length")
        if window.index == factory.kills:
            factory.die()
        if window.index == factory.crash_once and factory.first_time("crashed"):
            factory.die()
        if window.index == factory.nan:
            latents[:] = np.nan
        factory.note(f"rendered {window.index}")
        return latents


def _smooth(shot: Latents) -> Latents:
    padded = np.concatenate([shot[:, :1], shot, shot[:, -1:]], axis=1)  # a shot's ends are repeated
    return (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4


class ToyDecoder:
    halo = (1, 1)

    def decode(self, segment: Segment) -> NDArray[np.uint8]:
        latents, (first, last) = (
            segment.latents,
            (segment.start - segment.latent_start, segment.stop - segment.latent_start),
        )
        shots = np.split(latents, [cut - segment.latent_start for cut in segment.cuts], axis=1)
        smooth = np.concatenate([_smooth(shot) for shot in shots], axis=1)
        bright = np.clip(smooth[:, first:last] * 40 + 128, 0, 255).transpose(1, 2, 3, 0)
        frames = bright.repeat(8, axis=1).repeat(8, axis=2).repeat(GRID.temporal_compression, axis=0)
        return frames[: segment.frame_stop - segment.frame_start].astype(np.uint8)
