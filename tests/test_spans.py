"""Shifted spans: they partition time at absolute places, and equal full attention under a block mask."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sgen_ray.models.attention import attention
from sgen_ray.models.spans import depths, overlapping_span_attention, runs, span_attention, spans

HEADS, DIM, PATCHES, TOKENS = 2, 4, 3, 2


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("first", range(0, 17, 4))
@pytest.mark.parametrize("frames", [1, 4, 7, 8, 13, 30])
def test_spans_partition_the_window_at_absolute_times(first: int, frames: int, shifted: bool) -> None:
    cut = spans(first, frames, 8, shifted)
    assert [i for a, b in cut for i in range(a, b)] == list(range(frames))
    film = [(i // 8, (i + 4) // 8)[shifted] for i in range(first, first + frames)]
    for a, b in cut:
        assert len(set(film[a:b])) == 1  # one span of the whole film's
    assert len(cut) == len(set(film))


@pytest.mark.parametrize("first, frames", [(0, 30), (4, 30), (12, 7), (8, 8), (0, 1)])
def test_runs_join_equal_neighbours_and_cover_everything_once(first: int, frames: int) -> None:
    for shifted in (False, True):
        layout = runs(first, frames, 8, 2, shifted)
        latent = [i for r in layout for i in range(r.start, r.start + r.count * r.length)]
        steps = [i for r in layout for i in range(r.step_start, r.step_start + r.count * r.step_length)]
        assert latent == list(range(frames)) and steps == list(range(-(-frames // 2)))
        assert len(layout) <= 3  # a ragged end, whole spans, a ragged end


def _cases() -> Iterator[tuple[int, int, bool, bool, int]]:
    for first, frames in ((0, 16), (4, 16), (4, 7), (0, 3)):
        for shifted in (False, True):
            for semantic in (False, True):
                for anchors in (0, 2):
                    yield first, frames, shifted, semantic, anchors


@pytest.mark.parametrize("first, frames, shifted, semantic, anchors", list(_cases()))
def test_equals_full_attention_with_a_block_mask(
    first: int, frames: int, shifted: bool, semantic: bool, anchors: int
) -> None:
    generator = torch.Generator().manual_seed(0)

    def stream(count: int, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = torch.randn(3, 2, count, tokens, HEADS, DIM, generator=generator)
        return q, k, v

    steps = -(-frames // 2) if semantic else 0
    latent, plan = stream(frames + anchors, PATCHES), stream(steps, TOKENS) if semantic else None
    layout = runs(first, frames, 8, 2 if semantic else 0, shifted)
    out, out_plan = span_attention(latent, plan, layout, anchors)

    # The same as one sequence: latent, anchor, then plan tokens; each knows its span, anchors are -1.
    span_of = {i: n for n, (a, b) in enumerate(spans(first, frames, 8, shifted)) for i in range(a, b)}
    where = [span_of[i] for i in range(frames) for _ in range(PATCHES)] + [-1] * (anchors * PATCHES)
    where += [span_of[2 * s] for s in range(steps) for _ in range(TOKENS)]
    place = torch.tensor(where)
    mask = (place[:, None] == place[None]) | (place[None] == -1)
    sequences = [
        torch.cat([x.flatten(1, 2) for x in ([a] if b is None else [a, b])], 1).transpose(1, 2)
        for a, b in zip(latent, plan or (None,) * 3, strict=True)
    ]
    full = functional.scaled_dot_product_attention(*sequences, attn_mask=mask).transpose(1, 2)
    split = (frames + anchors) * PATCHES
    torch.testing.assert_close(out.flatten(1, 2), full[:, :split])
    if plan is None:
        assert out_plan is None
    else:
        assert out_plan is not None
        torch.testing.assert_close(out_plan.flatten(1, 2), full[:, split:])


@pytest.mark.parametrize("shifted", [False, True])
def test_exchanging_half_a_span_is_the_whole_film(shifted: bool) -> None:
    """Two painters of a film of 40 frames, cut at 16: with queries, keys and values of half a span beyond the cut, in
    shifted layers alone, each has the film's own answer for its frames, to the bit. Attention is all that passes
    between frames, so networks that exchange these at every step are the whole film in one forward."""
    generator = torch.Generator().manual_seed(0)

    def stream(count: int, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = torch.randn(3, 2, count, tokens, HEADS, DIM, generator=generator)
        return q, k, v

    latent, plan = stream(40, PATCHES), stream(20, TOKENS)
    whole, whole_plan = span_attention(latent, plan, runs(0, 40, 8, 2, shifted))
    assert whole_plan is not None
    halo = 4 if shifted else 0
    for start, stop in ((0, 16), (16, 40)):
        first, last = max(0, start - halo), min(40, stop + halo)
        q, k, v = (x[:, first:last] for x in latent)
        plan_q, plan_k, plan_v = (x[:, first // 2 : last // 2] for x in plan)
        layout = runs(first, last - first, 8, 2, shifted)
        out, out_plan = span_attention((q, k, v), (plan_q, plan_k, plan_v), layout)
        assert out_plan is not None
        assert torch.equal(out[:, start - first : stop - first], whole[:, start:stop])
        steps = slice((start - first) // 2, (stop - first) // 2)
        assert torch.equal(out_plan[:, steps], whole_plan[:, start // 2 : stop // 2])


@pytest.mark.parametrize("masked", [False, True])
def test_attention_spelt_out_for_training_is_torchs(masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 8, generator=generator).bfloat16() for n in (5, 7, 7))
    mask = torch.rand(2, 1, 5, 7, generator=generator) < 0.6 if masked else None
    if mask is not None:
        mask[..., 0] = True
    expected = functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask)
    spelt_out = attention(q.requires_grad_(), k, v, mask).float()
    torch.testing.assert_close(spelt_out, expected, atol=0.03, rtol=0.03)
    with torch.no_grad():
        torch.testing.assert_close(attention(q, k, v, mask).float(), expected, atol=0.03, rtol=0.03)


def test_a_frame_is_as_deep_in_one_span_as_is_missing_in_the_other() -> None:
    assert depths(0, 8, 1, 8).tolist() == [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125]
    assert depths(8, 4, 2, 8).tolist() == [0.25, 0.75, 0.75, 0.25]
    for first in range(8):
        torch.testing.assert_close(depths(first, 20, 1, 8) + depths(first + 4, 20, 1, 8), torch.ones(20))


@pytest.mark.parametrize("semantic, anchors", [(False, 0), (True, 0), (True, 2)])
def test_overlapping_spans_are_both_by_depth_and_know_no_border(semantic: bool, anchors: int) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 13 + anchors, PATCHES, HEADS, DIM, generator=generator)
    a, b, c = torch.randn(3, 2, 7, TOKENS, HEADS, DIM, generator=generator)
    both = (q, k, v), (a, b, c) if semantic else None
    stride = 2 if semantic else 0

    def overlapping(first: int) -> tuple[Tensor, Tensor | None]:
        layouts = [runs(first, 13, 8, stride, half) for half in (False, True)]
        return overlapping_span_attention(*both, layouts, [depths(first, 13, 1, 8), depths(first, 7, 2, 8)], anchors)

    out = overlapping(4)
    for i, count in enumerate((13, 7 if semantic else 0)):
        if not count:
            assert out[i] is None
            continue
        plain, shifted = (span_attention(*both, runs(4, 13, 8, stride, half), anchors)[i] for half in (False, True))
        depth = depths(4, count, (1, 2)[i], 8).reshape(1, -1, 1, 1, 1)
        mixed = depth * plain[:, :count] + (1 - depth) * shifted[:, :count]
        torch.testing.assert_close(out[i][:, :count], mixed)
        torch.testing.assert_close(out[i][:, count:], plain[:, count:])  # anchors are in no span
    # Where one begins to count is of no matter: spans and shifted spans change places.
    for ours, moved in zip(out, overlapping(8), strict=True):
        torch.testing.assert_close(ours, moved)
