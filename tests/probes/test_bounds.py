"""The PAC-Bayes bound by hand, norms by numpy, margins by sorting, and where a run began."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from directories import Stopped, stop_after
from problems import network, parameters, smooth_network, source
from quadratics import Point, bowl
from scipy.stats import binom, norm
from states import state

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.data import Samples, TrainingSet
from fbgd.engine.blocks import BlockOrder, BlockSource
from fbgd.errors import ConfigError
from fbgd.probes import Norms, PacBayes
from fbgd.probes.pac_bayes import largest_expectation
from fbgd.runs.attempt import execute

RUN = ["data.source.train=40", "data.source.test=20", "model=mlp", "model.width=4", "regime.block_size=10",
       "budget.passes=3", "impl.threads=1", "impl.blocks_per_call=1", "probe=[norms]"]  # fmt: skip


def test_a_classifier_that_is_always_right_takes_the_largest_noise():
    """Its training error is 0 with any noise, so the smallest root is the bound."""
    looked = bowl([1.0, 2.0], [3.0, 4.0], count=50, initial=[torch.zeros(2).double()])
    columns = PacBayes(smallest=0.1, largest=2.0, sizes=4, samples=3, confidence=0.05)(looked)
    root = math.sqrt((25 / (2 * 2.0**2) + math.log(2 * 4 * math.sqrt(50) / 0.05)) / 100)
    assert columns["bound"] == pytest.approx(root, rel=1e-12)
    assert columns["deviation"] == pytest.approx(2.0)
    assert columns["error"] == columns["standard_error"] == 0
    # No draw of three was wrong, which an error of p does with probability (1 - p)^3.
    assert columns["certified"] == pytest.approx(1 - (0.05 / (2 * 4)) ** (1 / 3) + root, rel=1e-9)
    assert columns["tolerated"] == pytest.approx(2.0)
    assert columns["reach"] == pytest.approx(5 / 2)
    assert looked.cost.evaluations == 50 * (1 + 4 * 3)


def sign(at, count):
    """The state of one number on samples that are right where it is positive."""

    def objective(params, inputs, targets, key):
        loss = params[0].sum()
        return loss, (loss.detach(), (params[0] > 0).sum().double() * len(inputs))

    data = TrainingSet(Samples(torch.zeros(count, 1, dtype=torch.float64), torch.zeros(count, dtype=torch.int64)))
    blocks = BlockSource(data, BlockOrder(count, count, 1, "fixed", 0))
    return state(Point([at]), blocks, objective=objective, initial=[torch.zeros(1).double()])


def test_the_rise_of_a_bowl_is_half_the_trace_times_the_variance():
    looked = bowl([1.0, 2.0], [0.0, 0.0], initial=[torch.zeros(2).double()])
    columns = PacBayes(smallest=0.5, largest=0.5, sizes=1, samples=4000)(looked)
    assert columns["rise"] == pytest.approx(0.5**2 * 3 / 2, rel=0.05)


def test_the_bound_is_the_smallest_of_the_grid():
    """Each size alone, the union's price added by hand."""
    model, blocks = smooth_network(), source()
    start = [torch.zeros_like(param) for param in parameters(model)]
    looked = state(model, blocks, initial=start)
    together = PacBayes(smallest=0.01, largest=1.0, sizes=3, samples=4)(looked)
    squared, alone = sum(float(param.square().sum()) for param in parameters(model)), []
    for size in (0.01, 0.1, 1.0):
        own = PacBayes(smallest=size, largest=size, sizes=1, samples=4)(looked)
        alone.append(own["error"] + math.sqrt((squared / 2 / size**2 + math.log(6 * math.sqrt(23) / 0.05)) / 46))
    assert together["bound"] == pytest.approx(min(alone), rel=1e-9)


def test_the_error_of_the_draws_is_that_of_independent_coins():
    """A sign that noise turns: every draw is wrong of all samples or of none, with probability Phi(-1)."""
    looked = sign(1.0, count=1000)
    columns = PacBayes(smallest=1.0, largest=1.0, sizes=1, samples=400)(looked)
    chance = norm.cdf(-1.0)
    assert columns["error"] == pytest.approx(chance, abs=3 * math.sqrt(chance * (1 - chance) / 400))
    error = columns["error"]
    assert columns["standard_error"] == pytest.approx(math.sqrt(error * (1 - error) / 399), rel=1e-9)
    root = columns["bound"] - error
    assert chance + root < columns["certified"] < chance + root + 0.15
    # All of the divergence that the draws leave open, and no more.
    upper = columns["certified"] - root
    divergence = error * math.log(error / upper) + (1 - error) * math.log((1 - error) / (1 - upper))
    assert divergence == pytest.approx(math.log(2 / 0.05) / 400, rel=1e-6)
    assert math.isnan(PacBayes(sizes=1, samples=1)(looked)["standard_error"])


@pytest.mark.parametrize("chance", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("draws", [6, 50])
def test_the_largest_expectation_is_exceeded_as_rarely_as_promised(chance, draws):
    """The exact probability that a binomial mean excludes its own expectation."""
    promised = 0.05
    missed = sum(
        binom.pmf(hits, draws, chance)
        for hits in range(draws + 1)
        if largest_expectation(hits / draws, math.log(1 / promised) / draws) < chance
    )
    assert missed <= promised
    assert largest_expectation(1.0, 0.1) == pytest.approx(1)


def test_norms_and_margins_by_numpy():
    model, blocks = network("mlp"), source()
    params = parameters(model)
    start = [param + 1 for param in params]
    columns = Norms(quantile=0.25)(state(model, blocks, initial=start))
    count = sum(param.numel() for param in params)
    flat = np.concatenate([param.numpy().ravel() for param in params])
    assert columns["l2"] == pytest.approx(np.sqrt((flat**2).sum()), rel=1e-12)
    assert columns["distance"] == pytest.approx(math.sqrt(count), rel=1e-12)
    product = math.prod(np.linalg.svd(param.numpy())[1][0] for param in params if param.dim() > 1)
    assert columns["spectral"] == pytest.approx(math.log(product), rel=1e-9)
    data = blocks.data.samples
    outputs = model(data.inputs).detach().numpy()
    found = [row[label] - np.sort(np.delete(row, label))[-1] for row, label in zip(outputs, data.targets, strict=True)]
    assert columns["margin"] == pytest.approx(np.quantile(found, 0.25), rel=1e-9)
    assert columns["normalised_margin"] == pytest.approx(np.quantile(found, 0.25) / product, rel=1e-9)


def test_a_state_without_its_start_is_refused():
    for probe in (Norms(), PacBayes(sizes=1, samples=1)):
        with pytest.raises(ConfigError, match="before the first step"):
            probe(state(smooth_network(), source()))


def test_a_run_knows_where_it_began_after_a_resume_too(tmp_path):
    config = compose([*RUN, "impl.checkpoint_seconds=0"])
    with pytest.raises(Stopped):
        execute(config, tmp_path, stop_after(2))
    execute(config, tmp_path)
    rows = pd.read_csv(tmp_path / "metrics.csv")
    began = parameters(build(config).experiment.model)
    ended = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"].values()
    distance = sum(float((new.double() - old.double()).square().sum()) for new, old in zip(ended, began, strict=True))
    assert rows["norms/distance"].iloc[-1] == pytest.approx(math.sqrt(distance), rel=1e-6)
    assert rows["norms/distance"].is_monotonic_increasing
