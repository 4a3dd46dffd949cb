"""The critical batch size: a regression whose noise scale is constant and known, and verdicts on tables by hand."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from fbgd.config.compose import compose
from fbgd.report.claims import judge
from fbgd.report.evidence import Evidence
from fbgd.studies.command import main
from fbgd.studies.critical_batch.claims import fits
from fbgd.studies.critical_batch.descent import (
    Copies,
    Problem,
    best_is_known,
    noise_scales,
    problem_of,
    steps_to,
)
from fbgd.studies.critical_batch.measures import NOISE, STEPS, choose_rate, noise_table, steps_table
from fbgd.studies.critical_batch.study import PRESETS, STUDY, quick

DIMENSIONS, SAMPLES = 7, 20_000


def regression():
    """Half the squared error of a linear model without noise, on normal inputs.

    With x standard normal in D dimensions and the solution 0, the gradient of a sample is x (x . w): its mean is w, and
    the trace of its covariance (D + 1) |w|^2, so the noise scale is D + 1 everywhere. The mean square of w is
    multiplied by 1 - 2 r + r^2 (1 + (D + 1) / B) in a step with rate r.
    """
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(SAMPLES, DIMENSIONS, generator=draw)

    def start(seed):
        weights = torch.randn(DIMENSIONS, generator=torch.Generator().manual_seed(seed))
        return [3 * weights / weights.norm()]

    return Problem(inputs, torch.zeros(SAMPLES), lambda params, x, y: (x @ params[0] - y).square().mean() / 2, start)


def test_the_noise_scale_of_a_regression_is_its_dimension_plus_one():
    copies = Copies(regression(), range(3), [0.1], 4)
    for scale in noise_scales(copies, 20):
        assert scale["squared_gradient"] == pytest.approx(9, rel=0.05)
        assert scale["trace"] == pytest.approx(9 * (DIMENSIONS + 1), rel=0.1)
        assert scale["noise_scale"] == pytest.approx(DIMENSIONS + 1, rel=0.1)


@pytest.mark.parametrize(("size", "rate"), [(2, 0.1), (16, 0.3)])
def test_steps_to_a_target_are_those_in_closed_form(size, rate):
    """The loss is half the mean square of the weights, which falls by the same factor in every step."""
    factor = 1 - 2 * rate + rate**2 * (1 + (DIMENSIONS + 1) / size)
    steps = math.log(1e-4) / math.log(factor)
    copies = Copies(regression(), range(40), [rate], size)
    (found,) = steps_to(copies, 4.5e-4, 1000, lambda steps, step: bool(steps.isfinite().all()))
    # A product of random factors is smaller than its mean would be at nearly every draw.
    assert 0.7 * steps < float(found.mean()) <= 1.1 * steps


def test_a_rate_is_chosen_by_its_steps_and_none_where_none_gets_there():
    problem = regression()
    assert choose_rate(problem, range(5), [0.02, 0.1, 1.5], 2, 4.5e-2, 400) == 0.1
    assert choose_rate(problem, range(2), [1e-6, 1e-5], 2, 4.5e-2, 20) is None
    table = steps_table(problem, range(3), range(5, 7), (2, 32), (0.05, 0.15, 0.6), 4.5e-2, 200)
    means = table.groupby("size")["steps"].mean()
    assert means[2] > 2 * means[32]
    assert set(table["seed"]) == {0, 1, 2}
    noise = noise_table(problem, table, looks=3, block=20)
    assert noise["noise_scale"].tolist() == pytest.approx([DIMENSIONS + 1] * len(noise), rel=0.15)
    assert noise.groupby("seed")["share"].agg(["min", "max"]).to_numpy().tolist() == [[0, 1]] * 3
    # Every seed is looked at until its own end, not the fastest one's.
    ends = table[table["size"] == 32].set_index("seed")["steps"]
    assert ends.nunique() > 1
    assert noise.groupby("seed")["step"].max().tolist() == (ends - 1).tolist()
    assert not len(noise_table(problem, table.head(0), looks=3, block=20))


def test_the_search_stops_when_nothing_slower_can_win():
    waiting = math.inf
    # At step 5 a rate with one seed on its way can still have the mean 3 of 1 and 5, which is below 4.
    assert not best_is_known(torch.tensor([[4.0, 4.0], [1.0, waiting]]), 5)
    assert best_is_known(torch.tensor([[4.0, 4.0], [1.0, waiting]]), 8)
    assert not best_is_known(torch.full((2, 2), waiting), 100)


def test_copies_of_a_network_descend_as_alone():
    preset = quick(PRESETS["mnist1d"], "mnist1d")
    problem = problem_of(list(preset.words), compose)
    together, alone = Copies(problem, [0, 1], [0.1, 0.4], 8), Copies(problem, [1], [0.4], 8)
    for _ in range(3):
        together.step()
        alone.step()
    for many, one in zip(together.params, alone.params, strict=True):
        assert torch.allclose(many[3], one[0], rtol=1e-5, atol=1e-7)
        assert not torch.allclose(many[1], many[3])
    (loss,) = alone.losses(alone.params, problem.inputs, problem.targets)
    assert alone.reached(float(loss) + 1e-3).tolist() == [[True]]
    assert alone.reached(float(loss) - 1e-3).tolist() == [[False]]


def table(critical, predicted, growth=2.0, blur=0.0, seeds=5):
    """Measurements of a study whose seeds have this critical batch size, to a percent, and this noise scale."""
    sizes, parts = np.array([4.0, 16.0, 64.0, 256.0]), []
    for seed in range(seeds):
        lift = 1 + 0.01 * (seed - seeds // 2)
        steps = 50 * (1 + critical * lift / sizes) * np.exp(blur * np.array([1, -1, 1, -1]))
        parts.append(pd.DataFrame({"kind": STEPS, "size": sizes, "rate": 0.1, "seed": seed, "steps": steps}))
        scales = np.linspace(2 / (1 + growth), 2 * growth / (1 + growth), 5) * predicted * lift**2
        parts.append(pd.DataFrame({"kind": NOISE, "seed": seed, "share": np.arange(5) / 5, "noise_scale": scales}))
    return pd.concat(parts, ignore_index=True)


def test_fits_and_verdicts():
    rows = fits(table(40, 30, growth=3.0))
    assert rows["critical"].mean() == pytest.approx(40, rel=1e-3)
    assert rows["least"].tolist() == pytest.approx([50] * 5, rel=1e-4)
    assert rows["predicted"].mean() == pytest.approx(30, rel=1e-3)
    assert rows["growth"].tolist() == pytest.approx([math.log(3)] * 5)

    def verdicts(measurements):
        evidence = Evidence(STUDY.describe("", None, [], []), measurements=measurements)
        return [finding.verdict for finding in judge(STUDY.claims, evidence)]

    # The growth is the same for every seed, so it has no interval that is wider than itself.
    assert verdicts(table(40, 30))[:2] == ["supported", "supported"]
    assert verdicts(table(40, 200))[0] == "opposite"
    assert verdicts(table(40, 30, blur=0.3))[1] == "opposite"
    # The scatter of single seeds is not the curve's.
    noisy = table(40, 30, seeds=20)
    steps = noisy["kind"] == STEPS
    scatter = np.exp(0.2 * np.random.default_rng(0).standard_normal(steps.sum()))
    noisy.loc[steps, "steps"] *= scatter
    assert fits(noisy)["residual"].mean() > 0.1
    assert verdicts(noisy)[1] == "supported"
    part = table(40, 30)
    assert len(fits(part[~((part["seed"] == 2) & (part["size"] == 4))])) == 4


def test_blocks_that_do_not_divide_the_training_set_are_refused(tmp_path, capsys):
    words = ["--quick", "data.source.train=190", "--out", str(tmp_path)]
    assert main(STUDY, words) == 2
    assert "190 training samples are no multiple of 20" in capsys.readouterr().err
