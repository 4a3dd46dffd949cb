"""Bias and variance: estimators against loops, hand-made cases and ridge regression; settings and claims."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from inprocess import run_here
from scipy import stats

from fbgd.config.data import load_data
from fbgd.models.random_features import factorise, min_norm, ridge
from fbgd.report.claims import OPPOSITE, SUPPORTED, judge
from fbgd.report.evidence import Evidence
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import collect, curves, plan
from fbgd.studies.bias_variance import closed_form_study, networks
from fbgd.studies.bias_variance.closed_form import label_moments, linear_parts, smoothers
from fbgd.studies.bias_variance.estimators import entropy_parts, squared_parts
from fbgd.studies.bias_variance.matching import matched_passes, matched_runs
from fbgd.studies.bias_variance.measure import part_table
from fbgd.studies.bias_variance.settings import PRESETS, place, quick, rungs, seeds_of, with_own_data
from fbgd.studies.execution import Execution


def draws(sets=3, networks=2, points=5, outputs=4, seed=0):
    """Probabilities of predictors, and one-hot targets."""
    some = torch.Generator().manual_seed(seed)
    logits = torch.randn(sets, networks, points, outputs, generator=some, dtype=torch.float64)
    labels = torch.randint(outputs, (points,), generator=some)
    return logits.softmax(-1), F.one_hot(labels, outputs).double(), labels


def naive_bias(predictions, targets):
    """Products of errors of networks on different training sets, one pair after the other."""
    sets, networks, points, _ = predictions.shape
    pairs = [
        float(((targets - predictions[s, m]) * (targets - predictions[t, o])).sum()) / points
        for s, t in product(range(sets), repeat=2) if s != t
        for m, o in product(range(networks), repeat=2)
    ]  # fmt: skip
    return np.mean(pairs)


@pytest.mark.parametrize(("sets", "count"), [(2, 1), (5, 1), (2, 2), (3, 4)])
def test_risk_is_bias_and_variance(sets, count):
    predictions, targets, _ = draws(sets, count)
    parts = squared_parts(predictions, targets)
    risk = np.mean([float((targets - own).square().sum(-1).mean()) for own in predictions.flatten(0, 1)])
    assert parts.risk == pytest.approx(risk, abs=1e-12)
    assert parts.bias == pytest.approx(naive_bias(predictions, targets), abs=1e-10)
    assert abs(parts.risk - parts.bias - parts.variance) < 1e-10
    if count == 1:
        # The published form.
        each, mean = predictions[:, 0].square().sum(-1).mean(), predictions[:, 0].mean(0).square().sum(-1).mean()
        assert parts.variance == pytest.approx(float(sets / (sets - 1) * (each - mean)), abs=1e-10)
        assert math.isnan(parts.optimisation)
    else:
        own = np.mean([np.var(some.numpy(), axis=0, ddof=1).sum(-1).mean() for some in predictions])
        assert parts.optimisation == pytest.approx(own, abs=1e-12)
        assert abs(parts.sampling + parts.optimisation - parts.variance) < 1e-10


def test_what_all_predictors_say_is_bias_alone():
    predictions, targets, _ = draws(1, 1)
    same = predictions.expand(3, 2, -1, -1)
    parts = squared_parts(same, targets)
    assert parts.bias == pytest.approx(parts.risk)
    assert parts[2:] == pytest.approx((0, 0, 0), abs=1e-12)


@pytest.mark.parametrize(
    ("shape", "targets", "message"),
    [((1, 2, 5, 4), (5, 4), "at least 2"), ((2, 5, 4), (5, 4), "training sets"), ((2, 1, 5, 4), (5,), "targets")],
)
def test_shapes_that_do_not_fit(shape, targets, message):
    with pytest.raises(ValueError, match=message):
        squared_parts(torch.zeros(shape), torch.zeros(targets))


def test_entropy_by_hand():
    """Geometric means of (0.9, 0.1) and (0.4, 0.6) are 0.6 and sqrt(0.06)."""
    logs = torch.tensor([[[0.9, 0.1]], [[0.4, 0.6]]], dtype=torch.float64).log()
    total = 0.6 + math.sqrt(0.06)
    centre = np.array([0.6, math.sqrt(0.06)]) / total
    for label in (0, 1):
        parts = entropy_parts(logs, torch.tensor([label]))
        assert parts.bias == pytest.approx(-math.log(centre[label]))
        # The mean of the two divergences is that of the sum of geometric means from 1.
        assert parts.variance == pytest.approx(-math.log(total))
    assert parts.risk == pytest.approx(-0.5 * math.log(0.06))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_cross_entropy_is_bias_and_variance(count):
    predictions, _, labels = draws(count, 1)
    parts = entropy_parts(predictions[:, 0].log(), labels)
    centre = np.exp(np.log(predictions[:, 0].numpy()).mean(0))
    centre /= centre.sum(-1, keepdims=True)
    divergences = [stats.entropy(centre, own.numpy(), axis=-1).mean() for own in predictions[:, 0]]
    assert parts.variance == pytest.approx(np.mean(divergences), abs=1e-12)
    assert parts.bias == pytest.approx(float(F.nll_loss(torch.tensor(centre).log(), labels)), abs=1e-12)
    assert abs(parts.risk - parts.bias - parts.variance) < 1e-10
    with pytest.raises(ValueError, match="K >= 2"):
        entropy_parts(predictions[:1, 0].log(), labels)


def test_a_class_without_probability_adds_nothing():
    logs = torch.tensor([[[0.5, 0.5, 0.0]], [[0.2, 0.8, 0.0]]], dtype=torch.float64).log()
    parts = entropy_parts(logs, torch.tensor([0]))
    assert parts.risk == pytest.approx(parts.bias + parts.variance) == pytest.approx(-0.5 * math.log(0.1))


@pytest.fixture
def problem():
    """Features of training samples and points, means and spreads of their labels, and three draws of features."""
    some = torch.Generator().manual_seed(4)
    inputs, points = (torch.randn(size, 6, generator=some, dtype=torch.float64) for size in (7, 9))
    maps = torch.randn(3, 6, 5, generator=some, dtype=torch.float64)
    fits = torch.stack([smoothers(factorise(inputs @ own), points @ own, [0.1])[0] for own in maps])
    means, test_means = (torch.stack([part[:, 0], part[:, 1].sin()], 1) for part in (inputs, points))
    return (
        fits,
        means,
        0.1 * torch.rand(7, generator=some, dtype=torch.float64) + 0.05,
        test_means,
        torch.ones(9).double(),
    )


def test_the_closed_form_is_the_mean_over_all_labels(problem):
    """Labels a deviation above or below their means: all 128 of them, one after the other."""
    fits, means, spreads, test_means, _ = problem
    deviations = (spreads / 2).sqrt()
    signs = torch.tensor(list(product((-1.0, 1.0), repeat=7)), dtype=torch.float64)
    # The outputs deviate together here: only the trace of their covariance matters.
    labels = means + signs.unsqueeze(2) * deviations.unsqueeze(1)
    outputs = torch.einsum("mxi,sic->smxc", fits, labels)
    parts = linear_parts(*problem)
    mean = outputs.mean((0, 1))
    within = outputs - outputs.mean(1, keepdim=True)
    assert parts.bias == pytest.approx(float((test_means - mean).square().sum(-1).mean()))
    assert parts.optimisation == pytest.approx(float(within.square().sum(-1).mean()))
    assert parts.sampling == pytest.approx(float((outputs.mean(1) - mean).square().sum(-1).mean()))
    assert parts.risk == pytest.approx(float((outputs - test_means).square().sum(-1).mean()) + 1)
    assert parts.noise == 1


@pytest.mark.parametrize(("sets", "count"), [(2, 2), (4, 1)])
def test_ridge_lies_in_the_estimators_interval(problem, sets, count):
    """Known bias and variance, normal labels: intervals of 99.9 % over 400 repetitions."""
    fits, means, spreads, test_means, _ = problem
    some = torch.Generator().manual_seed(7)
    found = []
    for _ in range(400):
        predictions = []
        for _ in range(sets):
            noise = torch.randn(7, 2, generator=some, dtype=torch.float64) * (spreads / 2).sqrt().unsqueeze(1)
            chosen = torch.randint(3, (count,), generator=some)
            predictions.append(fits[chosen] @ (means + noise))
        found.append(squared_parts(torch.stack(predictions), test_means))
    exact = linear_parts(*problem)
    for name in ("bias", "variance", *(("optimisation", "sampling") if count > 1 else ())):
        values = np.array([getattr(parts, name) for parts in found])
        low, high = stats.t.interval(0.999, 399, values.mean(), stats.sem(values))
        assert low < getattr(exact, name) < high, name
        assert high - low < 0.3 * getattr(exact, name), name


def test_smoothers_are_the_fits():
    some = torch.Generator().manual_seed(1)
    features, points = (torch.randn(size, 4, generator=some, dtype=torch.float64) for size in (9, 3))
    targets = torch.randn(9, 2, generator=some, dtype=torch.float64)
    factors = factorise(features)
    plain, smooth = smoothers(factors, points, [0.0, 0.3])
    torch.testing.assert_close(plain @ targets, points @ min_norm(factors, targets))
    torch.testing.assert_close(smooth @ targets, points @ ridge(factors, targets, [0.3])[0])


def test_moments_of_labels_by_counting():
    means, spreads = label_moments(torch.tensor([2]), 4, 0.3)
    labels = torch.eye(4, dtype=torch.float64)
    chances = torch.tensor([0.1, 0.1, 0.7, 0.1], dtype=torch.float64)
    torch.testing.assert_close(means[0], chances @ labels)
    assert float(spreads) == pytest.approx(float(chances @ (labels - means).square().sum(1)))


PRESET = PRESETS["mnist1d"]


def test_seeds_have_places_of_their_own():
    """Every network differs in its seed; those of one training set share its data, and no two sets have a sample."""
    repeated, single = (next(own for own in rungs(PRESET) if own.labels["procedure"] == name)
                        for name in ("SGD", "Adam"))  # fmt: skip
    assert [place(PRESET, seed) for seed in seeds_of(PRESET, repeated, 2)] == list(product(range(2), repeat=3))
    assert [place(PRESET, seed) for seed in seeds_of(PRESET, single, 2)] == [(r, p, 0) for r in (0, 1) for p in (0, 1)]
    assert all(len(own.overrides) for own in rungs(PRESET))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A study of next to nothing, its outcome and folder: two procedures, three widths, two repetitions."""
    out = tmp_path_factory.mktemp("bias")
    preset = quick(PRESET, "mnist1d")
    preset = replace(preset, procedures=preset.procedures[:2], label_noises=(0.15,), repeated=("SGD",))
    execution = Execution(preset, 2, [], out, 1)
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        yield networks.execute(execution, rungs(preset)), preset, out


