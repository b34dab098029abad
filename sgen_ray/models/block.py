"""Wan2.1's transformer block, with its parameter names, on streams of framed tokens.

A stream is [B, F, P, D]: F frames (latent frames, anchors or semantic steps) of P tokens. Everything but
self-attention works token by token; self-attention is handed in as a function over all streams' q, k, v.
The layout and names follow diffusers' WanTransformer3DModel, so the public weights load as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray.models.attention import attention
from sgen_ray.models.rope import rotate

SelfAttention = Callable[[list[tuple[Tensor, Tensor, Tensor]]], list[Tensor]]


@dataclass(frozen=True)
class Text:
    """Text tokens [B, L, D] for cross-attention; `masks`: one bool [B, F, L] a stream, or None: all see all."""

    tokens: Tensor
    masks: list[Tensor] | None = None


class LayerNorm(nn.LayerNorm):
    """Layer norm computed in float32 whatever the dtype."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.float() if self.weight is not None else None
        bias = self.bias.float() if self.bias is not None else None
        return functional.layer_norm(x.float(), self.normalized_shape, weight, bias, self.eps).to(x.dtype)


class RMSNorm(nn.RMSNorm):
    """RMS norm in the dtype of its input: a weight of another would cost torch's fused kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Projections with RMS-normed q and k, normed across heads; the attending itself happens outside."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.norm_q, self.norm_k = RMSNorm(dim, eps), RMSNorm(dim, eps)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1))

    def qkv(self, x: Tensor, rope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k = self.split(self.norm_q(self.to_q(x))), self.split(self.norm_k(self.to_k(x)))
        return rotate(q, rope), rotate(k, rope), self.split(self.to_v(x))

    def out(self, x: Tensor) -> Tensor:
        return self.to_out[0](x.flatten(-2))

    def cross(self, x: Tensor, text: Tensor, mask: Tensor | None) -> Tensor:
        """x [B, F, P, D] looks at text [B, L, D]; mask [B, F, L], True where it may."""
        _, frames, patches, _ = x.shape
        q = self.split(self.norm_q(self.to_q(x))).flatten(1, 2).transpose(1, 2)
        k = self.split(self.norm_k(self.to_k(text))).transpose(1, 2)
        v = self.split(self.to_v(text)).transpose(1, 2)
        if mask is not None:
            mask = mask[:, None, :, None].expand(-1, -1, -1, patches, -1).flatten(2, 3)
        out = attention(q, k, v, mask)
        return self.out(out.transpose(1, 2).unflatten(1, (frames, patches)))


class GeluProjection(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([GeluProjection(dim, hidden), nn.Identity(), nn.Linear(hidden, dim)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class Block(nn.Module):
    """Self-attention, text cross-attention and feed-forward, modulated by time."""

    def __init__(self, dim: int, heads: int, ffn_dim: int, eps: float) -> None:
        super().__init__()
        self.norm1, self.norm3 = (LayerNorm(dim, eps, elementwise_affine=False) for _ in range(2))
        self.norm2 = LayerNorm(dim, eps)
        self.attn1, self.attn2 = Attention(dim, heads, eps), Attention(dim, heads, eps)
        self.ffn = FeedForward(dim, ffn_dim)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def open_gates(self) -> None:
        """Let both residual branches through from the start; Wan's own initial gates are near zero."""
        self.scale_shift_table.data[:, (2, 5)] = 1.0

    def forward(
        self, streams: list[Tensor], times: list[Tensor], ropes: list[Tensor], text: Text, attend: SelfAttention
    ) -> list[Tensor]:
        """streams: each [B, F, P, D]; times: the projected time embedding of each, [B, F, 6, D]."""
        table = self.scale_shift_table.float()
        mods = [
            (time.float() + table).unsqueeze(2).to(x.dtype).unbind(3) for x, time in zip(streams, times, strict=True)
        ]
        qkv = [
            self.attn1.qkv(self.norm1(x) * (1 + m[1]) + m[0], rope)
            for x, m, rope in zip(streams, mods, ropes, strict=True)
        ]
        out = []
        for i, (x, m, attended) in enumerate(zip(streams, mods, attend(qkv), strict=True)):
            x = x + self.attn1.out(attended) * m[2]
            x = x + self.attn2.cross(self.norm2(x), text.tokens, text.masks[i] if text.masks else None)
            x = x + self.ffn(self.norm3(x) * (1 + m[4]) + m[3]) * m[5]
            out.append(x)
        return out
