"""sgen-ray: a text prompt becomes a one-minute video: one semantic plan, rendered in parallel windows on Ray.

    import sgen_ray
    video = sgen_ray.generate("An astronaut walking on Mars, the Earth visible in the sky", seconds=60)
    print(video.path, video.report.seam_ratio)

Names are loaded when they are first used: importing this package brings neither torch nor Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sgen_ray.api import edit as edit
    from sgen_ray.api import extend as extend
    from sgen_ray.api import generate as generate
    from sgen_ray.api import plan as plan
    from sgen_ray.api import render as render
    from sgen_ray.engine.config import EngineConfig as EngineConfig
    from sgen_ray.models.pipeline import SemanticGenPipeline as SemanticGenPipeline
    from sgen_ray.types import Shot as Shot
    from sgen_ray.types import Video as Video

__version__ = "0.1.0"
__all__ = ["EngineConfig", "SemanticGenPipeline", "Shot", "Video", "__version__", "edit", "extend", "generate", "plan",
           "render"]  # fmt: skip

# By name, so that the package's root depends on nothing: modules at the bottom may import `__version__` from it.
_HOMES = {
    "edit": "sgen_ray.api",
    "extend": "sgen_ray.api",
    "generate": "sgen_ray.api",
    "plan": "sgen_ray.api",
    "render": "sgen_ray.api",
    "EngineConfig": "sgen_ray.engine.config",
    "Shot": "sgen_ray.types",
    "Video": "sgen_ray.types",
    "SemanticGenPipeline": "sgen_ray.models.pipeline",
    # diffusers looks for a pipeline's parts in the package that its model_index.json names.
    "PlannerDiT": "sgen_ray.models.dit",
    "RendererDiT": "sgen_ray.models.dit",
    "TinyAutoencoder": "sgen_ray.models.autoencoder",
    "SemanticEncoder": "sgen_ray.models.semantic",
    "SemanticCompressor": "sgen_ray.models.semantic",
    "PreviewDecoder": "sgen_ray.models.semantic",
    # ... and there for their base class too, which says how they are loaded.
    "ModelMixin": "diffusers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
