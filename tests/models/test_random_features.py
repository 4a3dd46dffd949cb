"""Random-feature regression: closed forms against numpy's own solvers, and the peak where it must stand."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fbgd.data import Samples, digits, prepare
from fbgd.models.random_features import factorise, min_norm, random_directions, random_features, ridge
from fbgd.report.plots import save
from fbgd.studies.double_descent import random_feature_study as module
from fbgd.studies.double_descent.random_feature_study import STRENGTHS, feature_grid, peak, random_feature_study
from fbgd.studies.double_descent.random_features import draw

EPS = np.finfo(np.float64).eps
NOISES = (0.0, 0.2)
SIZE = 200
COLUMNS = (
    "figure",
    "model",
    "width",
    "parameters",
    "label_noise",
    "train_size",
    "passes",
    "seed",
    "procedure",
    "strength",
    "train_error",
    "test_error",
    "train_loss",
    "test_loss",
)
AROUND = [20, 40, 80, 120, 160, 180, 190, 196, 200, 204, 210, 220, 250, 300, 400, 800]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def data(noise=0.0, train=SIZE, **changes):
    options = {"train_size": train, "validation_size": 300, "label_noise": noise} | changes
    return prepare(digits(), **options)


@pytest.fixture(scope="module")
def descent():
    """A small double descent on the digits."""
    return random_feature_study({noise: data(noise) for noise in NOISES}, AROUND, [0, 1, 2])


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (20, 20)])
def test_min_norm_is_the_pseudo_inverse(shape):
    features, targets = normal(*shape), normal(shape[0], 4, seed=1)
    expected = np.linalg.pinv(features.numpy()) @ targets.numpy()
    np.testing.assert_allclose(min_norm(factorise(features), targets).numpy(), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_min_norm_of_features_that_depend_on_each_other(shape):
    features, targets = normal(*shape), normal(shape[0], 4, seed=1)
    features[:, 3], features[:, 5] = 0, features[:, 4]
    features[7] = features[6]
    factors = factorise(features)
    assert len(factors.values) == min(shape[0] - 1, shape[1] - 2)
    expected = np.linalg.pinv(features.numpy(), rcond=1e-12) @ targets.numpy()
    np.testing.assert_allclose(min_norm(factors, targets).numpy(), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (20, 20)])
def test_ridge_solves_the_normal_equations(shape):
    features, targets = normal(*shape).numpy(), normal(shape[0], 4, seed=1).numpy()
    strengths = (0.01, 1.0, 100.0)
    found = ridge(factorise(torch.from_numpy(features)), torch.from_numpy(targets), strengths).numpy()
    assert found.shape == (3, shape[1], 4)
    for strength, weights in zip(strengths, found, strict=True):
        matrix = features.T @ features + shape[0] * strength * np.eye(shape[1])
        expected = np.linalg.solve(matrix, features.T @ targets)
        # A backward-stable solution is p * eps * condition number away from the true one, and so is the matrix's own
        # rounding; ridge is at least as good.
        bound = 4 * shape[1] * EPS * np.linalg.cond(matrix)
        assert bound < 1e-9
        assert np.linalg.norm(weights - expected) <= bound * np.linalg.norm(expected)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_ridge_of_vanishing_strength_is_min_norm(shape):
    """Along a singular direction the two differ by the share n strength / (value^2 + n strength)."""
    factors, targets = factorise(normal(*shape)), normal(shape[0], 4, seed=1)
    limit = min_norm(factors, targets)
    for strength in (1e-2, 1e-6, 1e-14):
        share = shape[0] * strength / (factors.values.min() ** 2 + shape[0] * strength)
        gap = (ridge(factors, targets, [strength])[0] - limit).norm() / limit.norm()
        assert gap <= share + 1e-14
    assert gap < 1e-11


def test_features_by_hand():
    inputs, directions = normal(5, 2, 3), random_directions(4, 6, seed=0)

    def feature(row, sample):
        return max(0.0, sum(w * x for w, x in zip(row.tolist(), sample.flatten().tolist(), strict=True)))

    expected = [[feature(row, sample) for row in directions] for sample in inputs]
    np.testing.assert_allclose(random_features(inputs.float(), directions).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(random_features(inputs, directions).numpy(), expected, atol=1e-15)


def test_more_features_contain_the_fewer():
    most = random_directions(700, 5, seed=3)
    for count in (1, 7, 127, 128, 129, 300):
        assert torch.equal(random_directions(count, 5, seed=3), most[:count])
    assert not torch.equal(random_directions(700, 5, seed=4), most)


def test_directions_are_uniform_on_the_sphere():
    """E w = 0 and E w w' = I / d, in standard errors: the entries' variances are 1/d and at most 3/d^2."""
    count, dimension = 20000, 6
    rows = random_directions(count, dimension, seed=0)
    np.testing.assert_allclose(rows.norm(dim=1).numpy(), 1, atol=1e-15 * dimension)
    assert rows.mean(0).abs().max() < 5 * math.sqrt(1 / dimension / count)
    second = rows.T @ rows / count - torch.eye(dimension) / dimension
    assert second.abs().max() < 5 * math.sqrt(3 / count) / dimension
    assert len(rows.unique(dim=0)) == count


def naive(sets, width, seed):
    """Rows of one data set by numpy's pseudo-inverse and least squares on a stacked system."""
    splits = (sets.train.samples, sets.validation, sets.test)
    directions = random_directions(width, math.prod(sets.input_shape), seed).numpy()
    phi = [np.maximum(part.inputs.flatten(1).double().numpy() @ directions.T, 0) for part in splits]
    labels = [part.targets.numpy() for part in splits]
    one_hot = [np.eye(sets.classes)[part] for part in labels]

    def scores(weights):
        outputs = [features @ weights for features in phi]
        losses = [((out - hot) ** 2).sum(1).mean() for out, hot in zip(outputs, one_hot, strict=True)]
        errors = [(out.argmax(1) != label).mean() for out, label in zip(outputs, labels, strict=True)]
        return losses, errors

    size = len(labels[0])
    fits = {}
    for strength in (1e-3, 1e-1, 10.0):
        stacked = np.vstack([phi[0], math.sqrt(size * strength) * np.eye(width)])
        fits[strength] = np.linalg.lstsq(stacked, np.vstack([one_hot[0], np.zeros((width, sets.classes))]))[0]
    best = min(fits, key=lambda strength: scores(fits[strength])[0][1])
    return {
        "min norm": (math.nan, *scores(np.linalg.pinv(phi[0]) @ one_hot[0])),
        "ridge": (best, *scores(fits[best])),
    }


