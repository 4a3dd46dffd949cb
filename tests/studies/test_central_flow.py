"""The central flow: oracles in closed form, where an eigenvalue is a parameter, and verdicts on tables made by hand."""

import math
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch

from fbgd.config.compose import compose
from fbgd.report.claims import judge
from fbgd.report.evidence import Evidence
from fbgd.studies.edge_of_stability import central_flow
from fbgd.studies.edge_of_stability.central import (
    CurvedLandscape,
    central_step,
    curvature_slopes,
    curved_landscape,
    hold,
)
from fbgd.studies.edge_of_stability.central_paths import (
    EDGE,
    START,
    alignment,
    compare,
    crossing,
    descent,
    follow_both,
    settling,
)
from fbgd.studies.edge_of_stability.complementarity import covariance
from fbgd.studies.edge_of_stability.trajectories import runge_kutta

RATE = 0.25  # so the bound is 8
PULL, GOAL = 0.1, 9.0


def closed(function, start):
    """The landscape of a function of a vector."""
    return CurvedLandscape(
        start=torch.tensor(start, dtype=torch.float64),
        loss=lambda at: float(function(at)),
        gradient=torch.func.grad(function),
        hessian=torch.func.hessian(function),
        slopes=lambda at, vectors: curvature_slopes(function, at, vectors),
    )


def drifting(at):
    """The curvature y along x drifts upwards with the speed 0.3: ``y x^2 / 2 - 0.3 y``."""
    return at[1] * at[0] ** 2 / 2 - 0.3 * at[1]


def pulled(at):
    """The curvature y along x is pulled to 9: ``y x^2 / 2 + 0.1 (y - 9)^2 / 2``.

    With the rate 0.25 descent has a cycle of two steps at y = 8, x^2 = 2 * 0.1 (9 - 8).
    """
    return at[1] * at[0] ** 2 / 2 + PULL * (at[1] - GOAL) ** 2 / 2


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_covariance_meets_the_conditions_of_optimality(size):
    draw = np.random.default_rng(size)
    raw = draw.normal(size=(size, size, 9))
    slopes, slack = raw + raw.transpose(1, 0, 2), draw.normal(size=(size, size))
    slack = slack + slack.T - np.eye(size)
    found = covariance(slack, slopes)
    left = slack + np.einsum("ijd,kld,kl->ij", slopes, slopes, found) / 2
    assert np.linalg.eigvalsh(found)[-1] > 0
    assert np.linalg.eigvalsh(found)[0] > -1e-9
    assert np.linalg.eigvalsh(left)[0] > -1e-6
    assert abs((found * left).sum()) < 1e-6 * (1 + abs((found * slack).sum()))


def test_no_covariance_where_nothing_is_above_the_bound():
    assert not covariance(np.diag([0.5, 2.0]), np.ones((2, 2, 3))).any()
    assert not covariance(np.diag([-1.0]), np.zeros((1, 1, 3))).any()


def test_below_the_bound_the_central_flow_is_the_gradient_flow():
    place = closed(drifting, [0.7, 1.0])
    central = flow = place.start
    for _ in range(3):
        held = central_step(place, central, RATE, 2)
        central, flow = held.at, runge_kutta(place.gradient, flow, 2 * RATE, 4)
        assert torch.equal(central, flow)
        assert not held.spread.numel()
    assert float(central[1]) < 2 / RATE


def test_at_the_bound_it_is_held_by_the_variance_in_closed_form():
    """Without oscillation y would rise by 0.3 in a unit of time; a variance of 0.6 along x stops it."""
    place = closed(drifting, [0.0, 7.9])
    at, heights = place.start, []
    for _ in range(10):
        held = central_step(place, at, RATE, 2)
        at = held.at
        heights.append(float(at[1]))
    assert heights[-1] == pytest.approx(2 / RATE, abs=1e-9)
    assert max(heights) <= 2 / RATE + 1e-9
    assert (held.spread @ held.spread.T).tolist() == [[pytest.approx(0.6), 0], [0, 0]]