def test_training_sets_of_a_repetition_are_disjoint(tiny):
    outcome, preset, _ = tiny
    width = [run for run in outcome.planned if run.rung == "SGD, width 2, noise 0.15"]
    data = {run.seed: load_data(run.config) for run in width}
    for repetition in range(2):
        sets, tests = {}, []
        for seed, own in data.items():
            number, part, network = place(preset, seed)
            if number == repetition:
                # Undo the normalisation by the training set's own moments: compare by correlation.
                sets.setdefault(part, own)
                tests.append(own.test.targets)
                assert torch.equal(sets[part].train.samples.inputs, own.train.samples.inputs), network
        rows = [own.train.samples.inputs.flatten(1) for own in sets.values()]
        rows = [F.normalize(own - own.mean(1, keepdim=True)) for own in rows]
        assert float((rows[0] @ rows[1].T).max()) < 0.9999
        assert all(torch.equal(own, tests[0]) for own in tests)
    assert not torch.equal(data[0].test.inputs, data[4].test.inputs)


def test_measurements_say_what_the_runs_recorded(tiny):
    """Cross-entropy and error from the networks' probabilities are those that were recorded in training."""
    outcome, preset, _ = tiny
    table, runs = outcome.measurements, collect(outcome.planned)
    runs = runs.assign(repetition=[place(preset, seed)[0] for seed in runs["seed"]])
    ends = table[(table["moment"] == "end") & (table["procedure"] == "full batch")]
    assert len(ends) == 6
    for row in ends.to_dict("records"):
        own = runs[(runs["procedure"] == "full batch") & (runs["moment"] == "end")]
        own = own[(own["width"] == str(row["width"])) & (own["repetition"] == row["seed"])]
        assert row["entropy_risk"] == pytest.approx(own["test_loss"].mean(), rel=1e-5)
        assert row["test_error"] == pytest.approx(1 - own["test_accuracy"].mean())
        assert row["risk"] == pytest.approx(row["bias"] + row["variance"])
    split = table[(table["moment"] == "end") & (table["procedure"] == "SGD")]
    assert (split["networks"] == 4).all()
    assert split["optimisation"].notna().all()
    assert (split["sampling"] + split["optimisation"]).to_numpy() == pytest.approx(split["variance"].to_numpy())


