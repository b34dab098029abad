"""Rotary positions: relative, continuous, aligned between the grids, and Wan's own at whole numbers."""

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed

from sgen_ray.models.rope import centres, grid_positions, rope, rotate, split_head


def test_a_product_depends_on_the_difference_of_positions_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 24, generator=generator, dtype=torch.float32)
    a, b, shift = torch.rand(3, 1, 3, generator=generator) * 20

    def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (rotate(q, rope(x, 24)) * rotate(k, rope(y, 24))).sum()

    torch.testing.assert_close(product(a, b), product(a + shift, b + shift), atol=1e-4, rtol=1e-4)
    assert abs(product(a, b) - product(a + shift, b)) > 1e-2
    torch.testing.assert_close(product(a, a), (q * k).sum(), atol=1e-4, rtol=1e-4)


def test_a_semantic_token_sits_at_the_centre_of_what_it_summarises() -> None:
    for count, extent in ((2, 4), (4, 8), (3, 9), (5, 5)):
        cell = extent // count
        patches = torch.arange(extent, dtype=torch.float32).reshape(count, cell)
        torch.testing.assert_close(centres(count, extent), patches.mean(1))


def test_grid_positions_run_over_time_rows_columns() -> None:
    grid = grid_positions(torch.arange(2), torch.arange(3), torch.arange(4))
    assert grid.shape == (2, 12, 3)
    assert grid[1, 5].tolist() == [1.0, 1.0, 1.0] and grid[0, 11].tolist() == [0.0, 2.0, 3.0]


def test_equals_wan_at_whole_numbers() -> None:
    for head_dim in (12, 24, 128):
        wan = WanRotaryPosEmbed(head_dim, (1, 2, 2), max_seq_len=32)
        cos, sin = wan(torch.zeros(1, 16, 5, 8, 6))
        ours = rope(grid_positions(torch.arange(5), torch.arange(4), torch.arange(3)), head_dim).flatten(0, 1)
        torch.testing.assert_close(ours.real.repeat_interleave(2, -1), cos[0, :, 0].float(), atol=1e-6, rtol=0)
        torch.testing.assert_close(ours.imag.repeat_interleave(2, -1), sin[0, :, 0].float(), atol=1e-6, rtol=0)
        assert sum(split_head(head_dim)) == head_dim
