"""Escape from a minimum: a bowl whose noise is known, a double well with a barrier, verdicts on tables by hand."""

import math
from dataclasses import replace
from itertools import islice

import pandas as pd
import pytest
import torch

from fbgd.report.claims import judge
from fbgd.report.evidence import Evidence
from fbgd.seeds import generator
from fbgd.studies.command import main
from fbgd.studies.critical_batch.descent import Problem
from fbgd.studies.escape.chains import SGD, Chains, barrier, block_covariance, dense, largest, predicted_rises
from fbgd.studies.escape.study import PRESETS, STUDY, rows_of_seed

CURVATURES = torch.tensor([3.0, 0.5, 0.1])
SPREADS = torch.tensor([0.4, 0.1, 0.2])


def bowl(count=400):
    """A parabola in three directions; every sample pulls its own way, and all of them together nowhere."""
    pulls = torch.randn(count, 3, generator=torch.Generator().manual_seed(0)) * SPREADS
    pulls = pulls - pulls.mean(dim=0)

    def loss(params, inputs, targets):
        (at,) = params
        return (CURVATURES.to(at) * at**2).sum() / 2 + (inputs @ at).mean()

    return Problem(pulls, torch.zeros(count, dtype=torch.int64), loss, lambda seed: [torch.zeros(3)])


def chains_of(problem, rate=0.2):
    return Chains(problem, rate, block=4, products=3)


def test_covariance_and_hessian_of_the_bowl():
    problem = bowl()
    chains = chains_of(problem)
    found = block_covariance(chains, [torch.zeros(3)], 60, 0)
    # Without replacement, from N samples.
    exact = problem.inputs.double().T @ problem.inputs.double() / 399 / 4 * (1 - 4 / 400)
    assert torch.allclose(found, exact, rtol=0.05, atol=1e-3)
    assert torch.allclose(dense(problem, [torch.ones(3)]), torch.diag(CURVATURES.double()), atol=1e-12)


@pytest.mark.parametrize("structure", ["isotropic", "diagonal", "covariance", "leading", SGD])
def test_the_first_rise_is_that_of_a_parabola(structure):
    """Of a parabola the second order is all there is."""
    chains = chains_of(bowl())
    covariance = block_covariance(chains, [torch.zeros(3)], 40, 0)
    predicted = predicted_rises(torch.diag(CURVATURES.double()), covariance, 0.2)[structure]
    by_hand = {
        "isotropic": covariance.trace() / 3 * 3.6, "diagonal": CURVATURES.double() @ covariance.diagonal(),
        "covariance": CURVATURES.double() @ covariance.diagonal(), "leading": 3 * covariance.trace(),
    }  # fmt: skip
    assert predicted == pytest.approx(0.2**2 / 2 * float(by_hand.get(structure, by_hand["covariance"])), rel=1e-9)
    assert chains.first_rise([torch.zeros(3)], structure, 300, 1) == pytest.approx(predicted, rel=0.2)


def test_the_stationary_loss_of_the_bowl():
    """The noise of independent steps adds up to h c / (2 - h a) in a direction with curvature a and variance c."""
    chains = chains_of(bowl())
    covariance = block_covariance(chains, [torch.zeros(3)], 40, 0).diagonal()
    walk = chains.walk([torch.zeros(3)], "covariance", 2.0, generator(0, "stationary"))
    losses = [loss for _, (_, loss) in zip(range(1200), walk, strict=False)][200:]
    curvatures = CURVATURES.double()
    exact = float((curvatures * 2 * covariance * 0.2 / (curvatures * (2 - 0.2 * curvatures))).sum()) / 2
    assert sum(losses) / len(losses) == pytest.approx(exact, rel=0.2)


def double_well():
    """The loss (x^2 - 1)^2 / 4 with a barrier of a quarter between its minima, pulled by samples of either sign."""

    def loss(params, inputs, targets):
        (at,) = params
        return ((at**2 - 1) ** 2 / 4).sum() + (inputs * at).mean()

    pulls = torch.tensor([[1.0], [-1.0]]).repeat(20, 1)
    return Problem(pulls, torch.zeros(40, dtype=torch.int64), loss, lambda seed: [torch.tensor([0.5])])


