"""The tiny autoencoder: a linear encoder by principal components, a decoder that decodes any run by itself."""

import pytest
import torch

from sgen_ray.models.autoencoder import TinyAutoencoder, coarse


@pytest.fixture(scope="module")
def model() -> TinyAutoencoder:
    torch.manual_seed(0)
    model = TinyAutoencoder(latent_channels=6, channels=(8, 6, 8)).eval().requires_grad_(False)
    for p in (*model.mend.parameters(), *model.mended.parameters()):
        torch.nn.init.normal_(p, std=0.1)
    return model


def pictures(count: int, frames: int, seed: int = 0) -> torch.Tensor:
    """Smooth random clips [N, 3, T, 16, 24]: what principal components are good at."""
    coarse = torch.randn(count, 3, frames // 4 + 1, 4, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (frames, 16, 24), mode="trilinear").tanh()


def test_runs_with_halo_decode_exactly(model: TinyAutoencoder) -> None:
    latents = torch.randn(1, 6, 13, 2, 3)
    whole, (before, after) = model.decode(latents), model.halo
    for start, stop in ((0, 5), (5, 6), (6, 11), (11, 13)):
        first, last = max(0, start - before), min(13, stop + after)
        run = model.decode(latents[:, :, first:last])
        shown = run[:, :, 4 * (start - first) : 4 * (stop - first)]
        torch.testing.assert_close(shown, whole[:, :, 4 * start : 4 * stop], atol=1e-6, rtol=1e-6)
    cut = model.decode(latents[:, :, 4:])
    assert (cut[:, :, :4] - whole[:, :, 16:20]).abs().max() > 1e-4  # without its halo a run differs


@pytest.fixture(scope="module")
def fine() -> TinyAutoencoder:
    """The same at twice the size and rate, with a network that adds something to straight lines."""
    torch.manual_seed(0)
    model = TinyAutoencoder(6, 8, 16, (8, 6, 8), detail=2, finish_channels=4).eval().requires_grad_(False)
    for p in (*model.mend.parameters(), *model.mended.parameters(), *model.finish.parameters()):
        torch.nn.init.normal_(p, std=0.1)
    return model


def test_detail_decodes_exactly_by_runs_too(fine: TinyAutoencoder) -> None:
    latents = torch.randn(1, 6, 11, 2, 3)
    whole, (before, after) = fine.decode(latents), fine.halo
    assert whole.shape == (1, 3, 88, 32, 48)
    for start, stop in ((0, 3), (3, 5), (5, 8), (8, 11)):
        first, last = max(0, start - before), min(11, stop + after)
        shown = fine.decode(latents[:, :, first:last], start - first, stop - first)
        torch.testing.assert_close(shown, whole[:, :, 8 * start : 8 * stop], atol=1e-6, rtol=1e-6)
    short = fine.decode(latents[:, :, : 3 + after - 1], 0, 3)
    assert (short[:, :, -8:] - whole[:, :, 16:24]).abs().max() > 1e-4  # the last block is drawn towards the next one
    torch.testing.assert_close(short[:, :, :-8], whole[:, :, :16], atol=1e-6, rtol=1e-6)


def test_detail_begins_as_straight_lines_between_pixels_and_frames() -> None:
    torch.manual_seed(1)
    model = TinyAutoencoder(6, 8, 16, (8, 6, 8), detail=2).requires_grad_(False)
    latents = torch.randn(1, 6, 4, 2, 3)
    small, large = model.decode_coarse(latents), model.decode(latents)
    assert small.shape == (1, 3, 16, 16, 24)
    wider = torch.nn.functional.interpolate(small[0].transpose(0, 1), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(large[0, :, ::2].transpose(0, 1), wider, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(large[0, :, 1:-1:2].transpose(0, 1), (wider[:-1] + wider[1:]) / 2, atol=1e-5, rtol=1e-5)


def test_latents_hold_every_second_frame_at_half_the_size(fine: TinyAutoencoder) -> None:
    clip = pictures(1, 17)
    seen = coarse(clip, 2)
    assert seen.shape == (1, 3, 9, 8, 12)
    torch.testing.assert_close(seen[0, :, 3, 2, 5], clip[0, :, 6, 4:6, 10:12].mean((1, 2)))
    clip = pictures(1, 17).repeat(1, 1, 1, 2, 2)
    assert torch.equal(fine.encode(clip), fine.encode_coarse(coarse(clip, 2)))
    assert coarse(clip, 1) is clip


def test_encoder_is_affine(model: TinyAutoencoder) -> None:
    a, b = pictures(1, 8, 1), pictures(1, 8, 2)
    middle = model.encode(0.3 * a + 0.7 * b)
    torch.testing.assert_close(middle, 0.3 * model.encode(a) + 0.7 * model.encode(b), atol=1e-5, rtol=1e-5)


def test_an_incomplete_last_block_repeats_the_last_frame(model: TinyAutoencoder) -> None:
    clip = pictures(1, 10)
    filled = torch.cat((clip, clip[:, :, -1:], clip[:, :, -1:]), 2)
    assert model.encode(clip).shape == (1, 6, 3, 2, 3)
    assert torch.equal(model.encode(clip), model.encode(filled))


def test_principal_components_beat_any_random_projection() -> None:
    clips, fresh = pictures(40, 8, 3), pictures(10, 8, 4)
    # A fresh decoder's learned residual answers zero, so that this is the linear part alone.
    model = TinyAutoencoder(latent_channels=6, channels=(8, 6, 8)).requires_grad_(False)
    kept = model.fit_encoder(clips)

    def error(frames: torch.Tensor) -> float:
        return (model.decode(model.encode(frames)) - frames).square().mean().item()

    best, best_fresh = error(clips), error(fresh)
    assert best == pytest.approx((1 - kept) * clips.var().item(), rel=0.1)
    latents = model.encode(clips)
    torch.testing.assert_close(latents.mean((0, 2, 3, 4)), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3, 4)), model.sigma_data, atol=1e-3, rtol=1e-3)
    assert latents.square().mean().item() == pytest.approx(1, abs=1e-3)
    weight = model.encoder.weight.flatten(1)
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), atol=1e-5, rtol=0)
    for seed in range(5):
        basis, _ = torch.linalg.qr(torch.randn(768, 6, generator=torch.Generator().manual_seed(seed)))
        model.encoder.weight.copy_(basis.T.reshape(model.encoder.weight.shape))
        assert error(clips) > 1.5 * best and error(fresh) > 1.5 * best_fresh


def test_a_fresh_decoder_is_the_transposed_encoder() -> None:
    model = TinyAutoencoder(latent_channels=6, channels=(8, 6, 8)).requires_grad_(False)
    assert model.decode(torch.zeros(1, 6, 2, 2, 3)).abs().max() == 0


def test_other_compressions_are_refused() -> None:
    with pytest.raises(ValueError, match="spatial_compression 8 times"):
        TinyAutoencoder(spatial_compression=16)
    with pytest.raises(ValueError, match="multiple of four"):
        TinyAutoencoder(6, 8, 16, (8, 6, 6), detail=2)
