"""Frames that agree become one; what moves stays as it is."""

import torch

from sgen_ray.models.calming import calm


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_a_still_film_stands_still_and_what_it_errs_by_is_averaged() -> None:
    wall = noise(1, 3, 16, 16).expand(64, -1, -1, -1)
    errors = 0.01 * noise(8, 3, 16, 16).repeat(8, 1, 1, 1)  # the same with every latent of eight frames
    film = calm(wall + errors, reach=4, below=0.1)
    before, after = ((x.diff(dim=0)[8:-8]).abs().mean() for x in (wall + errors, film))
    assert after < 0.3 * before
    assert (film - wall).abs()[8:-8].mean() < 0.5 * errors.abs().mean()


def test_what_moves_stays_as_it_is() -> None:
    film = noise(16, 3, 8, 8)
    torch.testing.assert_close(calm(film, reach=4, below=0.05), film)


def test_what_falls_before_a_wall_is_left_and_the_wall_about_it_calmed() -> None:
    film = 0.002 * noise(12, 3, 16, 16)
    film[6, :, 4:8, 4:8] += 1.0  # a drop, in one frame
    out = calm(film, reach=4, below=0.05)
    torch.testing.assert_close(out[6, :, 4:8, 4:8], film[6, :, 4:8, 4:8])
    assert out[5, :, 4:8, 4:8].abs().max() < 0.01  # no trace of it a frame earlier
    assert out[6, :, 12:].std() < 0.5 * film[6, :, 12:].std()


def test_frames_beyond_reach_count_nothing_and_ends_are_the_mean_of_fewer() -> None:
    film = torch.zeros(12, 3, 4, 4)
    film[0] += 0.001
    out = calm(film, reach=4, below=1.0)
    means = [0.001 / 5, 0.001 / 6, 0.001 / 7, 0.001 / 8, 0.001 / 9, 0.0]
    torch.testing.assert_close(out[:6, 0, 0, 0], torch.tensor(means), atol=1e-8, rtol=1e-4)
    assert torch.equal(calm(film[:1], reach=4, below=1.0), film[:1])
