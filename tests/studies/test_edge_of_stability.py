"""The edge of stability: ratios and trajectories in closed form on quadratics, verdicts on tables made by hand."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from fbgd.config.compose import compose
from fbgd.report.claims import judge
from fbgd.report.evidence import Evidence
from fbgd.studies.edge_of_stability import flow, sharpness
from fbgd.studies.edge_of_stability.measure import settle
from fbgd.studies.edge_of_stability.settings import (
    CLIP,
    METHODS,
    PRESETS,
    of_batches,
    of_clipped,
    of_penalised,
    penalised_edge,
)
from fbgd.studies.edge_of_stability.trajectories import Landscape, follow, landscape, runge_kutta
from regularizers import GradientPenalty


def looks(method="GD", rate=0.5, seed=0, ratios=(0.5, 0.9, 1.1, 1.0, 1.2, 1.0), plain=None):
    """The table of one run, a look every 10 passes."""
    return pd.DataFrame(
        {"figure": "sharpness", "method": method, "rate": rate, "seed": seed, "passes": 10 * np.arange(len(ratios)),
         "sharpness": 2 / rate, "threshold": 2 / rate, "plain": ratios if plain is None else plain, "ratio": ratios,
         "loss": 0.1}
    )  # fmt: skip


def test_a_run_settles_in_the_later_half_of_the_time_since_it_reached_its_edge():
    (row,) = settle(looks()).to_dict("records")
    assert row["reached"] == 20
    assert row["since"] == pytest.approx((1.1 + 1.0 + 1.2 + 1.0) / 4)
    assert row["settled"] == pytest.approx(1.1)
    assert row["highest"] == 1.2


def test_one_that_never_reaches_it_is_judged_by_its_later_half():
    (row,) = settle(looks(ratios=(0.1, 0.3, 0.5, 0.6, 0.7, 0.8))).to_dict("records")
    assert math.isnan(row["reached"])
    assert row["since"] == row["settled"] == pytest.approx(0.7)


@pytest.mark.parametrize("strength", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("ratio", [0.99, 1.01])
def test_penalised_descent_itself_is_stable_up_to_its_edge(strength, ratio):
    """The penalty's own code, on a parabola."""
    lr, penalty = 0.3, GradientPenalty(strength, method="exact")
    curvature, at = ratio * penalised_edge(strength) / lr, [torch.ones(1, dtype=torch.float64)]

    def gradient_of(params):
        return [curvature * params[0]]

    for _ in range(300):
        plain = gradient_of(at)
        at = [at[0] - lr * (plain[0] + penalty.gradient(gradient_of, at, plain, lr)[0])]
    assert (float(at[0].abs()) > 1) == (ratio > 1)


def test_ratios_at_the_edge_are_one():
    strength = penalised_edge(1.0)
    rows = pd.DataFrame(
        {"preconditioned/ratio": [strength / 2, 1.5, 0.5], "gradient_sharpness/gradient_norm": [1.0, 1.5 * CLIP, 1e-9],
         "batch_sharpness/batch_sharpness": [4.0, 8.0, 2.0], "learning_rate": [0.5, 0.25, 1.0]}
    )  # fmt: skip
    assert of_penalised(rows)[0] == pytest.approx(1)
    # A gradient 1.5 times the threshold leaves 2 / 3 of the rate; a short one all of it.
    assert of_clipped(rows).tolist()[1:] == pytest.approx([1.0, 0.5])
    assert of_batches(rows).tolist() == [1, 1, 1]


def verdicts(study, table):
    """The verdicts of a study's claims on a table, by claim and case."""
    evidence = Evidence(study.describe("", None, [], []), measurements=table)
    return {(finding.claim, finding.case): finding.verdict for finding in judge(study.claims, evidence)}


def runs(method, level, plain=None, rates=(0.2, 0.5), seeds=5):
    """Runs that sit at ``level`` times their edge, with a thousandth of spread."""
    return [
        looks(method, rate, seed, [0.5, *[level + 1e-3 * (seed - 2)] * 6], None if plain is None else [plain] * 7)
        for rate in rates
        for seed in range(seeds)
    ]


def test_verdicts_follow_where_runs_sit():
    table = pd.concat(
        [*runs("GD", 1.03), *runs("Adam", 1.08), *runs("RMSprop", 1.2), *runs("clipped GD", 1.0, 3.0),
         *runs("penalised GD", 1.0, 0.6), *runs("GD, cross-entropy", 0.7)]
    )  # fmt: skip
    found = verdicts(sharpness.STUDY, table)
    assert found["GD settles at its edge", "GD"] == "supported"
    assert found["others settle at theirs", "Adam"] == "supported"
    assert found["others settle at theirs", "RMSprop"] == "opposite"
    assert found["others at every rate", "RMSprop, rate 0.2"] == "opposite"
    assert found["clipping moves the edge", ""] == found["the penalty keeps it lower", ""] == "supported"
    assert found["cross-entropy gets there", ""] == "opposite"
    assert found["cross-entropy does not stay", ""] == "supported"
    assert ("SAM keeps it lower", "") not in found
    assert verdicts(sharpness.STUDY, pd.concat(runs("GD", 1.07)))["GD settles at its edge", "GD"] == "opposite"


