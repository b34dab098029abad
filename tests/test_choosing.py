"""Of several plans the one that says most of what is wanted."""

import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Flow
from sgen_ray.models.choosing import repeated, told
from sgen_ray.models.conditioning import Conditioning


def test_a_plan_says_what_a_network_that_is_told_knows_better() -> None:
    """One network knows of one plan and one of none: they err by the distance to it and to nothing."""
    generator = torch.Generator().manual_seed(0)
    z, known, noise = (torch.randn(n, 2, 4, 1, 2, generator=generator) for n in (3, 1, 1))
    held = torch.tensor([False, True, False, False])

    def wanted(x: Tensor, t: Tensor) -> Tensor:
        assert (t[:, 1] == 0).all() and (x[:, :, 1] == z[:, :, 1]).all()
        return (noise - known).expand_as(x)

    def other(x: Tensor, t: Tensor) -> Tensor:
        return noise.expand_as(x)

    closer = (z**2 - (z - known) ** 2) * (~held).float().reshape(1, 1, -1, 1, 1)
    torch.testing.assert_close(told(Flow(None), wanted, other, z, noise, held), closer.flatten(1).mean(1))


def test_what_is_told_of_one_film_is_told_of_each_of_its_plans() -> None:
    c = repeated(Conditioning(text=torch.randn(1, 2, 3, 4), shot=torch.tensor([[0, 1]]), first=7), 3)
    assert c.text.shape == (3, 2, 3, 4) and (c.text == c.text[:1]).all() and c.first == 7 and c.text_mask is None
    assert c.shot is not None and c.shot.tolist() == [[0, 1]] * 3
