"""How a network is told times and words: Wan's condition embedder, with its parameter names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray.models.base import get_timestep_embedding


class TimeTextEmbedding(nn.Module):
    """Wan's condition embedder: sinusoidal time to D and 6 D, text to D."""

    def __init__(self, dim: int, freq_dim: int, text_dim: int) -> None:
        super().__init__()
        self.freq_dim = freq_dim
        self.time_embedder = nn.ModuleDict({"linear_1": nn.Linear(freq_dim, dim), "linear_2": nn.Linear(dim, dim)})
        self.time_proj = nn.Linear(dim, 6 * dim)
        self.text_embedder = nn.ModuleDict({"linear_1": nn.Linear(text_dim, dim), "linear_2": nn.Linear(dim, dim)})

    def time(self, t: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """t [B, F] in 0..1 -> ([B, F, D], [B, F, 6, D])."""
        wave = get_timestep_embedding(
            1000 * t.flatten().float(), self.freq_dim, flip_sin_to_cos=True, downscale_freq_shift=0
        )
        linear_1, linear_2 = self.time_embedder["linear_1"], self.time_embedder["linear_2"]
        out = linear_2(functional.silu(linear_1(wave.to(dtype))))
        six = self.time_proj(functional.silu(out))
        return out.unflatten(0, t.shape), six.unflatten(-1, (6, -1)).unflatten(0, t.shape)

    def text(self, text: Tensor) -> Tensor:
        linear_1, linear_2 = self.text_embedder["linear_1"], self.text_embedder["linear_2"]
        return linear_2(functional.gelu(linear_1(text), approximate="tanh"))
