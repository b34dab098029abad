"""The diffusion transformer: Wan itself without our additions, and windows that agree with the whole film."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel

from sgen_ray.errors import ModelError
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.dit import PlannerDiT, RendererDiT
from sgen_ray.models.guidance import Push, guided, held_still, plan_guided, pushed
from sgen_ray.models.planning import shot_clock
from sgen_ray.models.wan import renderer_from_wan

WAN = {
    "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16,
    "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2,
}  # fmt: skip
OURS = {
    "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 4, "out_channels": 4,
    "text_dim": 8, "freq_dim": 16, "ffn_dim": 16, "num_layers": 4, "semantic_channels": 3, "semantic_stride": 2,
    "attention_span": 8, "spatial_embedding": True, "refiner_channels": 4, "aligned_plan": True,
}  # fmt: skip


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Every weight drawn at random, so that nothing hides behind a zero-initialised layer."""
    torch.manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def wan() -> WanTransformer3DModel:
    return randomised(WanTransformer3DModel(**WAN, rope_max_seq_len=32))


@pytest.fixture(scope="module", params=[None, (1, 1)], ids=["patches", "overlapping patches"])
def renderer(request: pytest.FixtureRequest) -> RendererDiT:
    return randomised(RendererDiT(**OURS, patch_stride=request.param))