def test_matched_runs_are_beginnings_with_the_error_that_all_reach(tiny):
    outcome, preset, out = tiny
    ends = [run for run in outcome.planned if run.labels["moment"] == "end"]
    matched = matched_runs(ends, preset, out)
    assert len(matched) == 2 * 3 * 4
    rows = curves(ends).set_index(["procedure", "width", "seed", "passes"])
    lowest = 1 - rows["train_accuracy"].groupby(["procedure", "width", "seed"]).max()
    for run in matched:
        procedure, width = run.labels["procedure"], run.labels["width"]
        level = max(lowest[name, width, run.seed] for name in ("SGD", "full batch"))
        summary = RunDirectory(run.path).read_summary(run.identity)
        assert 1 - summary["train_accuracy"] <= level + 1e-9
        then = rows.loc[(procedure, width, run.seed, summary["passes"])]
        assert summary["test_loss"] == pytest.approx(then["test_loss"], rel=1e-4)
    assert {run.labels["moment"] for run in matched} == {"matched"}
    # Where a twin is missing there is nothing to match.
    assert matched_runs([run for run in ends if run.labels["procedure"] == "SGD"], preset, out) == []


def test_the_first_evaluation_at_the_common_error():
    rows = [("4", 0, name, passes, error) for name, passes, error in
            [("a", 1, 0.4), ("a", 2, 0.2), ("a", 3, 0.3), ("b", 5, 0.25)]]  # fmt: skip
    table = pd.DataFrame(rows, columns=["width", "seed", "procedure", "passes", "train_error"])
    assert matched_passes(table, 2) == {("4", 0, "a"): 2.0, ("4", 0, "b"): 5.0}
    assert matched_passes(table, 3) == {}


