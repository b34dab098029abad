"""SemanticGenPipeline: the whole method as an ordinary diffusers pipeline, for a notebook with one device.

    pipe = SemanticGenPipeline.from_pretrained("nano")
    frames = pipe("An astronaut walking on Mars", seconds=6).frames[0]

It paints the film in one window, with the same parts that the engine hands to its planner and renderers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from PIL import Image

from sgen_ray.models.autoencoder import TinyAutoencoder
from sgen_ray.models.decoding import TorchDecoder
from sgen_ray.models.dit import PlannerDiT, RendererDiT
from sgen_ray.models.factory import load_factory
from sgen_ray.models.inference import TorchPlanner, TorchRenderer
from sgen_ray.models.semantic import PreviewDecoder, SemanticCompressor, SemanticEncoder
from sgen_ray.request import make_request
from sgen_ray.shapes import Grid
from sgen_ray.types import Plan, Segment, Shot, VideoRequest, Window


@dataclass
class SemanticGenPipelineOutput(BaseOutput):
    """frames: one film a prompt: lists of PIL images, or an array [N, T, H, W, 3]; plans: the films' plans."""

    frames: Any
    plans: list[Plan]


class SemanticGenPipeline(DiffusionPipeline):
    """Plan a film in semantic space, then paint it.

    Args: the parts of a model folder; `grid` holds `sgen_ray.shapes.Grid`'s fields.
    """

    model_cpu_offload_seq = "text_encoder->planner->renderer->autoencoder"

    def __init__(
        self,
        tokenizer: Any,
        text_encoder: Any,
        planner: PlannerDiT,
        renderer: RendererDiT,
        autoencoder: TinyAutoencoder,
        semantic_encoder: SemanticEncoder,
        compressor: SemanticCompressor,
        preview: PreviewDecoder,
        grid: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if grid is None:  # optional by signature only: diffusers takes required arguments for parts
            raise ValueError("SemanticGenPipeline needs the model's grid")
        self.register_modules(
            tokenizer=tokenizer, text_encoder=text_encoder, planner=planner, renderer=renderer, autoencoder=autoencoder,
            semantic_encoder=semantic_encoder, compressor=compressor, preview=preview,
        )  # fmt: skip
        self.register_to_config(grid=dict(grid))

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> SemanticGenPipeline:
        """A shipped model by name ("nano"), or a folder that save_pretrained or `sgen pack` wrote."""
        folder = Path(pretrained_model_name_or_path)
        if not (folder / "model_index.json").exists():
            folder = load_factory(str(pretrained_model_name_or_path)).folder
        if "torch_dtype" not in kwargs:
            kwargs.setdefault("dtype", torch.float32)  # weights are packed in halves, which a CPU computes slowly
        pipe = super().from_pretrained(str(folder), **kwargs)
        for part in pipe.components.values():  # as the engine's parts: torch takes another RMS norm for weights that
            if isinstance(part, torch.nn.Module):  # may want gradients, and its last bits differ
                part.requires_grad_(False)
        return pipe

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        seconds: float = 6.0,
        shots: Sequence[Shot] | None = None,
        num_inference_steps: int = VideoRequest.steps,
        planning_steps: int | None = None,
        guidance_scale: float = VideoRequest.guidance,
        negative_prompt: str = "",
        generator: torch.Generator | None = None,
        output_type: str = "pil",
        callback_on_step_end: Callable[[SemanticGenPipeline, int, float, dict[str, Any]], Any] | None = None,
        return_dict: bool = True,
    ) -> SemanticGenPipelineOutput | tuple[Any]:
        """Make one film for each prompt.

        Args:
            prompt: what each film shows; with `shots`, what goes before every shot's own prompt.
            seconds: length of each film; with `shots`, their sum is used.
            generator: only its initial seed counts: noise is drawn by absolute frame, on the CPU.
            output_type: "pil", "np" (float32 0..1), "pt" (as "np", a tensor) or "latent" ([C, T, H, W] arrays).
            callback_on_step_end: called as (pipe, step, t, {}) after each painting step.
        """
        if output_type not in ("pil", "np", "pt", "latent"):
            raise ValueError(f"output_type must be pil, np, pt or latent, not {output_type!r}")
        grid = Grid(**self.config.grid)
        seed = generator.initial_seed() if generator is not None else 0
        plan_with = TorchPlanner(grid, self.tokenizer, self.text_encoder, self.planner, self.compressor, self.preview)
        paint_with = TorchRenderer(grid, self.renderer, self.autoencoder.sigma_data)
        decode_with = TorchDecoder(grid, self.autoencoder)
        films: list[Any] = []
        plans: list[Plan] = []
        for text in [prompt] if prompt is None or isinstance(prompt, str) else prompt:
            request = make_request(
                text, shots=shots or (), seconds=None if shots else seconds, seed=seed, steps=num_inference_steps,
                plan_steps=planning_steps, guidance=guidance_scale, negative_prompt=negative_prompt, grid=grid,
            )  # fmt: skip
            plan = plan_with.plan(request)
            with self.progress_bar(total=num_inference_steps) as bar:

                def on_step(done: int, total: int, bar: Any = bar) -> None:
                    bar.total = total  # the last step may be several
                    bar.update()
                    if callback_on_step_end is not None:
                        callback_on_step_end(self, done - 1, 1 - done / total, {})

                latents = paint_with.render(plan, Window(0, 0, plan.latent_frames), on_step=on_step)
            plans.append(plan)
            if output_type == "latent":
                films.append(latents)
                continue
            whole = Segment(0, 0, plan.latent_frames, 0, latents, 0, plan.frames, plan.shot_starts[1:])
            films.append(decode_with.decode(whole))
        frames = films if output_type == "latent" else _as_type(films, output_type)
        return SemanticGenPipelineOutput(frames, plans) if return_dict else (frames,)


def _as_type(films: list[np.ndarray], output_type: str) -> Any:
    if output_type == "pil":
        return [[Image.fromarray(frame) for frame in film] for film in films]
    stacked = np.stack(films).astype(np.float32) / 255
    return stacked if output_type == "np" else torch.from_numpy(stacked).permute(0, 1, 4, 2, 3)


def model_index(grid: Grid) -> dict[str, Any]:
    """The model_index.json that makes a folder of parts loadable as this pipeline."""
    ours = {
        "planner": PlannerDiT,
        "renderer": RendererDiT,
        "autoencoder": TinyAutoencoder,
        "semantic_encoder": SemanticEncoder,
        "compressor": SemanticCompressor,
        "preview": PreviewDecoder,
    }
    return {
        "_class_name": "SemanticGenPipeline",
        "grid": asdict(grid),
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        **{name: ["sgen_ray", kind.__name__] for name, kind in ours.items()},
    }
