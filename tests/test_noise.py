"""Noise belongs to (seed, stream, absolute frame)."""

import numpy as np
import pytest

from sgen_ray.diffusion.noise import LATENTS, SEMANTIC, frame_noise

SHAPE = (4, 3, 5)


def test_any_slice_agrees_with_the_whole() -> None:
    whole = frame_noise(7, LATENTS, 0, 20, SHAPE)
    for start, stop in ((0, 20), (3, 9), (19, 20)):
        np.testing.assert_array_equal(frame_noise(7, LATENTS, start, stop, SHAPE), whole[start:stop])


@pytest.mark.parametrize("other", [(8, LATENTS, 0), (7, SEMANTIC, 0), (7, LATENTS, 1), (-7, LATENTS, 0)])
def test_seeds_streams_and_frames_share_nothing(other: tuple[int, int, int]) -> None:
    def draw(seed: int, stream: int, frame: int) -> np.ndarray:
        return frame_noise(seed, stream, frame, frame + 1, (4096,))[0]

    assert abs(np.corrcoef(draw(7, LATENTS, 0), draw(*other))[0, 1]) < 0.06  # 4 standard errors


def test_seeds_of_64_bits_are_taken_whole() -> None:
    big, small = frame_noise(2**63 + 5, LATENTS, 0, 1, SHAPE), frame_noise(5, LATENTS, 0, 1, SHAPE)
    assert not np.array_equal(big, small)
    np.testing.assert_array_equal(frame_noise(-1, LATENTS, 0, 1, SHAPE), frame_noise(2**64 - 1, LATENTS, 0, 1, SHAPE))


def test_standard_normal() -> None:
    x = frame_noise(0, LATENTS, 0, 64, (4096,))
    assert x.dtype == np.float32
    assert abs(x.mean()) < 0.01 and abs(x.std() - 1) < 0.01
    assert abs((np.abs(x) < 1).mean() - 0.6827) < 0.005
    assert abs((x**4).mean() - 3) < 0.1


def test_known_numbers_stay() -> None:
    """A film made yesterday must come out the same tomorrow: the first numbers are pinned."""
    first = frame_noise(0, LATENTS, 5, 6, (3,))[0]
    np.testing.assert_array_equal(first, np.array([-1.12428713, 1.20943987, -0.84716314], np.float32))
