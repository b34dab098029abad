"""The semantic encoder and the compressor against closed forms."""

import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference

from sgen_ray.models.motion import BANDS, camera_motion
from sgen_ray.models.planning import preview
from sgen_ray.models.semantic import PreviewDecoder, SemanticCompressor, SemanticEncoder, kl_divergence, thumbnails
from sgen_ray.training.data import step_times
from sgen_ray.training.encoder import set_normalisation
from sgen_ray.training.recipes import nano


def test_kl_is_that_of_torch_distributions() -> None:
    mean, log_variance = torch.randn(3, 5, 8), torch.randn(3, 5, 8)
    gaussian = Normal(mean, (0.5 * log_variance).exp())
    expected = reference(gaussian, Normal(torch.zeros(()), torch.ones(()))).sum(-1).mean()
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
    assert kl_divergence(torch.zeros(2, 8), torch.zeros(2, 8)) == 0


def test_tokens_are_normalised_over_the_world_and_come_back() -> None:
    torch.manual_seed(0)
    compressor = SemanticCompressor(16, 4, 8).requires_grad_(False)
    features = torch.randn(500, 6, 16)
    means, log_variance = compressor(features)
    set_normalisation(compressor, means.flatten(0, 1))
    z = compressor.encode(features).flatten(0, 1)
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(4), atol=1e-4, rtol=0)
    assert log_variance.min() >= -12 and log_variance.max() <= 4
    # The preview sees the compressor's own means again.
    seen: list[torch.Tensor] = []

    def decoder(raw: torch.Tensor) -> torch.Tensor:
        seen.append(raw)
        return raw

    steps = compressor.encode(features[:5]).transpose(1, 2).unflatten(2, (2, 3))
    preview(decoder, compressor, steps.transpose(0, 1))  # type: ignore[arg-type]
    torch.testing.assert_close(seen[0].flatten(2).transpose(1, 2), means[:5], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 4])
def test_shapes_and_stills(count: int) -> None:
    torch.manual_seed(0)
    encoder = SemanticEncoder(16, 8, (2, 4), count, (1, 4)).requires_grad_(False)
    frames = torch.rand(3, count, 3, 64, 96) * 2 - 1
    features = encoder(frames)
    assert features.shape == (3, 16, 2, 3)
    still = frames[:, :1].expand(-1, count, -1, -1, -1)
    assert encoder(still).isfinite().all()
    assert not torch.allclose(features, encoder(frames.flip(1)))  # the order of frames shows motion


@pytest.mark.parametrize(("shift", "growth"), [(0.2, 0.0), (-0.5, 0.0), (0.0, 0.01), (0.3, -0.01)])
def test_a_pan_and_a_zoom_are_measured_to_a_fraction_of_a_pixel(shift: float, growth: float) -> None:
    height, width = 64, 128
    y, x = torch.meshgrid(torch.arange(height) + 0.5 - height / 2, torch.arange(width) + 0.5 - width / 2, indexing="ij")

    def picture(t: int) -> torch.Tensor:
        u, v = (x - shift * t) / (1 + growth * t), y / (1 + growth * t)
        return torch.sin(u * 0.21 + v * 0.13) + torch.sin(v * 0.19 - u * 0.17)

    clip = torch.stack([picture(t) for t in range(3)])[None, :, None].expand(1, 3, 3, height, width)
    moves = camera_motion(clip, (1, 2)).unflatten(1, (2, 3, 2, BANDS))  # scale, pair, shift or growth, strip
    for scale, found in zip((1, 2), moves[0], strict=True):
        for frames, (across, grown) in zip((1, 1, 2), found, strict=True):  # each to the next, the first to the last
            expected = torch.full((BANDS,), shift * frames / scale)
            torch.testing.assert_close(across, expected, atol=0.05, rtol=0.1)
            # A quarter of the frame's height from the middle.
            expected = torch.full((BANDS,), growth * frames * height / 4 / scale)
            torch.testing.assert_close(grown, expected, atol=0.05, rtol=0.1)


def test_frames_of_a_step_lie_evenly_in_it() -> None:
    grid = nano().grid.coarse  # eight pixel frames a step
    steps = torch.tensor([[0, 3]])
    assert (step_times(steps, grid, 2) * grid.fps).tolist() == [[[2, 6], [26, 30]]]
    assert (step_times(steps, grid, 4) * grid.fps).tolist() == [[[1, 3, 5, 7], [25, 27, 29, 31]]]
    assert torch.equal(step_times(steps, nano().grid, 4), step_times(steps, grid, 4))  # at any detail


def test_preview_has_eight_pixels_a_token() -> None:
    assert PreviewDecoder(4, 8)(torch.randn(2, 4, 2, 3)).shape == (2, 3, 16, 24)
    flat = torch.full((1, 3, 32, 32), 0.25)
    torch.testing.assert_close(thumbnails(flat, 8, 8), torch.full((1, 3, 8, 8), 0.25))
