"""Double descent: the shape of curves, the effective model complexity, matched errors, ensembles, and every figure."""

import itertools
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from files import write_cifar
from scipy import stats
from scipy.stats import binomtest

from fbgd.config.build import build_model, check, load_data
from fbgd.config.compose import compose
from fbgd.report.claims import judge
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence, read_evidence
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import plan
from fbgd.runs.rows import read_rows
from fbgd.studies import BUILT_IN
from fbgd.studies.double_descent import (
    emc,
    heatmap,
    model_wise,
    presets,
    regularisation,
    sample_wise,
    stochasticity,
    translation,
)
from fbgd.studies.double_descent.crossfit import corrected, held_out, relative_rise, widening
from fbgd.studies.double_descent.draws import with_draw_of_seed
from fbgd.studies.double_descent.ensemble import ensemble_error
from fbgd.studies.double_descent.peaks import falls, flat
from fbgd.studies.double_descent.settings import Point, Procedure
from fbgd.studies.double_descent.shape import find_heights, find_largest_rise, find_peak, threshold
from fbgd.studies.double_descent.simultaneous import certain, simultaneous
from fbgd.studies.double_descent.tidy import COLUMNS, KEYS, run_table
from scripts import double_descent

FIGURES = {
    entry.name: entry.load() for entry in BUILT_IN.of_program("double_descent") if entry.name != "random_features"
}
QUICK = ["--quick", "--seeds", "1", "--workers", "1", "impl.threads=1"]
TINY = (
    "data=mnist1d",
    "data.source.train=40",
    "data.source.test=20",
    "model=mlp",
    "regime.block_size=10",
    "budget.passes=2",
    "record.evaluate_every=1",
    "record.train=true",
)


