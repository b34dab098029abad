"""Rectified flow against closed forms: Gaussian data, where the exact velocity is known."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Flow, Network, add_noise, sample, times
from sgen_ray.models.guidance import SettledFlow, shot_lines

SPREAD = torch.tensor([0.3, 2.0])


def exact_velocity(mean: Tensor, spread: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """E[eps - x0 | x_t] for x0 ~ N(mean, spread^2): x [B, C, T], t [B, T]."""
    t = t[:, None]
    variance = (1 - t) ** 2 * spread**2 + t**2
    return (t - (1 - t) * spread**2) / variance * (x - (1 - t) * mean) - mean


def silent_but_for(velocity: Callable[[Tensor, Tensor], Tensor], flow: Flow) -> Network:
    """The network that makes `flow` answer with that velocity."""

    def network(x: Tensor, t: Tensor) -> Tensor:
        c_in, c_skip, c_out = flow.coefficients(t, x)
        return (velocity(x / c_in, t) - c_skip * x / c_in) / c_out

    return network


def test_euler_comes_to_the_exact_solution_as_steps_grow() -> None:
    mean, spread = torch.tensor([1.0, -0.5])[:, None], SPREAD[:, None]
    noise = torch.randn(256, 2, 1, generator=torch.Generator().manual_seed(0))
    exact = mean + spread * noise  # the flow of a Gaussian maps quantiles to quantiles

    def error(steps: int) -> float:
        out = sample(Flow(), lambda x, t: exact_velocity(mean, spread, x, t), noise, steps)
        return (out - exact).abs().max().item()

    errors = [error(steps) for steps in (8, 16, 32, 64)]
    for coarse, fine in itertools.pairwise(errors):
        assert 0.35 < fine / coarse < 0.65  # first order: half the step, half the error


def test_finishing_steps_come_to_the_exact_solution_twice_as_fast() -> None:
    mean, spread = torch.tensor([1.0, -0.5])[:, None], SPREAD[:, None]
    noise = torch.randn(256, 2, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def error(finish: int) -> float:
        flow = Flow(SPREAD.double() * 1.5)  # about right, as a data set's is
        network = silent_but_for(lambda x, t: exact_velocity(mean, spread, x, t), flow)
        return (sample(flow, network, noise, 1, finish=finish) - (mean + spread * noise)).abs().max().item()

    errors = [error(finish) for finish in (16, 32, 64, 128)]
    for coarse, fine in itertools.pairwise(errors):
        assert 0.2 < fine / coarse < 0.33  # second order: half the step, a quarter of the error


def test_finishing_steps_keep_the_spread_that_eulers_last_step_takes() -> None:
    noise = torch.randn(4096, 2, 1, generator=torch.Generator().manual_seed(0))
    know_nothing = Flow(SPREAD), lambda x, t: torch.zeros_like(x)
    for finish in (2, 3, 7):
        out = sample(*know_nothing, noise, 4, shift=6.0, finish=finish)
        ratio = out.std(0)[:, 0] / sample(*know_nothing, noise, 4, shift=6.0).std(0)[:, 0]
        assert ratio[0] > 4  # 0.3 of spread, of which what is left at t = 2/3 tells little
    torch.testing.assert_close(sample(*know_nothing, noise, 1, finish=3), SPREAD[:, None] * noise)


def test_only_the_last_step_is_split_and_held_frames_stay() -> None:
    seen: list[Tensor] = []
    told: list[tuple[int, int]] = []
    noise, values = torch.randn(2, 1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([False, True, False])

    def network(x: Tensor, t: Tensor) -> Tensor:
        seen.append(t)
        return x.roll(1, 2)

    out = sample(Flow(SPREAD), network, noise, 4, 6.0, (mask, values), lambda *step: told.append(step), finish=3)
    asked = torch.stack(seen)[:, 0]
    torch.testing.assert_close(asked[:, 0], torch.tensor([*times(4, 6.0)[:4], 4 / 9, 2 / 9]))
    assert (asked[:, 1] == 0).all()
    assert told == [(step, 6) for step in range(1, 7)]
    assert torch.equal(out[:, :, 1], values[:, :, 1]) and out.isfinite().all()


def test_preconditioned_flow_with_a_silent_network_is_the_exact_velocity_of_centred_gaussians() -> None:
    flow, x = Flow(SPREAD), torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    t = torch.rand(3, 5, generator=torch.Generator().manual_seed(1))
    out = flow.velocity(lambda x, t: torch.zeros_like(x), x, t)
    torch.testing.assert_close(out, exact_velocity(torch.zeros(2, 1), SPREAD[:, None], x, t))


def test_preconditioning_gives_unit_input_and_a_unit_target() -> None:
    generator = torch.Generator().manual_seed(0)
    x0 = SPREAD[None, :, None] * torch.randn(200_000, 2, 3, generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    t = torch.tensor([[0.05, 0.5, 0.95]]).expand(len(x0), -1)
    x = add_noise(x0, eps, t)
    c_in, c_skip, c_out = Flow(SPREAD).coefficients(t, x)
    target = (eps - x0 - c_skip * x) / c_out
    for unit in ((c_in * x).std(0), target.std(0)):
        torch.testing.assert_close(unit, torch.ones(2, 3), atol=0.01, rtol=0)
    correlation = (target * x).mean(0) / x.std(0)
    torch.testing.assert_close(correlation, torch.zeros(2, 3), atol=0.01, rtol=0)


def test_preconditioning_holds_for_later_axes() -> None:
    flow = Flow(torch.tensor([2.0]))
    c_in, c_skip, c_out = flow.coefficients(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 1, 2, 4, 4))
    assert c_in.shape == (1, 1, 2, 1, 1)
    torch.testing.assert_close(c_in.flatten(), torch.tensor([0.5, 1.0]))
    torch.testing.assert_close(c_skip.flatten(), torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(c_out.flatten(), torch.tensor([1.0, 2.0]))


def test_clean_frames_look_as_held_ones_do() -> None:
    flow, x = Flow(SPREAD), torch.randn(1, 2, 3, 4, 4)
    seen = []
    flow.velocity(lambda x, t: seen.append(x) or x, x, torch.zeros(1, 3))
    torch.testing.assert_close(flow.clean(x), seen[0])
    assert Flow().clean(x) is x


def test_loss_is_the_velocity_error_of_frames_that_are_not_held() -> None:
    x0, eps = torch.randn(2, 2, 3, 4, 4), torch.randn(2, 2, 3, 4, 4)
    t = torch.tensor([[0.0, 0.5, 0.9], [0.2, 0.0, 0.0]])
    torch.testing.assert_close(Flow().loss(lambda x, t: eps - x0, x0, eps, t), torch.zeros(2, 3))
    off_by_one = Flow().loss(lambda x, t: eps - x0 + 1, x0, eps, t)
    torch.testing.assert_close(off_by_one, (t > 0).float())


def test_changes_between_free_frames_count_beside_the_frames() -> None:
    x0, eps = torch.randn(1, 2, 4, 2, 2), torch.randn(1, 2, 4, 2, 2)
    t = torch.tensor([[0.5, 0.9, 0.3, 0.0]])
    wrong = torch.tensor([1.0, 1.0, -1.0, 1.0]).reshape(1, 1, 4, 1, 1)
    # The second frame errs as the first; the third the other way, by 2; the last is held.
    each = Flow().loss(lambda x, t: eps - x0 + wrong, x0, eps, t, change=2.0)
    torch.testing.assert_close(each, torch.tensor([[1.0, 1.0, 1.0 + 2.0 * 0.5 * 2**2, 0.0]]))


def test_a_teacher_is_right_of_those_that_are_taught_and_the_data_of_the_others() -> None:
    x0, eps, t = torch.randn(2, 3, 2, 1, 1), torch.randn(2, 3, 2, 1, 1), torch.tensor([[0.9, 0.9], [0.4, 0.0]])
    flow = Flow(torch.tensor([2.0, 1.0, 0.5]))

    asked = []

    def teacher(x: Tensor, t: Tensor) -> Tensor:
        asked.append(len(x))
        return torch.tanh(x)

    as_taught = flow.loss(teacher, x0, eps, t, teacher=teacher, taught=torch.tensor([True, False]))
    assert asked == [1, 2]  # the teacher of one, the pupil of both
    assert as_taught[0].eq(0).all() and as_taught[1, 0] > 0
    assert torch.equal(as_taught[1], flow.loss(teacher, x0, eps, t)[1])
    assert flow.loss(teacher, x0, eps, t, teacher=teacher).eq(0).all()


def test_held_frames_come_back_byte_for_byte_and_are_seen_clean() -> None:
    noise, values = torch.randn(1, 2, 4, 3, 3), torch.randn(1, 2, 4, 3, 3)
    mask = torch.tensor([True, False, False, True])
    seen: list[tuple[Tensor, Tensor]] = []

    def network(x: Tensor, t: Tensor) -> Tensor:
        seen.append((x, t))
        return torch.randn_like(x)

    out = sample(Flow(), network, noise, 3, held=(mask, values))
    assert torch.equal(out[:, :, mask], values[:, :, mask])
    assert not torch.equal(out[:, :, ~mask], noise[:, :, ~mask])
    for x, t in seen:
        assert torch.equal(x[:, :, mask], values[:, :, mask])
        assert (t[:, mask] == 0).all() and (t[:, ~mask] > 0).all()


def line_of(x: Tensor) -> Tensor:
    """[1, C, S, 1, 1] on the straight line through its steps."""
    when = np.arange(x.shape[2])
    rows = [np.polyval(np.polyfit(when, row, 1), when) for row in x[0, :, :, 0, 0].double().numpy()]
    return torch.tensor(np.array(rows)).float()[None, :, :, None, None]


def test_a_settled_flow_leads_to_one_line_a_shot_as_long_as_steps_are_nearly_noise() -> None:
    x, answers = torch.randn(2, 1, 2, 9, 1, 1, generator=torch.Generator().manual_seed(4))
    shot = torch.tensor([[0, 0, 0, 0, 0, 0, 1, 1, 2]])

    def network(x: Tensor, t: Tensor) -> Tensor:
        return (x - answers) / t[:, None, :, None, None].clamp_min(1e-6)

    answers[:, :, 1] = x[:, :, 1]  # held: it counts as it is
    lines = torch.cat((line_of(answers[:, :, :6]), answers[:, :, 6:]), 2)  # two steps are a line, and one is
    torch.testing.assert_close(shot_lines(answers, shot), lines, atol=1e-5, rtol=1e-5)
    free, settled, t = Flow(), SettledFlow(None, shot, 0.75), torch.full((1, 9), 0.9)
    t[0, 1] = 0.0
    heading, held = x - t[:, None, :, None, None] * settled.velocity(network, x, t), t[0] == 0
    torch.testing.assert_close(heading[:, :, ~held], lines[:, :, ~held], atol=1e-5, rtol=1e-5)
    assert torch.equal(settled.velocity(network, x, t)[:, :, held], free.velocity(network, x, t)[:, :, held])
    late = torch.full((1, 9), 0.75)
    assert torch.equal(settled.velocity(network, x, late), free.velocity(network, x, late))


def test_step_callback_counts_and_may_stop() -> None:
    calls: list[tuple[int, int]] = []
    sample(Flow(), lambda x, t: x, torch.zeros(1, 1, 1), 3, on_step=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sample(Flow(), lambda x, t: x, torch.zeros(1, 1, 1), 3, on_step=stop)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_times_fall_from_one_to_zero(shift: float) -> None:
    grid = times(8, shift)
    assert (grid[0], grid[-1], len(grid)) == (1.0, 0.0, 9)
    assert all(a > b for a, b in itertools.pairwise(grid))


def test_shift_spends_more_steps_near_the_noise() -> None:
    assert times(4) == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert times(4, 3.0)[2] == pytest.approx(0.75)  # 3/2 / (1 + 2/2)