def test_an_unfinished_network_leaves_no_row(tiny):
    outcome, preset, out = tiny
    ends = [run for run in outcome.planned if run.labels["moment"] == "end"]
    gone = with_own_data(plan([rungs(preset)[0]], ["seed=0"][:0], [99], out), preset, out)
    table = part_table([*ends, *(replace(own, labels=ends[0].labels) for own in gone)], preset)
    assert len(table) == len(part_table(ends, preset))


def synthetic(peak=0.3, noise=0.01, seeds=10):
    """Bias that falls and variance with a peak at width 27, for all procedures and moments."""
    some, rows = np.random.default_rng(0), []
    for moment, name, label_noise in (("end", "SGD", 0.15), ("end", "SGD", 0.0), ("matched", "SGD", 0.15),
                                      ("matched", "Adam", 0.15)):  # fmt: skip
        for place_, width in enumerate((4, 8, 12, 18, 27, 50, 150)):
            for seed in range(seeds):
                bias = 0.8 - 0.02 * place_ + noise * some.normal()
                height = peak * (1.2 if name == "Adam" else 1) * (1 if label_noise else 0.5)
                variance = 0.1 + height * math.exp(-((place_ - 4) ** 2) / 3) + noise * some.normal()
                parts = {"bias": bias, "variance": variance, "risk": bias + variance}
                rows.append({"moment": moment, "procedure": name, "label_noise": label_noise, "width": width,
                             "seed": seed, **parts, **{f"entropy_{key}": own for key, own in parts.items()},
                             "optimisation": variance / 3 if label_noise else math.nan,
                             "sampling": 2 * variance / 3})  # fmt: skip
    return pd.DataFrame(rows)