def curve(errors, widths=None, seeds=3, **columns):
    """A table whose mean over seeds is ``errors``, with seeds a hundredth apart."""
    widths = widths or range(1, len(errors) + 1)
    rows = [
        {"width": width, "seed": seed, "test_error": error + 0.01 * (seed - 1), "train_error": 0.5, **columns}
        for width, error in zip(widths, errors, strict=True)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


class TestShape:
    def test_a_double_descent(self):
        found = find_peak(curve([0.6, 0.4, 0.46, 0.55, 0.5, 0.3], [1, 2, 4, 8, 16, 32]))
        assert (found.minimum, found.peak) == (2, 8)
        assert found.rise.delta == pytest.approx(0.15)
        assert found.fall.delta == pytest.approx(0.25)

    def test_the_peak_is_where_the_smaller_of_rise_and_fall_is_largest(self):
        # The end is higher than the bump: the bump's fall is what counts, not the last value's height.
        found = find_peak(curve([0.5, 0.2, 0.4, 0.25, 0.6]))
        assert (found.minimum, found.peak) == (2, 3)
        assert found.fall.delta == pytest.approx(0.15)

    @pytest.mark.parametrize("errors", [[0.5, 0.4, 0.3, 0.2], [0.2, 0.3, 0.4], [0.5, 0.2, 0.4], [0.3, 0.3, 0.3], [0.4]])
    def test_a_curve_that_falls_rises_or_has_one_valley_has_no_peak(self, errors):
        assert find_peak(curve(errors)) is None

    def test_without_a_peak_there_still_is_a_rise_that_is_negative(self):
        rise, fall = find_heights(curve([0.5, 0.4, 0.3, 0.2]))
        assert rise.delta == pytest.approx(-0.1)
        assert fall.delta == pytest.approx(0.2)
        assert find_heights(curve([0.5, 0.4])) is None

    def test_a_rise_is_certain_when_both_intervals_are_above_zero(self):
        table = curve([0.4, 0.5, 0.3])
        table["test_error"] += [0.0, 0.001, 0.0, 0.001, 0.0, 0.0, 0.0, 0.0, 0.001]
        assert find_peak(table).certain
        # A widened t-interval of three seeds has 6.8 standard errors on either side.
        table["test_error"] += [0.0, 0.2, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0]
        assert not find_peak(table).certain

    def test_one_curve_has_a_rise_without_an_interval(self):
        rise, _ = find_heights(curve([0.4, 0.5, 0.3], seeds=1))
        assert rise.delta == pytest.approx(0.1)
        assert math.isnan(rise.low)
        assert not find_peak(curve([0.4, 0.5, 0.3], seeds=1)).certain

    def test_threshold_is_interpolated_in_the_logarithm(self):
        table = pd.DataFrame({"width": [1, 10, 100], "train_error": [0.5, 0.2, 0.0], "seed": 0})
        assert threshold(table) == pytest.approx(10**1.5)
        assert threshold(table, epsilon=0.2) == pytest.approx(10)
        assert math.isnan(threshold(table, epsilon=0.5))
        assert math.isnan(threshold(table.head(2)))


def simulated(rng, seeds, mean, spread=1.5, smoothness=0.0):
    """A table of curves around ``mean``, correlated along the width, with an offset for every seed."""
    noise = rng.normal(size=(seeds, len(mean)))
    for place in range(1, len(mean)):
        noise[:, place] = smoothness * noise[:, place - 1] + math.sqrt(1 - smoothness**2) * noise[:, place]
    values = np.asarray(mean) + spread * noise + rng.normal(size=(seeds, 1))
    widths = np.tile(np.arange(len(mean)), seeds)
    return pd.DataFrame({"width": widths, "seed": np.repeat(range(seeds), len(mean)), "test_error": values.ravel()})


def whole(rows):
    """A single curve."""
    return [("a", rows)]


class TestWhatIsClaimedOfACurve:
    def test_a_curve_that_only_falls_has_no_second_descent(self):
        """A plateau on the way down: the mean mostly has a peak on it, from which the curve surely falls."""
        rng = np.random.default_rng(7)
        mean = [60, 55, 52, 51.9, 51.8, 51.7, 51.6, 51.5, 50, 47.4, 45.3]
        found = [
            judge([falls(whole, "")], Evidence(Description("", []), measurements=simulated(rng, 5, mean)))[0].verdict
            for _ in range(100)
        ]
        assert binomtest(found.count("supported"), 100, 0.05, "greater").pvalue > 0.001

    def test_a_rise_at_the_end_of_a_curve_is_a_rise(self):
        rng = np.random.default_rng(8)
        table = simulated(rng, 5, [10, 5, 5, 5, 5, 8, 10], spread=0.05)
        (finding,) = judge([flat(whole, "")], Evidence(Description("", []), measurements=table))
        assert finding.high > 4.5
        assert finding.verdict != "supported"

    def test_seeds_that_lack_a_place_leave_no_interval(self):
        table = simulated(np.random.default_rng(9), 5, [50.0, 45, 52, 55, 50, 40])
        assert not math.isnan(find_heights(table).rise.low)
        assert math.isnan(find_heights(table.iloc[:-1]).rise.low)


class TestCrossFitting:
    """By simulation with fixed seeds: how often a peak is found where there is none, and where there is one."""

    @pytest.mark.parametrize("mean", [[50.0] * 19, [50.0] * 13 + [40.0, 30.0, 20.0, 10.0, 5.0, 0.0]],
                             ids=["flat", "flat, then falling"])  # fmt: skip
    @pytest.mark.parametrize("smoothness", [0.0, 0.5])
    def test_a_flat_curve_has_no_certain_peak(self, mean, smoothness):
        rng = np.random.default_rng(19)
        tables = [simulated(rng, 5, mean, smoothness=smoothness) for _ in range(300)]
        peaks = [peak for table in tables if (peak := find_peak(table)) is not None]
        # More than 5 in a hundred are refuted with 99.9 %, where 19 and 35 in a hundred were certain or rose before.
        for name, found in (("certain", [peak.certain for peak in peaks]), ("rise", [p.rise.low > 0 for p in peaks])):
            assert binomtest(sum(found), len(tables), 0.05, "greater").pvalue > 0.001, name
        # And in any case fewer than with plain intervals at the places that all seeds choose.
        before = sum(find_largest_rise(table).low > 0 for table in tables)
        assert sum(peak.rise.low > 0 for peak in peaks) < before / 4

    @pytest.mark.parametrize("smoothness", [0.0, 0.9])
    @pytest.mark.parametrize("seeds", [2, 3, 5, 10])
    @pytest.mark.parametrize("places", [4, 10, 19])
    def test_intervals_keep_their_level(self, seeds, places, smoothness):
        rng = np.random.default_rng(places + seeds)
        noise = rng.normal(size=(2000, seeds, places))
        for place in range(1, places):
            noise[..., place] = smoothness * noise[..., place - 1] + math.sqrt(1 - smoothness**2) * noise[..., place]
        for values in held_out(noise + 3 * rng.normal(size=(2000, seeds, 1))):
            half = stats.t.ppf(0.975, seeds - 1) * values.std(-1, ddof=1) / math.sqrt(seeds) * widening(seeds)
            above = int((values.mean(-1) > half).sum())
            assert binomtest(above, 2000, 0.035, "greater").pvalue > 0.001
            assert abs(values.mean()) < 5 * values.std() / math.sqrt(2000)

    def test_a_clear_peak_is_found(self):
        rng = np.random.default_rng(4)
        mean = [12.0, 7.0, 3.0, 0.0, 0.0, 2.0, 4.0, 4.0, 2.0, -1.0, -4.0]
        for seeds, least in ((5, 0.5), (10, 0.9)):
            found = [find_peak(simulated(rng, seeds, mean)) for _ in range(100)]
            assert np.mean([peak is not None and peak.certain for peak in found]) > least

    def test_no_value_of_a_seed_decides_where_it_is_measured(self):
        rng = np.random.default_rng(0)
        curves = rng.normal(size=(4, 7))
        rises, falls = held_out(curves)
        for seed in range(4):
            means = np.delete(curves, seed, 0).mean(0)
            padded = [means[0], *means, means[-1]]
            means = [(padded[i] + 2 * padded[i + 1] + padded[i + 2]) / 4 for i in range(7)]
            heights = {i: min(means[i] - min(means[:i]), means[i] - min(means[i + 1 :])) for i in range(1, 6)}
            peak = max(heights, key=heights.get)
            before = min(range(peak), key=means.__getitem__)
            after = min(range(peak + 1, 7), key=means.__getitem__)
            assert rises[seed] == pytest.approx(curves[seed, peak] - curves[seed, before])
            assert falls[seed] == pytest.approx(curves[seed, peak] - curves[seed, after])

    def test_an_interval_is_wider_by_the_share_of_the_test_seeds(self):
        values = np.array([1.0, 2.0, 4.0])
        change = corrected(values)
        half = stats.t.ppf(0.975, 2) * math.sqrt((1 / 3 + 1 / 2) * values.var(ddof=1))
        assert (change.low, change.high) == pytest.approx((7 / 3 - half, 7 / 3 + half))
        # The p-value is 0.05 where the interval ends at zero.
        assert corrected(values - change.low).p_value == pytest.approx(0.05)

    def test_no_rise_is_claimed_only_where_the_curve_rises_the_most(self):
        """A rise of two points at exact places is beside those that smoothed means choose."""
        rng = np.random.default_rng(1)
        table = simulated(rng, 5, [4.0, 0.0, 2.0, -4.0], spread=0.1).assign(name="a")
        table["test_error"] /= 100
        (claim,) = judge([flat(whole, "")], Evidence(Description("", []), measurements=table))
        assert claim.high > 2 > claim.value
        assert claim.verdict != "supported"

    def test_ridge_that_rises_is_not_said_to_fall(self):
        rng = np.random.default_rng(2)
        falling = np.linspace(2, 1, 9) + 0.001 * rng.normal(size=(5, 9))
        assert relative_rise(falling).high < 0
        bumped = falling + 0.3 * (np.arange(9) == 5)
        change = relative_rise(bumped)
        exact = (bumped[:, 5] / bumped[:, 4]).mean() - 1
        assert change.high > exact > 0
        assert relative_rise(bumped[:1]).delta == pytest.approx(
            (bumped[0][None] / bumped[0][:, None])[np.triu_indices(9, 1)].max() - 1
        )


class TestManyWidths:
    def test_intervals_hold_together_and_p_values_are_holm_s(self):
        rng = np.random.default_rng(3)
        values = {
            width: (pd.Series(rng.normal(0.5 * width, 1, 5)), pd.Series(rng.normal(0, 1, 5))) for width in range(4)
        }
        found = simultaneous({**values, 9: (pd.Series(dtype=float), values[0][1])})
        assert list(found) == [0, 1, 2, 3]
        tests = {width: stats.ttest_ind(*pair, equal_var=False) for width, pair in values.items()}
        for width, change in found.items():
            interval = tests[width].confidence_interval(1 - 0.05 / 4)
            assert (change.low, change.high) == pytest.approx((interval.low, interval.high))
        ordered = sorted(found, key=lambda width: tests[width].pvalue)
        expected = np.maximum.accumulate([(4 - rank) * tests[width].pvalue for rank, width in enumerate(ordered)])
        assert [found[width].p_value for width in ordered] == pytest.approx(np.minimum(expected, 1))

    def test_a_single_small_p_value_among_many_widths_is_not_certain(self):
        rng = np.random.default_rng(6)
        pairs = {width: (pd.Series(rng.normal(size=5)), pd.Series(rng.normal(size=5))) for width in range(40)}
        assert any(stats.ttest_ind(*pair, equal_var=False).pvalue < 0.05 for pair in pairs.values())
        assert not any(map(certain, simultaneous(pairs).values()))


class TestDraws:
    def test_every_seed_draws_its_own_data(self, tmp_path):
        planned = plan([Point(6, 0.2, 40, Procedure("SGD")).rung(TINY)], [], 3, tmp_path)
        runs = with_draw_of_seed(planned, tmp_path)
        assert [run.config.data.seed for run in runs] == [0, 1, 2]
        assert [run.config.data.source["seed"] for run in runs] == [42, 43, 44]
        assert runs[0].path == planned[0].path
        assert len({run.path for run in [*planned, *runs]}) == 5
        sets = [load_data(run.config) for run in runs]
        assert len({data.content_hash for data in sets}) == 3
        assert not torch.equal(sets[0].test.inputs, sets[1].test.inputs)
        assert planned[1].config.data.source["seed"] == 42

    def test_a_page_says_what_its_intervals_are_over(self, tmp_path, capsys):
        words = ["model_wise", *QUICK[:1], "--seeds", "2", "--workers", "1", "impl.threads=1", "--out", str(tmp_path)]
        assert double_descent.main([*words, "--draws", "fresh"]) == 0
        page = (tmp_path / "table.md").read_text()
        assert "mlp_draws" in page
        assert "Every seed draws data of its own" in page
        assert "share one draw" not in page
        runs = read_rows(tmp_path / "runs.csv")
        assert runs.groupby("seed")["content_hash"].nunique().tolist() == [2, 2]
        assert runs["content_hash"].nunique() == 4


class TestEffectiveModelComplexity:
    def runs(self, sizes, errors, width=4, seed=0):
        return pd.DataFrame({"width": width, "seed": seed, "train_size": sizes, "train_error": errors})

    def test_bracket_ends_at_the_first_failure(self):
        assert emc.bracket(self.runs([100, 400, 200, 800], [0.0, 0.2, 0.1, 0.05])) == (200, 400)
        assert emc.bracket(self.runs([100, 200], [0.0, 0.0])) == (200, math.inf)
        assert emc.bracket(self.runs([100, 200], [0.3, 0.0])) == (0, 100)

    def test_bisection_finds_a_known_complexity(self):
        """Against step functions: the train error is zero up to the true complexity of each width and seed."""
        truth = {(width, seed): 37 * width + 5 * seed for width, seed in itertools.product((4, 9, 16), (0, 1))}
        sizes = presets.MLP

        def error(width, seed, size):
            return 0.0 if size <= truth[width, seed] else 0.4

        rows = [(width, seed, size) for width, seed in truth for size in (100, 4000)]
        for _ in range(20):
            table = pd.DataFrame(
                [{"width": w, "seed": s, "train_size": n, "train_error": error(w, s, n)} for w, s, n in rows]
            )
            asked = emc.next_points(sizes, table)
            if not asked:
                break
            rows += [(point.width, seed, point.train_size) for point, seed in asked]
        found = emc.complexity(table).set_index(["width", "seed"])["emc"]
        assert not asked
        for key, value in truth.items():
            assert value / emc.RESOLUTION <= found[key] <= value * emc.RESOLUTION

    def test_bounds_are_told_as_bounds(self):
        table = pd.concat([self.runs([100, 200], [0.0, 0.0], 8), self.runs([100, 200], [0.3, 0.4], 2)])
        found = emc.complexity(table).set_index("width")
        assert found["censored"].to_dict() == {8: "above", 2: "below"}
        assert [emc.told(part) for _, part in emc.complexity(table).groupby("width")] == ["below 100", "at least 200"]

    def test_predicted_width(self):
        found = pd.DataFrame({"width": [2, 4, 8], "seed": 0, "emc": [50.0, 150.0, 900.0], "censored": ""})
        assert emc.predicted_width(found, 100) == (2, 4)
        assert emc.predicted_width(found, 900) == (4, 8)
        assert all(map(math.isnan, emc.predicted_width(found, 1000)))
        assert all(map(math.isnan, emc.predicted_width(found, 40)))

    def test_bounds_are_no_values(self):
        """Width 2 fits fewer than the smallest number, not that number itself; width 8 more than the largest."""
        found = pd.DataFrame(
            {
                "width": [2, 4, 8, 8, 8],
                "seed": [0, 0, 0, 1, 2],
                "emc": [100.0, 150.0, 400.0, 300.0, 400.0],
                "censored": ["below", "", "above", "", "above"],
            }
        )
        assert emc.predicted_width(found, 100) == (2, 4)
        assert emc.predicted_width(found, 400) == (4, 8)


def test_runs_are_compared_at_the_lowest_train_error_that_all_of_their_width_reach():
    rows = [
        ("A", 4, 0, [0.5, 0.3, 0.1]),
        ("A", 4, 1, [0.5, 0.25, 0.2]),
        ("B", 4, 0, [0.4, 0.35, 0.3]),
        ("A", 8, 0, [0.2, 0.0, 0.0]),
        ("B", 8, 0, [0.0, 0.1, 0.0]),
    ]
    evaluations = pd.DataFrame(
        [
            {"procedure": name, "width": width, "seed": seed, "passes": passes, "train_error": error}
            for name, width, seed, errors in rows
            for passes, error in enumerate(errors, 1)
        ]
    )
    found = stochasticity.at_matched_error(evaluations)
    assert found[["procedure", "width", "seed", "passes"]].values.tolist() == [
        ["A", 4, 0, 2],
        ["A", 4, 1, 2],
        ["B", 4, 0, 3],
        ["A", 8, 0, 2],
        ["B", 8, 0, 1],
    ]


def test_the_lowest_weight_decay_is_chosen_width_by_width_by_the_mean():
    table = pd.concat(
        curve(errors, [2, 4]).assign(weight_decay=strength)
        for strength, errors in ((0.0, [0.5, 0.3]), (0.1, [0.4, 0.35]))
    )
    found = regularisation.lowest(table).groupby("width")["weight_decay"].unique()
    assert found[2].tolist() == [0.1]
    assert found[4].tolist() == [0.0]


def test_where_more_data_certainly_help():
    sizes = {
        100: curve([0.5, 0.5, 0.5]),
        200: curve([0.4, 0.5, 0.6]),
        400: curve([0.3, 0.5, 0.55]),
    }
    table = pd.concat(part.assign(train_size=size) for size, part in sizes.items())
    # Without any spread of the difference there is no interval, so the seeds get one.
    table["test_error"] += table["seed"] * table["train_size"] * 1e-6
    found = sample_wise.gains(table).set_index(["width", "fewer"])["helps"]
    assert found.to_dict() == {(1, 100): True, (1, 200): True, (2, 100): False, (2, 200): False, (3, 100): False,
                               (3, 200): True}  # fmt: skip
    assert [width for width, *_ in sample_wise.band(table)] == [2, 3]


def test_the_ensemble_averages_probabilities(tmp_path):
    planned = plan([Point(6, 0.2, 40, Procedure("SGD")).rung(TINY)], [], 3, tmp_path)
    for run in planned:
        execute(run.config, run.path)
    data = load_data(planned[0].config)
    votes = []
    for run in planned:
        model = build_model(run.config, data)
        model.load_state_dict(torch.load(RunDirectory(run.path).checkpoint, weights_only=True)["model"])
        logits = model.eval()(data.test.inputs).detach().double().numpy()
        exponentials = np.exp(logits)
        votes.append(exponentials / exponentials.sum(1, keepdims=True))
    wrong = np.mean(np.mean(votes, 0).argmax(1) != data.test.targets.numpy())
    assert ensemble_error(planned) == pytest.approx(wrong, abs=1e-12)
    RunDirectory(planned[1].path).checkpoint.unlink()
    with pytest.raises(ValueError, match="no checkpoint"):
        ensemble_error(planned)


class TestScript:
    def test_the_figures_share_their_runs(self, tmp_path, capsys):
        for figure in ("model_wise", "heatmap", "epoch_wise"):
            assert double_descent.main([figure, *QUICK, "--out", str(tmp_path)]) == 0
        assert len(list((tmp_path / "runs").iterdir())) == 6
        assert "Only printed" in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["model_wise", "stochasticity", "translation"])
    def test_measurements_tell_of_the_runs(self, name, tmp_path):
        assert double_descent.main([name, *QUICK, "--out", str(tmp_path)]) == 0
        table = read_evidence(tmp_path).measurements
        assert set(COLUMNS) <= set(table)
        assert set(table["figure"]) == {name}
        # A run's last row is in the runs.csv too, to the digits that measurements.csv keeps.
        runs = run_table(name, read_rows(tmp_path / "runs.csv"))
        last = table.loc[table.groupby(KEYS)["passes"].idxmax()]
        both = runs.merge(last, on=KEYS, suffixes=("", "_table"))
        assert len(both) == len(runs) == len(last)
        assert np.allclose(both["test_error"], both["test_error_table"], atol=1e-7)
        assert np.allclose(both["train_loss"], both["train_loss_table"], atol=1e-7)

    @pytest.mark.parametrize("name", FIGURES)
    def test_every_model_lists_its_settings(self, name, capsys):
        models = presets.TRANSLATION_MODELS if name == "translation" else presets.MODELS
        for data, sizes in models.items():
            for model in sizes:
                assert double_descent.main([name, f"data={data}", "--model", model, "--list"]) == 0
                assert f"model={model}" in "".join(capsys.readouterr().out.split())

    @pytest.mark.parametrize("data", ["mnist1d", "fashion_mnist", "cifar10", "cifar100", "iwslt14", "wmt14"])
    def test_the_settings_of_every_preset_compose(self, data):
        for models in (presets.MODELS.get(data, {}), presets.TRANSLATION_MODELS.get(data, {})):
            for sizes in models.values():
                procedures = (sizes.standard, *sizes.procedures)
                points = [sizes.point(sizes.widths[-1]).trained(procedure) for procedure in procedures]
                for point in points:
                    check(compose(point.rung(sizes.words).overrides))
        for sizes in presets.TRANSLATION_MODELS.get(data, {}).values():
            check(compose(translation.choose(sizes)[-1].rung(sizes.words).overrides))

    def test_random_features(self, tmp_path, capsys):
        assert double_descent.main(["random_features", "--quick", "--seeds", "2", "--out", str(tmp_path)]) == 0
        table = read_evidence(tmp_path).measurements
        assert set(COLUMNS) <= set(table)
        # With more features than samples the minimum-norm solution fits the labels; with half as many it cannot.
        plain = table[(table["procedure"] == "min norm") & (table["label_noise"] > 0)]
        errors = plain.groupby("width")["train_error"].max()
        assert errors[errors.index >= 150].max() == 0
        assert errors[errors.index <= 50].min() > 0

    def test_one_setting_alone(self, tmp_path, capsys):
        words = ["model_wise", *QUICK, "--out", str(tmp_path)]
        assert double_descent.main([*words, "--only", "width 2, noise 0.15"]) == 0
        assert len(list((tmp_path / "runs").iterdir())) == 1
        assert "Not finished: 4 / 0.15" in capsys.readouterr().out
        assert double_descent.main([*words, "--only", "with 2"]) == 2
        assert "fits no setting; " in capsys.readouterr().err

    def test_the_published_translation_on_tiny_files(self, tmp_path):
        pairs = [(f"das ist der Satz {word} {other}", f"this is sentence {word} {other}")
                 for word in ("eins", "zwei", "drei", "vier") for other in ("a", "b", "c")]  # fmt: skip
        for part, some in (("train", pairs[:9]), ("test", pairs[9:])):
            for side, language in enumerate(("de", "en")):
                (tmp_path / f"{part}.{language}").write_text("".join(f"{pair[side]}\n" for pair in some))
        sizes = replace(presets.TRANSLATION["iwslt14"], train_sizes=(4, 8), block_size=4, steps=2)
        words = (f"data.source.folder={tmp_path}", "data.source.vocabulary=100", "record.evaluate_every=0.5")
        for point in (translation.choose(sizes)[0], translation.choose(sizes)[-len(sizes.widths)]):
            summary = execute(compose([*point.rung(sizes.words).overrides, *words]), tmp_path / str(point.train_size))
            assert summary["status"] == "done"
            assert summary["steps"] == 2
            assert summary["test_loss"] > 0

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["model_wise", "data=mnist"], "did you mean 'mnist1d'"),
            (["model_wise", "--model", "cnn"], "no such preset for data=mnist1d"),
            (["model_wise", "model.width=3"], "this study sets it itself"),
            (["regularisation", "optimizer.weight_decay=0.1"], "this study sets it itself"),
            (["stochasticity", "regime=full_batch"], "this study sets it itself"),
            (["translation", "budget.passes=3"], "this study sets it itself"),
            (["random_features", "--only", "label noise"], "trains no networks"),
            (["random_features", "data=cifar10"], "no preset"),
            (["model_wise", "optimizer.momentun=0.5"], "momentum"),
            (["emc", "--seeds", "0"], "--seeds = 0"),
            (["model_wise", "--draws", "fres"], "did you mean 'fresh'"),
            (["emc", "--draws", "fresh"], "has no such option"),
        ],
    )
    def test_mistakes_end_in_one_line(self, words, message, tmp_path, capsys):
        assert double_descent.main([*words, "--out", str(tmp_path / "none")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
        assert not (tmp_path / "none").exists()

    def test_an_unknown_figure_is_told_the_known_ones(self, capsys):
        with pytest.raises(SystemExit):
            double_descent.main(["modelwise"])
        assert "model_wise" in capsys.readouterr().err

    @pytest.mark.parametrize(("data", "model"), [("cifar10", "preact_resnet18"), ("cifar100", "cnn5")])
    def test_a_step_of_each_published_procedure_on_cifar_files(self, data, model, tmp_path):
        folder = write_cifar(tmp_path / "files", data, "binary")
        sizes = presets.MODELS[data][model]
        words = (f"data.source.folder={folder}", "data.source.verify=false", "data.train_size=8", "budget.passes=1")
        for procedure in (sizes.standard, *sizes.procedures):
            rung = Point(1, 0.2, 8, procedure).rung(sizes.words)
            config = compose([*rung.overrides, *words, "regime.block_size=8", "impl.evaluation_batch=10"])
            summary = execute(config, tmp_path / procedure.name)
            assert summary["status"] == "done"
            assert 0 <= summary["test_accuracy"] <= 1


class TestPublishedSettings:
    def test_the_notebook(self):
        sizes = presets.MLP
        assert sizes.widths[0] == 2
        assert sizes.widths[-1] == 300
        assert {16, 47, 61} <= set(sizes.widths)
        words = dict(word.split("=") for word in (*sizes.words, *sizes.standard.words))
        notebook = {
            "data.source.train": "4000",
            "data.source.test": "12000",
            "data.label_noise_over": "all",
            "regime.block_size": "100",
            "budget.passes": "500",
            "optimizer.lr": "0.01",
        }
        assert words.items() >= notebook.items()

    def test_500000_steps_and_a_drop_every_512(self):
        words = dict(word.split("=") for word in presets.MODELS["cifar10"]["cnn5"].standard.words)
        steps_per_pass = -(-50_000 // 128)
        assert abs(float(words["budget.passes"]) * steps_per_pass - 500_000) < steps_per_pass
        assert float(words["schedule.period"]) * steps_per_pass == pytest.approx(512)


def test_the_landmarks_of_the_literature_stand_beside_ours():
    table = curve([0.6, 0.4, 0.55, 0.3], label_noise=0.15, best_test_error=0.3)
    description = Description("", [], published=[asdict(presets.MLP.references[0])])
    rows = model_wise.told(Evidence(description, measurements=table)).rows
    assert [row["peak"] for row in rows] == ["55.00 ± 1.00 at 3", "54.05 at 47"]
    assert [row["label noise"] for row in rows] == ["0.15", "0.15, published"]


def test_a_map_shows_moments_of_the_whole_training():
    parts = [curve([0.6, 0.4, 0.3]).assign(passes=passes) for passes in (1, 2, 10, 100)]
    rows = heatmap.summarise(pd.concat(parts)).rows
    assert [row["passes"] for row in rows] == ["1", "2", "10", "100"]
