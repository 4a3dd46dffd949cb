"""Double descent: the shape of curves, the effective model complexity, matched errors, ensembles, and every figure."""

import itertools
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from files import write_cifar

from fbgd.config.build import build_model, check, load_data
from fbgd.config.compose import compose
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence, read_evidence
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import plan
from fbgd.runs.rows import read_rows
from fbgd.studies import double_descent as family
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
from fbgd.studies.double_descent.ensemble import ensemble_error
from fbgd.studies.double_descent.settings import Point, Procedure
from fbgd.studies.double_descent.shape import find_peak, threshold
from fbgd.studies.double_descent.tidy import COLUMNS, KEYS, run_table
from scripts import double_descent

FIGURES = {study.name: study for study in family.STUDIES if study.name != "random_features"}
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
        found = find_peak(curve([0.6, 0.4, 0.45, 0.55, 0.5, 0.3], [1, 2, 4, 8, 16, 32]))
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

    def test_a_rise_is_certain_when_both_intervals_are_above_zero(self):
        table = curve([0.4, 0.5, 0.3])
        table["test_error"] += [0.0, 0.001, 0.0, 0.001, 0.0, 0.0, 0.0, 0.0, 0.001]
        assert find_peak(table).certain
        # A t-interval of three pairs has 4.3 standard errors on either side.
        table["test_error"] += [0.0, 0.2, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0]
        assert not find_peak(table).certain

    def test_threshold_is_interpolated_in_the_logarithm(self):
        table = pd.DataFrame({"width": [1, 10, 100], "train_error": [0.5, 0.2, 0.0], "seed": 0})
        assert threshold(table) == pytest.approx(10**1.5)
        assert threshold(table, epsilon=0.2) == pytest.approx(10)
        assert math.isnan(threshold(table, epsilon=0.5))
        assert math.isnan(threshold(table.head(2)))


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
