"""Saddles: closed forms against torch.optim and simulations, the chain's derivatives, runs at equal loss."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fbgd.engine.blocks import BlockOrder
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.seeds import generator
from fbgd.studies.saddles import octopus
from fbgd.studies.saddles.chain import Chain
from fbgd.studies.saddles.equal_loss import at_equal_loss, steps_to
from fbgd.studies.saddles.methods import DESCENT, Perturbation, ball, block_noise, follow
from fbgd.studies.saddles.network import STUDY, end_ratio, measure
from fbgd.studies.saddles.octopus import MOMENTUM
from fbgd.studies.saddles.recursions import descent_steps, heavy_ball, nesterov, noisy_steps, perturbed_steps

H, GAMMA, MU, DELTA = 0.1, 0.7, 0.9, 1e-5


def steps_of_torch(**options):
    """Steps of torch.optim.SGD on -gamma y^2 / 2 from DELTA to 1."""
    place = torch.nn.Parameter(torch.tensor(DELTA, dtype=torch.float64))
    optimizer, steps = torch.optim.SGD([place], lr=H, **options), 0
    while abs(place.item()) < 1:
        place.grad = -GAMMA * place.detach()
        optimizer.step()
        steps += 1
    return steps


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        (descent_steps(H, GAMMA, DELTA), {}),
        (heavy_ball(H, GAMMA, MU).steps(DELTA), {"momentum": MU}),
        (nesterov(H, GAMMA, MU).steps(DELTA), {"momentum": MU, "nesterov": True}),
    ],
    ids=["descent", "heavy ball", "Nesterov"],
)
def test_closed_forms_are_the_steps_of_torch(expected, options):
    assert math.ceil(expected) == steps_of_torch(**options)
    starts = torch.tensor([[1.0, DELTA]], dtype=torch.float64)
    slopes = torch.tensor([1.0, -GAMMA], dtype=torch.float64)
    own = follow(lambda points: slopes * points, starts, lambda points: points[:, 1].abs() >= 1, 1000, lr=H, **options)
    assert own.tolist() == [math.ceil(expected)]


def test_roots_are_those_of_the_characteristic_polynomial():
    for form, p, q in (
        (heavy_ball, 1 + MU + H * GAMMA, MU),
        (nesterov, (1 + MU) * (1 + H * GAMMA), MU * (1 + H * GAMMA)),
    ):
        assert form(H, GAMMA, MU).roots == pytest.approx(sorted(np.roots([1, -p, q]), reverse=True))


def test_noisy_steps_are_those_of_many_simulated_paths():
    draw = np.random.default_rng(0)
    places, steps = np.full(4000, DELTA), np.zeros(4000)
    while (inside := np.abs(places) < 1).any():
        steps += inside
        moved = places + H * (GAMMA * places + 0.05 * draw.standard_normal(4000))
        places = np.where(inside, moved, places)
    assert noisy_steps(H, GAMMA, DELTA, 0.05) == pytest.approx(steps.mean(), rel=0.03)
    assert noisy_steps(H, GAMMA, DELTA, 0.0) == math.ceil(descent_steps(H, GAMMA, DELTA))


def test_perturbed_steps_are_the_mean_over_the_disc():
    """After x = 0.9^t is at most the threshold: the same by a million points of the disc."""
    radius, threshold, distance = 0.02, 0.1, 1e-9
    points = ball(200_000, 2, torch.Generator().manual_seed(0))[:, 1].numpy()
    start = math.ceil(math.log(threshold) / math.log(1 - H))
    places = np.abs(distance * (1 + H * GAMMA) ** start + radius * points)
    naive = start + np.ceil(np.log(1 / places) / np.log(1 + H * GAMMA)).mean()
    assert perturbed_steps(H, GAMMA, distance, radius, threshold) == pytest.approx(naive, rel=0.01)
    # One that is away before its gradient is small is never perturbed.
    assert perturbed_steps(H, GAMMA, 0.9, radius, 1e-9) == math.ceil(descent_steps(H, GAMMA, 0.9))


def test_points_of_the_ball_are_uniform():
    points = ball(4000, 3, torch.Generator().manual_seed(1))
    volumes = points.norm(dim=1).numpy() ** 3
    assert stats.kstest(volumes, "uniform").pvalue > 0.01
    assert points.mean(0).abs().max() < 0.05


def test_perturbations_wait_for_small_gradients_and_for_each_other():
    perturb = Perturbation(radius=0.5, threshold=1.0, pause=3)
    points, last = torch.zeros(2, 2, dtype=torch.float64), torch.full((2,), -100)
    gradients = torch.tensor([[0.5, 0.0], [2.0, 0.0]], dtype=torch.float64)
    moved = []
    for step in range(7):
        before = points.clone()
        perturb(points, gradients, last, step, torch.Generator().manual_seed(step))
        moved.append((points != before).any(1).tolist())
    assert [first for first, _ in moved] == [True, False, False, True, False, False, True]
    assert not any(second for _, second in moved)


def test_noise_of_blocks_is_that_of_their_samples():
    shifts = torch.randn(12, 2, dtype=torch.float64)
    order = BlockOrder(12, 4, 1, "reshuffle", seed=3)
    noise = block_noise(shifts - shifts.mean(0), order)
    steps = torch.stack([next(noise) for _ in range(6)])
    assert steps[:3].mean(0).abs().max() < 1e-12
    expected = (shifts - shifts.mean(0))[order.blocks(1)[2]].mean(0)
    torch.testing.assert_close(steps[5], expected)


CHAIN = Chain(across=1.3, along=0.8, length=0.9)


def test_the_chain_has_a_saddle_a_dimension_and_a_minimum():
    """At 0, 1, ... places that have moved on: no slope, and one direction down but for the minimum."""
    for behind in range(4):
        point = torch.tensor([3.6] * behind + [0.0] * (3 - behind), dtype=torch.float64)
        assert CHAIN.gradient(point[None]).abs().max() < 1e-12
        # The derivative of abs() at 0 is 0: a little beside it the curvature is that of the squares.
        beside = point + 1e-9
        hessian = torch.autograd.functional.hessian(lambda place: CHAIN.value(place[None]).sum(), beside)
        values = sorted(torch.linalg.eigvalsh(hessian).tolist())
        assert values == pytest.approx([-1.6] * (behind < 3) + [2.6] * (2 if behind < 3 else 3))


def test_the_chain_is_smooth_where_its_pieces_meet():
    """Value and slope agree on both sides of x = tau and of x = 2 tau, inside the tube."""
    for place in (0.9, 1.8):
        sides = torch.tensor([[place - 1e-7, 0.05, 0.01], [place + 1e-7, 0.05, 0.01]], dtype=torch.float64)
        values, gradients = CHAIN.value(sides), CHAIN.gradient(sides)
        assert float(values.diff().abs()) < 1e-5
        assert float(gradients.diff(dim=0).abs().max()) < 1e-5


@pytest.mark.parametrize("method", [DESCENT, *MOMENTUM])
def test_waits_grow_as_simulated_recursions_say(method):
    """Growth along and decay across by repeated steps of torch.optim.SGD on one quadratic each; no formula of roots."""

    def rate_of(curvature, steps):
        place = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        optimizer = torch.optim.SGD([place], lr=octopus.RATE, **MOMENTUM.get(method, {}))
        sizes = []
        for _ in range(steps):
            place.grad = curvature * place.detach()
            optimizer.step()
            sizes.append(abs(place.item()))
        return sizes

    along, across = rate_of(-2.0, 60), rate_of(2.0, 300)
    growth = along[-1] / along[-2]
    # The roots across are complex: the envelope decays, so its highest points of two stretches are compared.
    kept = (max(across[200:300]) / max(across[100:200])) ** (1 / 100)
    assert octopus.factor(method) == pytest.approx(1 + math.log(1 / kept) / math.log(growth), rel=0.02)


def test_every_method_begins_at_the_same_points_and_stays_with_what_is_behind():
    """Momentum overshoots, but nothing comes back, and ahead the tube is never left."""
    for options in MOMENTUM.values():
        draw = [torch.rand(4, generator=generator(seed, "start"), dtype=torch.float64) for seed in range(8)]
        points = torch.nn.Parameter(octopus.CUBE * (2 * torch.stack(draw) - 1))
        optimizer, behind = torch.optim.SGD([points], lr=octopus.RATE, **options), torch.zeros(8, 4, dtype=torch.bool)
        for _ in range(400):
            points.grad = octopus.CHAIN.gradient(points)
            optimizer.step()
            now = octopus.CHAIN.behind(points)
            assert not (behind & ~now).any()
            ahead = (torch.arange(4) > now.sum(1, keepdim=True)) * points.detach().abs()
            assert float(ahead.max()) < octopus.CHAIN.length
            behind = now
        assert behind.all()


def test_noise_of_the_chain_has_its_size_and_differs_by_seed():
    noise = octopus.noise_of(3, 2)
    drawn = torch.stack([next(noise) for _ in range(4000)])
    expected = octopus.SHIFT / math.sqrt(octopus.BLOCK)
    torch.testing.assert_close(drawn.std(0), torch.full((3, 2), expected, dtype=torch.float64), rtol=0.05, atol=0)
    assert abs(float((drawn[:, 0, 0] * drawn[:, 1, 0]).mean())) < 0.1 * expected**2


def test_the_last_wait_is_compared_with_so_many_times_the_one_before():
    factor = octopus.factor(DESCENT)
    waits = [10.0, 10 * factor, 10 * factor**2 * 1.5]
    rows = [{"method": DESCENT, "seed": seed, "saddles": 1 + place, "steps": (1 + seed) * sum(waits[: place + 1])}
            for seed in range(3) for place in range(3)]  # fmt: skip
    (found,) = octopus.last_wait(Evidence(Description("", []), measurements=pd.DataFrame(rows)))
    assert (found.case, found.value) == (DESCENT, pytest.approx(0.5))


def test_paths_stay_within_the_tube():
    """Descent passes the saddles one after another, and no later coordinate is on its way before its turn."""
    points = 0.05 * (1 + torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    chain, lows = Chain(), []
    for _ in range(400):
        behind = chain.behind(points)
        here = behind.sum(1, keepdim=True)
        ahead = (torch.arange(3) > here) * points.abs()
        assert float(ahead.max()) <= chain.length
        points = points - 0.25 * chain.gradient(points)
        lows.append(float(chain.value(points).max()))
    assert chain.at_minimum(points).all()
    torch.testing.assert_close(points, torch.full_like(points, 4.0), rtol=0, atol=1e-6)
    assert np.diff(lows).max() < 1e-9


def test_runs_are_compared_where_their_losses_are_equal():
    """Loss 2 - t and 2 - 2 t: at equal loss the second is at half of the step; a rise on the way is left out."""
    slow = pd.DataFrame({"step": [0, 1, 2], "train_loss": [2.0, 1.0, 0.0], "share": [0.5, 0.4, 0.3]})
    fast = pd.DataFrame({"step": [0, 0.5, 0.6, 1], "train_loss": [2.0, 1.0, 1.2, 0.0], "share": [0.3, 0.2, 9, 0.1]})
    assert at_equal_loss(slow, fast, "share") == pytest.approx(-0.2)
    assert steps_to(slow, fast, 0.75) == pytest.approx((1.5, 0.75))


def test_the_last_looks_are_compared_by_seed():
    """SGD ends at a half of full batch's eigenvalue with every seed; what came before does not count."""
    rows = [
        {"regime": regime, "seed": seed, "step": step, "largest": (1 + seed) * factor * step}
        for regime, factor in (("full batch", 1.0), ("SGD", 0.5))
        for seed in range(3)
        for step in (1, 2)
    ]
    table = pd.DataFrame(rows)
    full, sgd = (table[table["regime"] == name] for name in ("full batch", "SGD"))
    assert end_ratio(full[full["seed"] == 1], sgd[sgd["seed"] == 1]) == pytest.approx(math.log(0.5))
    (claim,) = (own for own in STUDY.claims if own.name == "SGD ends flatter")
    (found,) = claim.estimates(Evidence(Description("", []), measurements=table))
    assert found.value == pytest.approx(math.log(0.5))
    assert claim.later


def test_no_finished_run_measures_nothing(tmp_path):
    from fbgd.runs.plan import plan
    from fbgd.studies.saddles.network import PRESETS, quick, rungs

    assert not len(measure(plan(rungs(quick(PRESETS["mnist1d"], "mnist1d")), [], 1, tmp_path)))
