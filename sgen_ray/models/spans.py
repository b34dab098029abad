"""Shifted-window attention along time, as pure functions (SemanticGen sec. 3.3; Swin, arXiv 2103.14030).

Latent frames are cut into spans of `attention_span` frames, anchored at absolute film time; odd layers cut half a span
later. Latent tokens and semantic tokens of one span attend to each other and to the anchors; anchors attend to
themselves. Full spans run as one batch, the ragged ends by themselves: no rolling, no masks.

Frames on either side of a border do not see each other in that layer, so that a still scene steps there, most of all at
the borders of the last layer. Where spans overlap, each frame attends in both of its spans, and no border counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from sgen_ray.models.attention import attention


@dataclass(frozen=True)
class Run:
    """`count` equal spans of latent frames from `start`, each `length` long, with semantic steps alongside."""

    start: int
    length: int
    count: int
    step_start: int
    step_length: int


def spans(first: int, frames: int, span: int, shifted: bool) -> list[tuple[int, int]]:
    """Spans [a, b) in window coordinates of a window that starts at absolute latent frame `first`."""
    half = span // 2 if shifted else 0
    cuts = [c - first for c in range((first - half) // span * span + half, first + frames, span)]
    edges = [0, *(c for c in cuts if 0 < c < frames), frames]
    return list(pairwise(edges))


def runs(first: int, frames: int, span: int, stride: int, shifted: bool) -> list[Run]:
    """The spans, equal neighbours joined into one batched run; stride: latent frames a semantic step (0: none)."""
    out: list[Run] = []
    for a, b in spans(first, frames, span, shifted):
        s0, s1 = (a // stride, -(-b // stride)) if stride else (0, 0)
        last = out[-1] if out else None
        if last and last.length == b - a and last.step_length == s1 - s0:
            out[-1] = Run(last.start, last.length, last.count + 1, last.step_start, last.step_length)
        else:
            out.append(Run(a, b - a, 1, s0, s1 - s0))
    return out


Qkv = tuple[Tensor, Tensor, Tensor]


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention on [B, N, heads, head_dim]."""
    return attention(*(x.transpose(1, 2) for x in (q, k, v))).transpose(1, 2)


def span_attention(
    latent: Qkv, semantic: Qkv | None, layout: list[Run], anchors: int = 0
) -> tuple[Tensor, Tensor | None]:
    """Attention inside each span.

    latent: q, k, v, each [B, T + anchors, P, heads, head_dim], the anchor frames last; semantic: [B, S, Q, heads,
    head_dim] or None. Returns the attended values in the same shapes.
    """
    batch, frames, patches, heads, dim = latent[0].shape
    frames -= anchors
    if anchors:
        kept = [x[:, frames:].flatten(1, 2) for x in latent]
    out_latent, out_semantic = [], []
    for run in layout:
        n, stop = run.count, run.start + run.count * run.length
        parts = [[x[:, run.start : stop].reshape(batch * n, run.length * patches, heads, dim)] for x in latent]
        if semantic is not None:
            step_stop = run.step_start + n * run.step_length
            for part, x in zip(parts, semantic, strict=True):
                part.append(x[:, run.step_start : step_stop].reshape(batch * n, -1, heads, dim))
        if anchors:
            for part, x in zip(parts[1:], kept[1:], strict=True):
                part.append(x.repeat_interleave(n, 0))
        q, k, v = (torch.cat(part, 1) if len(part) > 1 else part[0] for part in parts)
        out = _attend(q, k, v)
        own = run.length * patches
        out_latent.append(out[:, :own].reshape(batch, n * run.length, patches, heads, dim))
        if semantic is not None:
            out_semantic.append(out[:, own:].reshape(batch, n * run.step_length, -1, heads, dim))
    if anchors:
        out_latent.append(_attend(*kept).reshape(batch, anchors, patches, heads, dim))
    return torch.cat(out_latent, 1), torch.cat(out_semantic, 1) if semantic is not None else None


def overlapping_span_attention(
    latent: Qkv, semantic: Qkv | None, layouts: Sequence[list[Run]], depth: Sequence[Tensor], anchors: int = 0
) -> tuple[Tensor, Tensor | None]:
    """`span_attention` in the spans and in the shifted ones, mixed by how deep inside each a frame is.

    layouts: of both kinds, the shifted last. depth: [T] and [S], of `depths`; anchors are in no span.
    """
    plain, shifted = (span_attention(latent, semantic, layout, anchors) for layout in layouts)
    latents = _mixed(shifted[0], plain[0], functional.pad(depth[0], (0, anchors), value=1.0))
    if plain[1] is None or shifted[1] is None:
        return latents, None
    return latents, _mixed(shifted[1], plain[1], depth[1])


def depths(first: int, count: int, stride: int, span: int) -> Tensor:
    """How deep inside their spans `count` steps of `stride` latent frames from `first` on are: 0 at a border, 1 in the
    middle. In the shifted spans they are as deep as is missing to 1."""
    middles = (first + (torch.arange(count) + 0.5) * stride) % span
    return torch.minimum(middles, span - middles) / (span / 2)


def _mixed(shallow: Tensor, deep: Tensor, depth: Tensor) -> Tensor:
    return torch.lerp(shallow, deep, depth.reshape(1, -1, 1, 1, 1))