def verdicts(table):
    """The verdicts of claims by name and case."""
    evidence = Evidence(networks.STUDY.describe("", None, [], []), measurements=table)
    return {(own.claim, own.case): own.verdict for own in judge(networks.STUDY.claims, evidence)}


def test_claims_about_curves_that_are_known():
    found = verdicts(synthetic())
    for name in ("bias falls", "variance peaks", "risk peaks", "the peak is variance"):
        cases = {case: verdict for (claim, case), verdict in found.items() if claim == name}
        assert set(cases.values()) == {SUPPORTED}, name
        assert set(cases) == {"SGD, label noise 0.15", "SGD, label noise 0", "SGD, matched", "Adam, matched"}
    noise = {case: verdict for (claim, case), verdict in found.items() if claim == "noise adds variance"}
    assert list(noise) == [f"label noise 0.15, width {width}" for width in (4, 8, 12, 18, 27, 50, 150)]
    # The peak at 27 is twice as high with noise; at width 4 there is next to none of it.
    assert noise["label noise 0.15, width 27"] == SUPPORTED
    assert noise["label noise 0.15, width 4"] != SUPPORTED
    assert found["sampling grows", "SGD"] != SUPPORTED
    assert verdicts(synthetic(peak=1.0))["more variance than SGD, widest", "Adam"] == SUPPORTED
    assert found["more variance than SGD", "Adam"] == SUPPORTED
    assert found["more bias than SGD", "Adam"] != SUPPORTED
    assert found["optimisation fades", "SGD"] == found["sampling outweighs optimisation", "SGD"] == SUPPORTED


def test_a_flat_variance_has_no_peak():
    found = verdicts(synthetic(peak=0.0))
    assert SUPPORTED not in {verdict for (claim, _), verdict in found.items() if claim == "variance peaks"}
    rising = synthetic().assign(bias=lambda own: 0.5 + 0.1 * own["width"].rank(method="dense"))
    found = verdicts(rising.assign(risk=rising["bias"] + rising["variance"]))
    assert found["bias falls", "SGD, matched"] == OPPOSITE


def test_a_lost_repetition_leaves_no_interval():
    table = synthetic()
    lost = (table["procedure"] == "Adam") & (table["seed"] == 0) & (table["width"] == 4)
    evidence = Evidence(networks.STUDY.describe("", None, [], []), measurements=table[~lost])
    found = {(own.claim, own.case): own for own in judge(networks.STUDY.claims, evidence)}
    assert math.isnan(found["more variance than SGD", "Adam"].low)
    assert math.isnan(found["bias falls", "Adam, matched"].low)


def test_the_estimators_are_right_in_the_study_of_random_features():
    """Small, but with the draws that it takes: the closed form lies in the intervals."""
    preset = replace(closed_form_study.PRESETS["digits"], train_size=16, test_size=20, estimates=30, most=1.5)
    execution = Execution(preset, 3, [], None, 1)
    table = closed_form_study.fit(execution, []).measurements
    evidence = Evidence(closed_form_study.STUDY.describe("", None, [], []), measurements=table)
    found = [own for own in judge(closed_form_study.STUDY.claims, evidence) if own.claim == "the estimators are right"]
    assert len(found) == 4
    assert all(own.low < 0 < own.high for own in found)
    exact = table[["bias", "sampling", "optimisation", "noise"]].sum(axis=1)
    assert table["risk"].to_numpy() == pytest.approx(exact.to_numpy(), rel=1e-12)
    assert (table[table["label_noise"] == 0]["noise"] == 0).all()