@pytest.mark.parametrize("samples_per_call", [1000, 7])
def test_rows_of_the_study_against_naive_ones(monkeypatch, samples_per_call):
    monkeypatch.setattr(module, "SAMPLES_PER_CALL", samples_per_call)
    sets = {noise: data(noise, train=50) for noise in NOISES}
    table = random_feature_study(sets, [20, 120], [4, 9], strengths=(1e-3, 1e-1, 10.0))
    assert tuple(table) == COLUMNS
    assert len(table) == 2 * 2 * 2 * 2
    assert not table.duplicated(["width", "label_noise", "seed", "procedure"]).any()
    for row in table.to_dict("records"):
        expected = naive(sets[row["label_noise"]], row["width"], row["seed"])
        strength, losses, errors = expected[row["procedure"]]
        assert row["strength"] == pytest.approx(strength, nan_ok=True)
        assert (row["train_loss"], row["test_loss"]) == pytest.approx((losses[0], losses[2]), rel=1e-9, abs=1e-12)
        assert (row["train_error"], row["test_error"]) == pytest.approx((errors[0], errors[2]), abs=1e-12)
        assert (row["figure"], row["train_size"]) == ("random_features", 50)
        assert row["parameters"] == 10 * row["width"]
        assert math.isnan(row["passes"])


def test_nothing_is_chosen_on_the_test_set():
    sets = data(0.2, train=50)
    worse = replace(sets, test=Samples(sets.test.inputs, (sets.test.targets + 1) % 10))
    tables = [random_feature_study({0.2: each}, [30, 80], [0]) for each in (sets, worse)]
    pd.testing.assert_series_equal(*(table["strength"] for table in tables))
    assert not tables[0]["test_loss"].equals(tables[1]["test_loss"])


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("column", ["test_loss", "test_error"])
def test_the_peak_stands_where_features_are_as_many_as_samples(descent, noise, column):
    mine = descent[descent["label_noise"] == noise]
    assert peak(mine, column) == pytest.approx(SIZE, rel=0.05)
    means = mine[mine["procedure"] == "min norm"].groupby("width")[column].mean()
    assert means.loc[SIZE] > 3 * max(means.loc[:120].min(), means.loc[400:].min())


@pytest.mark.parametrize("noise", NOISES)
def test_tuned_ridge_removes_the_peak(descent, noise):
    mine = descent[descent["label_noise"] == noise]
    means = mine.groupby(["procedure", "width"])["test_loss"].mean()
    assert (means["ridge"] <= 1.03 * means["ridge"].cummin()).all()
    assert (means["ridge"] <= 1.01 * means["min norm"]).all()


def test_training_interpolates_from_the_threshold_on(descent):
    loss = descent[descent["procedure"] == "min norm"].groupby("width")["train_loss"].max()
    assert (loss.loc[210:] < 1e-15).all()
    assert (loss.loc[:190] > 1e-6).all()


