"""The semantic encoder and the compressor against closed forms."""

import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference

from sgen_ray.models.planning import preview
from sgen_ray.models.semantic import PreviewDecoder, SemanticCompressor, SemanticEncoder, kl_divergence, thumbnails
from sgen_ray.training.encoder import set_normalisation


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


def test_shapes_and_stills() -> None:
    torch.manual_seed(0)
    encoder = SemanticEncoder(16, 8).requires_grad_(False)
    pairs = torch.rand(3, 2, 3, 64, 96) * 2 - 1
    features = encoder(pairs)
    assert features.shape == (3, 16, 2, 3)
    still = pairs[:, :1].expand(-1, 2, -1, -1, -1)
    assert encoder(still).isfinite().all()
    assert not torch.allclose(encoder(pairs), encoder(pairs.flip(1)))  # the order of frames shows motion


def test_preview_has_eight_pixels_a_token() -> None:
    assert PreviewDecoder(4, 8)(torch.randn(2, 4, 2, 3)).shape == (2, 3, 16, 24)
    flat = torch.full((1, 3, 32, 32), 0.25)
    torch.testing.assert_close(thumbnails(flat, 8, 8), torch.full((1, 3, 8, 8), 0.25))