def test_two_eigenvalues_are_held_at_once():
    def both(at):
        return (at[2] * at[0] ** 2 + at[3] * at[1] ** 2) / 2 - 0.3 * at[2] - 0.1 * at[3]

    place = closed(both, [0.0, 0.0, 8.0, 8.0])
    at = place.start
    for _ in range(4):
        held = central_step(place, at, RATE, 2)
        at = held.at
    assert at.tolist() == pytest.approx([0, 0, 8, 8], abs=1e-9)
    assert (held.spread @ held.spread.T).diagonal().tolist() == pytest.approx([0.6, 0.2, 0, 0], abs=1e-6)


def test_descent_comes_to_that_cycle_by_itself():
    """The variance that the central flow needs to stay at the bound, and no other one, is where descent ends."""
    place = closed(pulled, [0.2, 7.8])
    (step,) = islice(descent(place, RATE), 1500, 1501)
    held = central_step(place, torch.tensor([0.0, 8.0], dtype=torch.float64), RATE, 2)
    assert float(step.oscillation[0]) ** 2 == pytest.approx(2 * PULL * (GOAL - 8), rel=1e-2)
    assert step.middle.tolist() == pytest.approx([0, 8], abs=5e-3)
    # To first order in its time step.
    assert float(held.spread[0].square()) == pytest.approx(2 * PULL * (GOAL - 8), rel=PULL)


def test_more_eigenvalues_than_are_held_are_refused():
    place = closed(lambda at: 6 * at.square().sum(), [0.0] * 9)
    with pytest.raises(ValueError, match="9 eigenvalues of the Hessian are near 8; at most 8"):
        hold(place, place.start, 8.0, 1.0)


def test_on_a_cycle_everything_is_as_predicted():
    """The central flow stays with descent on its cycle of two steps, the gradient flow goes where it is pulled."""
    variance = 2 * PULL * (GOAL - 8)
    place = closed(pulled, [math.sqrt(variance), 8.0])
    walk = descent(place, RATE)
    next(walk)
    rows = pd.DataFrame(compare(place, walk, next(walk).middle, RATE, looks=4, between=10))
    assert rows["central_distance"].max() < 1e-9
    assert rows["central_sharpness"].tolist() == pytest.approx([8] * 4)
    assert rows["variance"].tolist() == pytest.approx([variance] * 4, rel=1e-9)
    # The flow is pulled, then held: of first order in the time of two steps.
    assert rows["predicted_variance"].tolist() == pytest.approx([variance] * 4, rel=2 * RATE * PULL)
    assert rows["alignment"].tolist() == pytest.approx([1] * 4)
    loss = variance / RATE + PULL / 2
    assert rows["loss"].tolist() == pytest.approx([loss] * 4)
    assert rows["predicted_loss"].tolist() == pytest.approx([loss] * 4, rel=2 * RATE * PULL)
    away = [1 - math.exp(-PULL * RATE * 10 * look) for look in (1, 2, 3, 4)]
    assert rows["flow_distance"].tolist() == pytest.approx(away, rel=1e-4)
    assert rows["way"].tolist() == pytest.approx(away, rel=1e-4)


def test_crossing_settling_and_both_comparisons():
    place = closed(pulled, [0.05, 7.0])
    # Without oscillation y goes half of the way from 7 to 9 in n steps, (1 - 0.1 / 4)^n = 1 / 2.
    steps = math.log(2) / -math.log(1 - PULL * RATE)
    assert crossing(place, RATE, longest=20, looks=80) == pytest.approx(steps, abs=1)
    assert crossing(place, 0.2, longest=20, looks=4) is None  # 9 is below 2 / 0.2
    assert crossing(closed(pulled, [0.0, 8.5]), RATE, longest=10, looks=2) is None
    assert settling(closed(pulled, [0.0, 7.0]), RATE, 28, 2, 60) is None  # nothing oscillates
    table = follow_both(place, RATE, longest=150, looks=4)
    assert table["begin"].value_counts().to_dict() == {START: 8, EDGE: 4}
    crossed = table["crossed"].iloc[0]
    assert RATE * steps <= crossed <= RATE * steps + 150 / 24
    early = table[(table["begin"] == START) & (table["share"] * crossed < 0.9 * RATE * steps)]
    assert len(early)
    # Both flows are the same one, with steps of Runge-Kutta of their own.
    assert (early["central_distance"] - early["flow_distance"]).abs().max() < 1e-4
    assert (early["predicted_variance"] == 0).all()
    last = table.iloc[-1]
    assert 0.4 < last["flow_distance"] < 1.3
    assert last["central_distance"] < 0.5 * last["flow_distance"]
    assert follow_both(place, 0.2, longest=20, looks=4).empty