def film(frames: int) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, frames, 4, 8, generator=generator)
    c = Conditioning(
        text=torch.randn(1, 2, 5, 8, generator=generator),
        text_mask=torch.tensor([[[True] * 5, [True] * 3 + [False] * 2]]),
        shot=(torch.arange(frames) >= 6)[None].long(),
        semantic=torch.randn(1, 3, -(-frames // 2), 1, 2, generator=generator),
    )
    return x, torch.rand(1, frames, generator=generator), c


def test_guidance_pushes_away_from_no_plan_and_no_words() -> None:
    _, _, c = film(8)
    plain, knows = RendererDiT(**OURS), RendererDiT(**OURS, null_tokens=2)
    knows.null_text.copy_(torch.arange(16.0).reshape(2, 8))
    for network in (plain, knows):
        assert not network.unguided(c).semantic.any()
    assert torch.equal(plain.unguided(c).text, c.text)
    away = knows.unguided(c)
    assert torch.equal(away.text[0, :, :2], knows.null_text.expand(2, -1, -1)) and not away.text[0, :, 2:].any()
    assert away.text_mask[0].tolist() == [[True, True, False, False, False]] * 2
    assert c.semantic is not None and c.semantic.any()  # what was given stays


def cut(c: Conditioning, start: int, stop: int) -> Conditioning:
    """What a window [start, stop) of the film is told."""
    assert c.shot is not None and c.semantic is not None
    semantic = c.semantic[:, :, start // 2 : -(-stop // 2)]
    return replace(c, first=start, shot=c.shot[:, start:stop], semantic=semantic)


def test_equals_wan_with_its_weights(wan: WanTransformer3DModel) -> None:
    ours = RendererDiT(**WAN).eval()
    ours.load_state_dict(wan.state_dict(), strict=True)
    x, text, t = torch.randn(2, 16, 3, 8, 6), torch.randn(2, 7, 32), torch.tensor([0.2, 0.9])
    with torch.no_grad():
        theirs = wan(x, 1000 * t, text, return_dict=False)[0]
        out = ours(x, t[:, None].expand(-1, 3), Conditioning(text=text[:, None]))
    torch.testing.assert_close(out, theirs, atol=2e-5, rtol=1e-4)


def test_overlapping_patches_answer_their_mean() -> None:
    """Without blocks a token answers for its own patch alone, so the answer is known patch by patch."""
    size = {**OURS, "num_layers": 0, "refiner_channels": 0, "spatial_embedding": False, "semantic_channels": 0}
    size |= {"aligned_plan": False}
    plain = randomised(RendererDiT(**size))
    whole, rows = (RendererDiT(**size, patch_stride=by).eval() for by in ((1, 1), (2, 1)))
    x, t, c = film(2)
    c = Conditioning(text=c.text)
    for network, down in ((whole, 1), (rows, 2)):
        network.load_state_dict(plain.state_dict())
        total, count = torch.zeros_like(x), torch.zeros_like(x)
        for i in range(0, 3, down):
            for j in range(7):
                total[..., i : i + 2, j : j + 2] += plain(x[..., i : i + 2, j : j + 2], t, c)
                count[..., i : i + 2, j : j + 2] += 1
        with torch.no_grad():
            torch.testing.assert_close(network(x, t, c), total / count, atol=1e-5, rtol=1e-5)


def test_patches_that_only_touch_are_the_same_by_stride_or_without() -> None:
    x, t, c = film(8)
    plain = randomised(RendererDiT(**OURS))
    strided = RendererDiT(**OURS, patch_stride=(2, 2)).eval()
    strided.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(strided(x, t, c), plain(x, t, c))


def test_public_weights_load_by_their_own_names(wan: WanTransformer3DModel, tmp_path: Path) -> None:
    wan.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    plain, extended = renderer_from_wan(tmp_path), renderer_from_wan(tmp_path, semantic_channels=8, attention_span=4)
    for model in (plain, extended):
        for name, value in wan.state_dict().items():
            assert torch.equal(model.state_dict()[name], value), name
    with torch.no_grad():
        x, t, text = torch.randn(1, 16, 6, 4, 4), torch.full((1, 6), 0.5), torch.randn(1, 1, 3, 32)
        out = extended(x, t, Conditioning(text=text, semantic=torch.randn(1, 8, 3, 1, 1)))
    assert out.shape == x.shape and out.isfinite().all()


def test_other_folders_are_refused_in_one_line(wan: WanTransformer3DModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="config.json"):
        renderer_from_wan(tmp_path)
    wan.save_pretrained(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelError, match="lacks"):
        renderer_from_wan(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(ModelError, match="not Wan2.1"):
        renderer_from_wan(tmp_path)


def test_a_window_sees_the_partition_of_the_whole_film(renderer: RendererDiT) -> None:
    """With one layer, a frame depends on its own span alone: windows give the film's own answer there."""
    one = randomised(RendererDiT(**{**OURS, "num_layers": 1}))
    x, t, c = film(21)
    whole = one(x, t, c)
    for start, stop in ((0, 16), (8, 21), (4, 20)):
        part = one(x[:, :, start:stop], t[:, start:stop], cut(c, start, stop))
        whole_spans = [f for f in range(start, stop) if f // 8 * 8 >= start and min(f // 8 * 8 + 8, 21) <= stop]
        inside = [f - start for f in whole_spans]
        torch.testing.assert_close(part[:, :, inside], whole[:, :, whole_spans], atol=1e-4, rtol=1e-4)


def test_shifted_layers_carry_a_frame_by_half_spans(renderer: RendererDiT) -> None:
    """Four layers reach across spans, but not without end: what is far away changes nothing."""
    x, t, c = film(40)
    other = x.clone()
    other[:, :, 0] += 1
    change = (renderer(other, t, c) - renderer(x, t, c)).abs().amax((0, 1, 3, 4))
    reached = (change > 1e-6).nonzero().flatten().tolist()
    # Spans of layers 0..3: [0, 8), [4, 12) shifted, [8, 16), [12, 20) shifted.
    assert reached == list(range(20))


def test_where_spans_overlap_no_border_counts() -> None:
    """A window half a span later in its film has the same spans in layers of the other kind."""
    x, _, c = film(21)
    model = randomised(RendererDiT(**OURS, spans_overlap_below=0.5))
    later = replace(c, first=4)
    little, much = torch.full((1, 21), 0.5), torch.full((1, 21), 0.6)
    torch.testing.assert_close(model(x, little, c), model(x, little, later), atol=1e-4, rtol=1e-4)
    assert (model(x, much, c) - model(x, much, later)).abs().max() > 1e-2
    plain = randomised(RendererDiT(**OURS))
    assert torch.equal(model(x, much, c), plain(x, much, c))
    assert torch.equal(model.train()(x, little, c), plain(x, little, c))


def test_batches_agree_with_single_items(renderer: RendererDiT) -> None:
    x, t, c = film(12)
    generator = torch.Generator().manual_seed(2)
    anchors = torch.randn(2, 4, 2, 4, 8, generator=generator)
    times = torch.tensor([[-7.0, 30.0], [2.0, -100.0]])
    two = replace(
        c, text=c.text.repeat(2, 1, 1, 1), text_mask=c.text_mask.repeat(2, 1, 1), shot=c.shot.repeat(2, 1),
        semantic=c.semantic.repeat(2, 1, 1, 1, 1), anchors=anchors, anchor_times=times,
        anchor_shot=torch.zeros(2, 2, dtype=torch.long),
    )  # fmt: skip
    together = renderer(x.repeat(2, 1, 1, 1, 1), t.repeat(2, 1), two)
    for i in range(2):
        alone = replace(
            c, anchors=anchors[i : i + 1], anchor_times=times[i : i + 1], anchor_shot=two.anchor_shot[i : i + 1]
        )
        torch.testing.assert_close(together[i : i + 1], renderer(x, t, alone), atol=1e-4, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-3  # anchors are looked at


def test_far_anchors_look_alike(renderer: RendererDiT) -> None:
    """An anchor's place counts up to one span beyond the window; further away it is just known."""
    x, t, c = film(12)
    anchors, shot = torch.randn(1, 4, 1, 4, 8), torch.zeros(1, 1, dtype=torch.long)

    def at(when: float) -> torch.Tensor:
        return renderer(x, t, replace(c, anchors=anchors, anchor_times=torch.tensor([[when]]), anchor_shot=shot))

    assert torch.equal(at(100.0), at(500.0))
    assert not torch.equal(at(100.0), at(-100.0))


def test_plan_and_text_of_another_shot_are_not_seen(renderer: RendererDiT) -> None:
    x, t, c = film(16)
    base = renderer(x, t, c)
    other = c.text.clone()
    other[:, 1, 3:] += 5  # masked tokens
    assert torch.equal(renderer(x, t, replace(c, text=other)), base)
    one = randomised(RendererDiT(**{**OURS, "num_layers": 1}))
    other = c.text.clone()
    other[:, 1] += 1  # the second shot begins at frame 6; the one layer's spans are [0, 8) and [8, 16)
    change = (one(x, t, replace(c, text=other)) - one(x, t, c)).abs().amax((0, 1, 3, 4))
    assert (change[:6] < 1e-5).all() and (change[6:] > 1e-5).all()
    no_plan = renderer(x, t, replace(c, semantic=torch.zeros_like(c.semantic)))
    assert (no_plan - base).abs().max() > 1e-3


def test_a_fresh_network_answers_nothing() -> None:
    x, t, c = film(8)
    assert torch.count_nonzero(RendererDiT(**OURS)(x, t, c)) == 0


def test_shot_clock_counts_from_and_to_the_cuts() -> None:
    shot = torch.tensor([[0, 0, 0, 1, 1, 2]])
    assert shot_clock(shot)[0].tolist() == [[0, 2], [1, 1], [2, 0], [0, 1], [1, 0], [0, 0]]


def test_guidance_is_the_line_through_both_answers() -> None:
    size = {k: OURS[k] for k in ("num_attention_heads", "attention_head_dim", "text_dim", "freq_dim", "ffn_dim")}
    planner = randomised(
        PlannerDiT(**size, patch_size=(1, 1, 1), in_channels=3, out_channels=3, num_layers=2, shot_clock=True)
    )
    generator = torch.Generator().manual_seed(3)
    x, t = torch.randn(1, 3, 6, 2, 2, generator=generator), torch.rand(1, 6, generator=generator)
    shot = torch.tensor([[0, 0, 0, 1, 1, 1]])
    wanted, unwanted = (
        Conditioning(
            text=torch.randn(1, 2, 4, 8, generator=generator), text_mask=torch.ones(1, 2, 4, dtype=torch.bool),
            shot=shot, shot_clock=shot_clock(shot),
        )
        for _ in range(2)
    )  # fmt: skip
    yes, no = planner(x, t, wanted), planner(x, t, unwanted)
    assert torch.equal(guided(planner, (wanted, unwanted), 1.0)(x, t), yes)
    out = guided(planner, (wanted, unwanted), 2.5)(x, t)
    torch.testing.assert_close(out, no + 2.5 * (yes - no), atol=1e-4, rtol=1e-4)
    fading = pushed(planner, wanted, [Push(unwanted, 1.5, power=2.0), Push(wanted, 9.0)])(x, t)
    push = 1 + 1.5 * t.reshape(1, 1, 6, 1, 1) ** 2  # each frame has its own time; from itself there is no push
    torch.testing.assert_close(fading, no + push * (yes - no), atol=1e-4, rtol=1e-4)


def test_a_plan_held_still_is_each_shots_own_mean() -> None:
    _, _, c = film(9)  # two shots, cut at frame 6; steps of two frames, the last of one
    c = replace(c, semantic=torch.arange(5.0).reshape(1, 1, 5, 1, 1).expand(1, 3, 5, 1, 2))
    still = held_still(c, 2)
    assert still.semantic is not None
    assert still.semantic[0, 0, :, 0, 0].tolist() == [1.0, 1.0, 1.0, 3.5, 3.5]
    assert torch.equal(held_still(still, 2).semantic, still.semantic)
    assert torch.equal(still.text, c.text)


def test_a_renderer_is_pushed_by_its_own_scales() -> None:
    x, t, c = film(8)
    pushes: dict[str, Any] = {"plan_guidance": 4.0, "plan_guidance_power": 3.0, "change_guidance": 2.0}
    network = randomised(RendererDiT(**OURS, **pushes))
    yes, no, still = (network(x, t, each) for each in (c, network.unguided(c), held_still(c, 2)))
    out = plan_guided(network, c)(x, t)
    expected = yes + t.reshape(1, 1, 8, 1, 1) ** 3 * (3 * (yes - no) + 2 * (yes - still))
    assert (yes - still).abs().max() > 1e-3
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
    network.register_to_config(plan_guidance_above=t.max().item())
    assert torch.equal(plan_guided(network, c)(x, t), yes)
