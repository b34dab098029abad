"""The two diffusion transformers: one class, two configurations.

RendererDiT denoises VAE latents with in-context semantic tokens and shifted-window attention; PlannerDiT denoises the
semantic tokens themselves with full attention. Every frame has its own time t, so any frame can be held (t = 0).
With no semantic tokens and one window over the clip, the network equals diffusers' WanTransformer3DModel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from sgen_ray.diffusion.flow import Network
from sgen_ray.models.base import ConfigMixin, ModelMixin, get_timestep_embedding, register_to_config
from sgen_ray.models.block import Block, LayerNorm, Text
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.embedding import TimeTextEmbedding
from sgen_ray.models.init import unit, zero
from sgen_ray.models.patches import embedded_patches, joined, refiner
from sgen_ray.models.rope import centres, grid_positions, rope
from sgen_ray.models.spans import Run, depths, overlapping_span_attention, runs, span_attention


class VideoDiT(ModelMixin, ConfigMixin):
    """A Wan2.1 diffusion transformer over frames of latent patches.

    Args (those that Wan does not have):
        patch_stride: rows and columns from one patch to the next; less than the patch's own, and patches overlap: each
            latent pixel is then seen by several tokens, and is the mean of what they answer. None: they do not.
        semantic_channels: width of in-context semantic tokens, 0 for none.
        semantic_stride: latent frames a semantic step.
        attention_span: frames attended at once, 0 for all; shifted by half in odd layers.
        spans_overlap_below: at times up to this, when little noise is left, every layer attends in the spans and in the
            shifted ones (see `spans`); a training does not.
        spatial_embedding: add a fixed sine embedding of row and column.
        refiner_channels: width of a small convolutional head that smooths over patch borders, 0 for none.
        shot_clock: embed the distance to the shot's two ends.
        aligned_plan: besides attending to the plan's tokens, each latent patch is given the one that covers it; in
            little training, attention alone hardly finds the plan.
        sampling_shift: how far the sampler's times lean towards the noise (see `diffusion.flow.times`).
        sampling_finish: how many steps of second order take the place of the sampler's last one (see `sample` there).
        sampling_temperature: how much of its noise the sampler begins with (Glow, arXiv 1807.03039, sec. 6); with less
            than all of it, a network that has trained little paints what it is sure of and leaves the speckle out.
        plan_guidance: how far the renderer is pushed from what it paints `unguided`; 1: no such push.
        change_guidance: how far it is pushed, besides, from what it paints of a plan held still; 0: no such push.
            Each of the two is one more answer a step.
        plan_guidance_power: how fast both pushes fade with the noise (see `guidance.Push`); 0: not at all.
        plan_guidance_above: time up to which neither pushes; 0: they always do.
        settled_above: time above which a planner's steps are on their way to a straight line through their shot (see
            `guidance.SettledFlow`); 1: none are.
        sampling_candidates: so many plans a planner drafts of a short film, to keep what says most of what is wanted
            (see `choosing`).
        null_tokens: tokens of the null text, kept with the renderer, which has no text encoder; 0: not kept.
    """

    _supports_gradient_checkpointing = False
    _repeated_blocks: ClassVar = ["Block"]
    _no_split_modules: ClassVar = ["Block"]

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 12,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        out_channels: int = 16,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 8960,
        num_layers: int = 30,
        eps: float = 1e-6,
        semantic_channels: int = 0,
        semantic_stride: int = 2,
        attention_span: int = 0,
        spans_overlap_below: float = 0.0,
        spatial_embedding: bool = False,
        refiner_channels: int = 0,
        shot_clock: bool = False,
        aligned_plan: bool = False,
        sampling_shift: float = 1.0,
        sampling_finish: int = 1,
        sampling_temperature: float = 1.0,
        plan_guidance: float = 1.0,
        change_guidance: float = 0.0,
        plan_guidance_power: float = 0.0,
        plan_guidance_above: float = 0.0,
        settled_above: float = 1.0,
        sampling_candidates: int = 1,
        null_tokens: int = 0,
        patch_stride: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        dim = num_attention_heads * attention_head_dim
        p_t, p_h, p_w = patch_size
        self.patch_embedding = nn.Conv3d(in_channels, dim, (p_t, p_h, p_w), (p_t, *(patch_stride or (p_h, p_w))))
        self.condition_embedder = TimeTextEmbedding(dim, freq_dim, text_dim)
        blocks = [Block(dim, num_attention_heads, ffn_dim, eps) for _ in range(num_layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm_out = LayerNorm(dim, eps, elementwise_affine=False)
        self.proj_out = nn.Linear(dim, out_channels * p_t * p_h * p_w)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)
        self.semantic_embedding: nn.Module | None = None
        self.refiner: nn.Module | None = None
        self.clock_embedding: nn.Module | None = None
        self.plan_projection: nn.Module | None = None
        if null_tokens:
            self.register_buffer("null_text", torch.zeros(null_tokens, text_dim))
        # Tokens begin at unit size, the plan twice as loud as the picture, and every gate open.
        unit(self.patch_embedding)
        zero(self.proj_out)
        zero(self.condition_embedder.time_proj)
        for block in blocks:
            block.open_gates()
        if semantic_channels:
            inner, outer = nn.Linear(semantic_channels, dim), nn.Linear(dim, dim)
            unit(inner)
            unit(outer, 2.0)
            self.semantic_embedding = nn.Sequential(inner, nn.SiLU(), outer)
        if aligned_plan:
            projection = nn.Linear(dim, dim)
            zero(projection)
            self.plan_projection = projection
        if refiner_channels:
            self.refiner = refiner(in_channels + out_channels, refiner_channels, out_channels)
        if shot_clock:
            self.clock_embedding = nn.Sequential(nn.Linear(8, dim), nn.SiLU(), nn.Linear(dim, dim))

    def given(self, c: Conditioning) -> Network:
        """The network with its conditioning bound, as `diffusion.flow` asks for it."""
        return lambda x, t: self(x, t, c)

    def unguided(self, c: Conditioning) -> Conditioning:
        """What guidance pushes away from: the same without a plan and, where the null text is kept, without words."""
        assert c.semantic is not None
        c = replace(c, semantic=torch.zeros_like(c.semantic))
        count = self.config.null_tokens
        if not count:
            return c
        text, mask = torch.zeros_like(c.text), c.text.new_zeros(c.text.shape[:3], dtype=torch.bool)
        text[:, :, :count], mask[:, :, :count] = self.null_text, True
        return replace(c, text=text, text_mask=mask)

    def forward(self, x: Tensor, t: Tensor, c: Conditioning) -> Tensor:
        """x [B, C, T, H, W] at per-frame times t [B, T] -> the network's answer in the same shape."""
        config, x = self.config, x.to(self.dtype)
        p_t, p_h, p_w = config.patch_size
        frames = x.shape[2] // p_t
        count = 0 if c.anchors is None else c.anchors.shape[2]
        x_in = x if c.anchors is None else torch.cat((x, c.anchors.to(x.dtype)), 2)
        times = torch.arange(frames, device=x.device).float()
        tokens, height, width = embedded_patches(self.patch_embedding, x_in)
        _, down, along = self.patch_embedding.stride
        row, column = (torch.arange(n, device=x.device) * by for n, by in ((height, down / p_h), (width, along / p_w)))
        place = grid_positions(times, row, column)
        ropes = [self._rope(place, c.anchor_times, frames)]
        levels = [t[:, ::p_t] if count == 0 else torch.cat((t, t.new_zeros(len(t), count)), 1)]
        streams = [tokens + self._spatial(place[:1]).to(tokens.dtype)]
        if self.clock_embedding is not None and c.shot_clock is not None:
            clock = c.shot_clock.float()
            wave = torch.cat(
                (torch.exp(-clock), torch.exp(-clock / 4), torch.tanh(clock / 16), (clock < 0.5).float()), -1
            )
            streams[0] = streams[0] + self.clock_embedding(wave.to(tokens.dtype)).unsqueeze(2)
        if c.semantic is not None:
            assert self.semantic_embedding is not None
            steps, *grid = c.semantic.shape[2:]
            extent = x.shape[3] / p_h, x.shape[4] / p_w
            when = (torch.arange(steps).float() + 0.5) * config.semantic_stride - 0.5
            where = grid_positions(when, *map(centres, grid, extent)).to(x.device)
            ropes.append(rope(where, config.attention_head_dim))
            levels.append(t.new_zeros(len(t), steps))
            semantic = self.semantic_embedding(c.semantic.to(x.dtype).permute(0, 2, 3, 4, 1).flatten(2, 3))
            streams.append(semantic + self._spatial(where[:1]).to(x.dtype))
            if self.plan_projection is not None:
                cells = [
                    ((at + 0.5) * n / size).long() for at, n, size in zip((row, column), grid, extent, strict=True)
                ]
                above = self._under(self.plan_projection(semantic), grid, frames, cells)
                streams[0] = torch.cat((streams[0][:, :frames] + above, streams[0][:, frames:]), 1)
        embedded = [self.condition_embedder.time(level, x.dtype) for level in levels]
        words = self.condition_embedder.text(c.text.to(self.dtype)).flatten(1, 2)
        text = Text(words, c.readable([s.shape[1] for s in streams], config.semantic_stride))
        layouts = [
            runs(c.first, frames, config.attention_span or frames, config.semantic_stride, shifted)
            if config.attention_span
            else [Run(0, frames, 1, 0, streams[1].shape[1] if len(streams) > 1 else 0)]
            for shifted in (False, True)
        ]
        depth, below = None, config.spans_overlap_below if config.attention_span and not self.training else 0.0
        if below and float(t.max()) <= below:
            sizes = [(frames, 1), *((s.shape[1], config.semantic_stride) for s in streams[1:])]
            depth = [depths(c.first, size, by, config.attention_span).to(x) for size, by in sizes]
        for i, block in enumerate(self.blocks):

            def attend(qkv: list[tuple[Tensor, Tensor, Tensor]], layout: list[Run] = layouts[i % 2]) -> list[Tensor]:
                both = qkv[0], qkv[1] if len(qkv) > 1 else None
                if depth is None:
                    out = span_attention(*both, layout, count)
                else:
                    out = overlapping_span_attention(*both, layouts, depth, count)
                return [o for o in out if o is not None]

            streams = block(streams, [e[1] for e in embedded], ropes, text, attend)
        return self._head(streams[0][:, :frames], embedded[0][0][:, :frames], x)

    def _rope(self, place: Tensor, anchor_times: Tensor | None, frames: int) -> Tensor:
        """Rotation of the latent stream; anchors far away are seen as if half a clip beyond its ends."""
        if anchor_times is None:
            return rope(place, self.config.attention_head_dim)
        reach = self.config.attention_span or frames
        when = anchor_times.float().clamp(-reach, frames - 1 + reach)
        batch, count = when.shape
        known = place[0].expand(batch, count, -1, -1).clone()
        known[..., 0] = when[..., None]
        return rope(torch.cat((place.expand(batch, -1, -1, -1), known), 1), self.config.attention_head_dim)

    def _under(self, plan: Tensor, grid: list[int], frames: int, cells: list[Tensor]) -> Tensor:
        """Plan tokens [B, S, h w, D] repeated to the latent patches [B, T, H W, D], by the cells of the plan's grid
        that their rows and columns lie in."""
        when = torch.arange(frames, device=plan.device) // self.config.semantic_stride
        return plan.unflatten(2, grid)[:, when][:, :, cells[0]][:, :, :, cells[1]].flatten(2, 3)

    def _spatial(self, where: Tensor) -> Tensor:
        """Fixed sine embedding [1, P, D] of the rows and columns of where [1, P, 3]."""
        dim = self.patch_embedding.out_channels
        if not self.config.spatial_embedding:
            return where.new_zeros(1, 1, dim)
        parts = [get_timestep_embedding(where[0, :, axis], dim // 2, max_period=64) for axis in (1, 2)]
        return torch.cat(parts, -1).unsqueeze(0)

    def _head(self, tokens: Tensor, time: Tensor, x: Tensor) -> Tensor:
        shift, scale = (self.scale_shift_table.float() + time.float().unsqueeze(2)).to(tokens.dtype).chunk(2, 2)
        out = self.proj_out(self.norm_out(tokens) * (1 + scale) + shift)
        out = joined(out, x, self.config.patch_size, self.patch_embedding.stride[1:])
        if self.refiner is None:
            return out
        flat = torch.cat((out, x), 1).transpose(1, 2).flatten(0, 1)
        return out + self.refiner(flat).unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)


class RendererDiT(VideoDiT):
    """Latents from noise, conditioned on the plan."""


class PlannerDiT(VideoDiT):
    """The plan from noise, conditioned on the shots' text."""
