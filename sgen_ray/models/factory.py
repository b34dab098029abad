"""Where models are found, and the small picklable factory that loads their parts inside the actor that uses them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sgen_ray.errors import ModelError
from sgen_ray.models.folder import PARTS, fingerprint, load_facts
from sgen_ray.shapes import Grid
from sgen_ray.types import Seen

if TYPE_CHECKING:
    from sgen_ray.models.decoding import TorchDecoder
    from sgen_ray.models.inference import TorchPlanner, TorchRenderer

WEIGHTS = Path(__file__).parent.parent / "weights"


@dataclass(frozen=True)
class FolderFactory:
    """A model in a folder on disk (see `parts`); implements `protocols.ModelFactory`."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        return load_facts(self.folder)

    @property
    def name(self) -> str:
        return str(self.facts.get("name", self.folder.name))

    @property
    def grid(self) -> Grid:
        return self.facts["grid"]

    @property
    def halo(self) -> tuple[int, int]:
        return (3, 4)

    @property
    def max_seconds(self) -> float:
        """The longest film that the planner was trained for; a longer one is planned in parts."""
        return float(self.facts.get("max_seconds", 60))

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.folder)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        vocabulary = self.facts.get("words")
        if not vocabulary:
            return ()
        words = re.findall(r"[^\W_]+", text.lower().replace("'s", "").replace("\u2019s", ""))
        known = set(vocabulary) | set(self.facts.get("ignored_words", ()))
        return tuple(dict.fromkeys(w for w in words if w not in known))

    def known_words(self) -> tuple[str, ...]:
        known = self.facts.get("known", {})
        return tuple(w for name in ("subject", "place", "sky") for w in known.get(name, ()) if w != "none")

    def see(self, picture: NDArray[np.uint8]) -> Seen:
        from sgen_ray.models.seeing import see

        load, _ = self._loader("cpu", 1)
        return see(picture, load("semantic_encoder"), load("compressor"), load("autoencoder"))

    def planner(self, device: str = "cpu", threads: int = 1) -> TorchPlanner:
        from sgen_ray.models.inference import TorchPlanner

        load, dtype = self._loader(device, threads)
        return TorchPlanner(
            self.grid, load("tokenizer"), load("text_encoder"), load("planner", dtype), load("compressor"),
            load("preview"), self.fingerprint(), round(self.max_seconds * self.grid.fps / self.grid.frames_per_step),
        )  # fmt: skip

    def renderer(self, device: str = "cpu", threads: int = 1) -> TorchRenderer:
        from sgen_ray.models.inference import TorchRenderer

        load, dtype = self._loader(device, threads)
        return TorchRenderer(self.grid, load("renderer", dtype), load("autoencoder").sigma_data)

    def decoder(self, device: str = "cpu", threads: int = 1) -> TorchDecoder:
        from sgen_ray.models.decoding import TorchDecoder

        load, dtype = self._loader(device, threads)
        return TorchDecoder(self.grid, load("autoencoder", dtype))

    def _loader(self, device: str, threads: int) -> tuple[Callable[..., Any], Any]:
        """A loader of parts onto the device, and the diffusion networks' dtype: bfloat16 on a GPU, float32 on a CPU,
        where bfloat16 may be a hundred times slower."""
        import torch

        from sgen_ray.models.parts import load_part

        # A thread that is new to torch takes what any other has set last, at its first look: now, not after ours.
        torch.get_num_threads()
        torch.set_num_threads(threads)
        dtype = torch.bfloat16 if torch.device(device).type == "cuda" else torch.float32
        return lambda name, dtype=torch.float32: load_part(self.folder, name, device, dtype), dtype


def list_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(p.parent.name for p in WEIGHTS.glob("*/sgen.json"))


def load_factory(name_or_dir: str) -> FolderFactory:
    """The model of that name, or in that folder. Reads no weights; ModelError where it is unknown or incomplete."""
    for folder in (WEIGHTS / name_or_dir, Path(name_or_dir).expanduser()):
        if folder.is_dir():
            factory = FolderFactory(folder.resolve())
            missing = [part for part in PARTS if not (folder / part).is_dir()] if factory.facts else []
            if missing:
                raise ModelError(f"the model in {folder} has no {', '.join(missing)}: restore the folder or train it")
            return factory
    known = ", ".join(list_models()) or "none"
    raise ModelError(f"unknown model {name_or_dir!r}: give one of the shipped models ({known}) or a model folder")
