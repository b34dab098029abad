"""Scaled dot-product attention, by the way that is fast where it runs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """q [B, H, N, D], k and v [B, H, M, D], mask broadcastable to [B, H, N, M], True where q may look.

    Training in bfloat16 on a CPU spells it out: the backward pass of torch's fused kernel there took half of a whole
    step, plain matrix products with AMX a tenth. Each query must be allowed to look somewhere.
    """
    if not (torch.is_grad_enabled() and q.device.type == "cpu" and q.dtype == torch.bfloat16):
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.matmul(torch.softmax(scores, -1), v)