def test_every_method_has_rates_of_its_own_and_is_measured():
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    for preset in PRESETS.values():
        assert {rung.labels["method"] for rung in preset.rungs()} == set(names)


def quadratic(curvatures, start):
    """The landscape of a parabola in several directions."""
    diagonal, place = (torch.tensor(values, dtype=torch.float64) for values in (curvatures, start))
    return Landscape(place, lambda at: diagonal * at, lambda at: max(curvatures))


def test_descent_and_flow_of_a_quadratic_are_those_in_closed_form():
    curvatures, start = [3.0, 0.5], [1.0, -2.0]
    table = follow(quadratic(curvatures, start), (0.25, 0.5), time=4, looks=8)
    for row in table.to_dict("records"):
        steps = round(row["time"] / row["rate"])
        at = [place * (1 - row["rate"] * own) ** steps for own, place in zip(curvatures, start, strict=True)]
        flowed = [place * math.exp(-own * row["time"]) for own, place in zip(curvatures, start, strict=True)]
        assert row["distance"] == pytest.approx(math.dist(at, flowed), abs=2e-3)
        assert row["travelled"] == pytest.approx(math.dist(start, flowed), abs=2e-3)
    with pytest.raises(ValueError, match=r"0\.3 does not divide 0\.5"):
        follow(quadratic(curvatures, start), (0.3,), time=4, looks=8)


@pytest.mark.parametrize("steps", [4, 8, 16])
def test_the_flow_is_of_fourth_order(steps):
    """Half the step, a sixteenth of the error."""
    errors = [
        abs(float(runge_kutta(lambda at: at, torch.ones(1, dtype=torch.float64), 2.0, count)) - math.exp(-2))
        for count in (steps, 2 * steps)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.4)


def test_the_landscape_of_a_network_is_that_of_its_objective():
    """The sharpness against the dense derivative of its gradient by central differences."""
    words = (*flow.quick(flow.PRESETS["mnist1d"], "mnist1d").all_words, "data.source.train=40", "data.source.test=40")
    place = landscape(compose(words))
    size, step = len(place.start), 1e-5
    basis = torch.eye(size, dtype=torch.float64)
    rows = [
        (place.gradient(place.start + step * own) - place.gradient(place.start - step * own)) / (2 * step)
        for own in basis
    ]
    exact = float(torch.linalg.eigvalsh(torch.stack(rows))[-1])
    assert place.sharpness(place.start) == pytest.approx(exact, rel=1e-3)


def trajectory(rate, seed, distances, sharpness=(1, 1, 5, 5, 5, 5)):
    """A trajectory with looks at times 0 to 5 whose flow has come a way of 10 times the time."""
    time = np.arange(6.0)
    return pd.DataFrame(
        {"rate": rate, "seed": seed, "time": time, "sharpness": sharpness, "flow_sharpness": 3.0,
         "distance": distances, "travelled": 10 * time}
    )  # fmt: skip


def test_crossings_and_their_verdicts():
    leaves = [trajectory(0.5, seed, [0, 0.1, 0.2 + seed / 100, 2, 8 + seed, 20]) for seed in range(5)]
    (first, *_) = flow.crossings(pd.concat(leaves)).to_dict("records")
    assert (first["time"], first["at"], first["later"]) == (2, pytest.approx(0.01), pytest.approx(0.2))
    assert first["doublings"] == pytest.approx(math.log2(40))
    found = verdicts(flow.STUDY, pd.concat(leaves))
    assert [found[claim.name, "rate 0.5"] for claim in flow.STUDY.claims] == ["supported", "supported", "opposite"]
    assert first["left"] == 3
    steady = [trajectory(0.5, seed, np.arange(6) * (3 + seed / 9)) for seed in range(5)]
    found = verdicts(flow.STUDY, pd.concat(steady))
    assert found["beside the flow until the edge", "rate 0.5"] == "opposite"
    assert found["it leaves beyond the edge", "rate 0.5"] != "supported"
    # One that begins at its edge, and one that never comes there.
    others = [trajectory(0.5, 0, np.ones(6), [5] * 6), trajectory(0.1, 0, np.ones(6))]
    assert not len(flow.crossings(pd.concat(others)))