def test_leaving_and_the_barrier_of_a_double_well():
    chains = Chains(double_well(), rate=0.3, block=2, products=1)
    start = chains.descend(chains.problem.start(0), 60)
    assert float(start[0]) == pytest.approx(1, abs=1e-4)
    assert barrier(chains.loss, start, [-start[0]]) == pytest.approx(0.25, abs=1e-4)
    assert barrier(chains.loss, start, [0.5 * start[0]]) == 0
    steps, at = chains.leave(start, "isotropic", 4.0, 100, 0.2, generator(0, "leave"))
    assert 1 <= steps < 100
    *_, (before, _) = islice(chains.walk(start, "isotropic", 4.0, generator(0, "leave")), int(steps))
    assert chains.loss(before) > chains.loss(start) + 0.2
    *_, (end, _) = islice(chains.walk(start, "isotropic", 4.0, generator(0, "leave")), 100)
    assert torch.equal(at[0], end[0])
    steps, at = chains.leave(start, "isotropic", 0.0, 30, 0.2, generator(0, "leave"))
    assert steps == math.inf
    assert torch.allclose(at[0], start[0], atol=1e-4)


def test_a_chain_that_blows_up_has_left():
    chains = Chains(bowl(), rate=0.2, block=4, products=1)
    steps, _ = chains.leave([torch.tensor([1e30, 0.0, 0.0])], "covariance", 1e38, 5, 0.1, generator(0, "far"))
    assert steps < 5
    assert math.isnan(largest(torch.tensor([[math.inf]])))


def test_a_seed_has_a_row_for_every_kind_of_noise():
    preset = replace(PRESETS["mnist1d"], rate=0.2, block=4, settle=20, most=10, rise=0.01, draws=4, partitions=4)
    table = pd.DataFrame(rows_of_seed(bowl(), preset, 0))
    assert len(table) == 9
    assert set(table.loc[table["trace"] == 1, "structure"]) == {"isotropic", "diagonal", "covariance", "leading", SGD}
    assert (table["steps"] <= 10).all()
    assert table["minimum"].tolist() == pytest.approx([3.0] * 9)
    assert (table["barrier"] < 1e-6).all()  # a bowl has no other basin


def table(leaves, sharpness, rise, seeds=5):
    """Measurements in which each shape leaves after so many steps, at both traces."""
    rows = [
        {"structure": name, "trace": trace, "seed": seed, "left": 1, "steps": steps * (1 + 0.01 * (seed % 3)),
         "barrier": 0.5, "sharpness": sharpness + 0.01 * seed, "reference": 2.0, "minimum": 2.0, "loss": 0.1,
         "settled_loss": 0.1, "predicted": (3 if name == "covariance" else 1) * (1 + 0.1 * seed),
         "rise": rise * (1 + 0.01 * seed) * (3 if name == "covariance" else 1) * (1 + 0.1 * seed)}
        for name, steps in leaves.items() for trace in (0.25, 1.0) for seed in range(seeds)
    ]  # fmt: skip
    for row in rows:
        row["predicted"] *= 1 + 0.001 * row["seed"] if row["structure"] == "isotropic" else 1
    return pd.DataFrame(rows)


def verdicts(measurements):
    evidence = Evidence(STUDY.describe("", None, [], []), measurements=measurements)
    return {(finding.claim, finding.case): finding.verdict for finding in judge(STUDY.claims, evidence)}


def test_verdicts():
    found = verdicts(table({"isotropic": 100, "diagonal": 80, "covariance": 10.2, SGD: 10, "leading": 5}, 1.0, 1.1))
    assert found["noise at the minimum is anisotropic", ""] == "supported"
    for name in ("sooner than isotropic", "sooner than diagonal"):
        assert found[name, "trace 0.25"] == found[name, "trace 1"] == "supported"
    assert found["the first rise", "covariance"] == "supported"
    assert found["flatter elsewhere", "covariance"] == "supported"
    found = verdicts(table({"isotropic": 10, "diagonal": 10.1, "covariance": 100, SGD: 10}, 3.0, 5.0))
    assert found["sooner than isotropic", "trace 1"] == found["flatter elsewhere", SGD] == "opposite"
    assert found["the first rise", "isotropic"] == "opposite"
    assert ("leading sooner than isotropic", "trace 1") not in found


def test_blocks_that_do_not_divide_the_training_set_are_refused(tmp_path, capsys):
    assert main(STUDY, ["--quick", "data.train_size=35", "--out", str(tmp_path)]) == 2
    assert "35 training samples are no multiple of 10" in capsys.readouterr().err
