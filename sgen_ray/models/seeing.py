"""A picture as a film's beginning: what the planner and the renderer make of it (SemanticGen, sec. 3.3, holds what is
known; here it is the first semantic step and the first latent frame)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sgen_ray.models.autoencoder import TinyAutoencoder, coarse
from sgen_ray.models.semantic import SemanticCompressor, SemanticEncoder
from sgen_ray.types import Seen


@torch.no_grad()
def see(
    picture: NDArray[np.uint8], encoder: SemanticEncoder, compressor: SemanticCompressor, autoencoder: TinyAutoencoder
) -> Seen:
    """A still of `picture` [H, W, 3]: one frame repeated, as stills were in the encoder's training."""
    still = torch.from_numpy(picture.copy()).permute(2, 0, 1)[:, None].float() / 127.5 - 1
    still = coarse(still, autoencoder.config.detail)
    features = encoder(still.transpose(0, 1).expand(1, encoder.config.frames, -1, -1, -1))
    tokens = compressor.encode(features.permute(0, 2, 3, 1))[0]
    latents = autoencoder.encode_coarse(still[None])[0, :, 0]
    return Seen(tokens.numpy().astype(np.float32), latents.numpy().astype(np.float32))