def test_a_seed_s_rows_depend_on_no_other_seed_or_width(descent):
    alone = random_feature_study({0.2: data(0.2)}, [40, 300], [1])
    rows = descent[(descent["seed"] == 1) & descent["width"].isin([40, 300]) & (descent["label_noise"] == 0.2)]
    pd.testing.assert_frame_equal(alone, rows.reset_index(drop=True), rtol=1e-9)


def test_the_peak_by_hand():
    rows = pd.DataFrame({"width": [1, 2, 3] * 2, "test_loss": [1.0, 6.0, 5.0, 1.0, 2.0, 5.0]})
    table = rows.assign(label_noise=0.1, procedure="min norm", test_error=[0.9, 0.1, 0.1, 0.9, 0.1, 0.1])
    other = table.assign(procedure="ridge", test_loss=[99.0, 0, 0, 0, 0, 0])
    assert peak(pd.concat([table, other])) == 3
    assert peak(table, "test_error") == 1
    with pytest.raises(ValueError, match="column = 'train_loss'"):
        peak(table, "train_loss")
    for wrong in (table[:0], pd.concat([table, table.assign(label_noise=0.2)])):
        with pytest.raises(ValueError, match="need exactly one"):
            peak(wrong)


@pytest.mark.parametrize("size", [40, 200, 1000])
def test_the_grid_is_dense_around_the_threshold(size):
    grid = feature_grid(size)
    assert grid == sorted(set(grid))
    assert (grid[0], grid[-1]) == (max(1, size // 50), 5 * size)
    assert size in grid
    for low, high in ((0.94, 1), (1, 1.06)):
        assert any(low * size < width < high * size for width in grid)
    assert feature_grid(size, most=8)[-1] == 8 * size


def test_figure_has_three_panels_and_no_date(descent, tmp_path):
    for name in ("a.png", "b.png"):
        figure = draw(descent, "Digits")
        save(figure, tmp_path / name)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["test error (%)", "test squared loss", "training error (%)"]
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log", "linear"]
    shown = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert {"0 %", "20 %", "min norm", "tuned ridge"} <= set(shown)
    # Two label noises by two estimators, and the threshold; x is features over samples.
    lines = [line for line in figure.axes[1].get_lines() if len(line.get_xdata())]
    assert len(lines) == 5
    assert list(lines[0].get_xdata()) == [width / SIZE for width in AROUND]
    assert list(lines[-1].get_xdata()) == [1, 1]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def sets_of(**changes):
    return {0.0: data(train=20, **changes)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random_directions(0, 5, 0), r"features = 0 is outside the valid range"),
        (lambda: random_directions(2.0, 5, 0), r"features = 2.0 is outside"),
        (lambda: random_directions(2, 0, 0), r"dimension = 0 is outside"),
        (lambda: random_directions(2, 5, -1), r"seed = -1 is outside"),
        (lambda: ridge(factorise(normal(3, 2)), normal(3, 1), [1.0, 0.0]), r"strengths = \[1.0, 0.0\].*\(0, inf\)"),
        (lambda: feature_grid(0), "train_size = 0"),
        (lambda: feature_grid(10, most=1.0), r"most = 1.0 is outside the valid range \[1.5, inf\)"),
        (lambda: random_feature_study({}, [5], [0]), "datasets = {}"),
        (lambda: random_feature_study({-0.1: data(train=20)}, [5], [0]), r"label_noise = -0.1 .* \[0, 1\]"),
        (lambda: random_feature_study(sets_of(validation_size=0), [5], [0]), "data.validation_size = 0"),
        (lambda: random_feature_study(sets_of(augment="random"), [5], [0]), "data.augment is not 'none'"),
        (lambda: random_feature_study(sets_of() | {0.1: data(train=20, seed=1)}, [5], [0]), r"datasets\[0.1\] differs"),
        (lambda: random_feature_study(sets_of() | {0.1: data(train=21)}, [5], [0]), r"datasets\[0.1\] differs"),
        (lambda: random_feature_study(sets_of(), [], [0]), r"widths = \[\]"),
        (lambda: random_feature_study(sets_of(), [5, 5], [0]), r"widths = \[5, 5\].*all different"),
        (lambda: random_feature_study(sets_of(), [0], [0]), "widths = 0 is outside"),
        (lambda: random_feature_study(sets_of(), [5], []), r"seeds = \[\]"),
        (lambda: random_feature_study(sets_of(), [5], [-1]), "seeds = -1 is outside"),
        (lambda: random_feature_study(sets_of(), [5], [0], strengths=()), r"strengths = \[\]"),
        (lambda: random_feature_study(sets_of(), [5], [0], strengths=(math.inf,)), r"strengths = \[inf\]"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_default_strengths_are_quarter_decades():
    assert (STRENGTHS[0], STRENGTHS[-1]) == (1e-4, 10)
    assert np.diff(np.log10(STRENGTHS)) == pytest.approx(0.25, abs=1e-2)