def test_alignment():
    first = torch.diag(torch.tensor([2.0, 0.0]))
    assert alignment(first, 3 * first) == pytest.approx(1)
    assert alignment(first, torch.diag(torch.tensor([0.0, 1.0]))) == 0
    assert math.isnan(alignment(first, 0 * first))


def test_the_derivatives_of_a_network():
    """The Hessian and its slopes by central differences of the gradient and of the Hessian."""
    words = (*central_flow.quick(central_flow.PRESETS["mnist1d"], "mnist1d").all_words, "data.source.train=20")
    place = curved_landscape(compose(words))
    size, step = len(place.start), 1e-5
    draw = torch.Generator().manual_seed(0)
    toward, *vectors = torch.randn(3, size, generator=draw, dtype=torch.float64)
    ends = [place.start + sign * step * toward for sign in (1, -1)]
    change = (place.gradient(ends[0]) - place.gradient(ends[1])) / (2 * step)
    assert torch.allclose(place.hessian(place.start) @ toward, change, rtol=1e-6, atol=1e-8)
    assert place.loss(ends[0]) - place.loss(ends[1]) == pytest.approx(
        2 * step * float(place.gradient(place.start) @ toward), rel=1e-6
    )
    columns = torch.stack(vectors, dim=1)
    slopes = place.slopes(place.start, columns)
    exact = (columns.T @ (place.hessian(ends[0]) - place.hessian(ends[1])) @ columns) / (2 * step)
    assert torch.allclose(slopes @ toward, exact, rtol=1e-5, atol=1e-7)


def looks(rate, begin, seed, central, flow, variance=1e-3, predicted=1e-3, loss=0.2):
    """The table of one comparison: four looks, held at all of them."""
    count = 4
    return pd.DataFrame(
        {"rate": rate, "begin": begin, "seed": seed, "share": np.arange(1, count + 1) / count, "crossed": 40.0,
         "settled": 60.0, "sharpness": 2 / rate * 1.01, "central_sharpness": 2 / rate, "flow_sharpness": 3 / rate,
         "central_distance": central, "flow_distance": flow, "way": 1.0, "loss": loss, "predicted_loss": 0.2,
         "flow_loss": 0.19, "variance": variance, "predicted_variance": predicted, "alignment": 0.99}
    )  # fmt: skip


def verdicts(table):
    """The verdicts by claim and case."""
    evidence = Evidence(central_flow.STUDY.describe("", None, [], []), measurements=table)
    return {(finding.claim, finding.case): finding.verdict for finding in judge(central_flow.STUDY.claims, evidence)}


def test_verdicts_follow_where_descent_is():
    near = [looks(0.2, EDGE, seed, 0.02 + seed / 1e4, 0.3, loss=0.2 + seed / 1e5) for seed in range(5)]
    far = [looks(0.4, EDGE, seed, 0.5 + seed / 1e4, 0.3, 2e-3 + seed / 1e6, loss=0.22) for seed in range(5)]
    begun = [looks(0.2, START, seed, 0.2 + seed / 1e4, 0.3) for seed in range(5)]
    found = verdicts(pd.concat([*near, *far, *begun]))
    edge = {claim.name: found[claim.name, f"rate 0.2, {EDGE}"] for claim in central_flow.STUDY.claims}
    assert set(edge.values()) == {"supported"}
    assert found["closer than the gradient flow", f"rate 0.2, {START}"] == "supported"
    assert found["beside the central flow", f"rate 0.2, {START}"] == "opposite"
    assert ("mean loss", f"rate 0.2, {START}") not in found
    for name in ("closer than the gradient flow", "beside the central flow", "size of the oscillation", "mean loss"):
        assert found[name, f"rate 0.4, {EDGE}"] == "opposite"
