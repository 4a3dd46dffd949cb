"""Comparing: from folders to one page, with every run, every setting and every mistake in sight."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from files import ROOT
from scipy import stats

from fbgd.config.compose import compose
from fbgd.config.schema import to_dict
from fbgd.report.compare import compare
from fbgd.report.evidence import Evidence
from fbgd.report.names import SHORT, regularizer_names, with_column
from fbgd.report.settings import also_differ
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory, write_atomically
from fbgd.runs.plan import Rung, collect, plan
from fbgd.runs.provenance import identity, science
from fbgd.runs.rows import flatten, read_rows, run_row, to_frame
from fbgd.studies.study import Study
from fbgd.studies.writer import write
from scripts import compare as script

LADDER = ROOT / "results" / "geiping_ladder" / "mnist1d"

TINY = (
    "data.source.train=30",
    "data.source.test=10",
    "model=mlp",
    "model.width=4",
    "regime.block_size=10",
    "budget.passes=1",
    "impl.threads=1",
)
ACCURACIES = {
    ("SGD", "SGD"): [0.95, 0.96, 0.97],
    ("SGD", "full batch"): [0.60, 0.64, 0.66],
    ("Adam", "SGD"): [0.94, 0.96, 0.96],
    ("Adam", "full batch"): [0.80, 0.79, 0.84],
}
WORDS = {"SGD": ("optimizer=sgd",), "Adam": ("optimizer=adam", "budget.passes=3")}


def finish(path, config, accuracy, status="done", content_hash="a" * 64):
    """A run directory as a finished run leaves it, with a chosen accuracy."""
    path.mkdir(parents=True)
    summary = {
        "status": status,
        "seed": config.seed,
        "test_accuracy": accuracy,
        "passes": 3.0,
        "identity": identity(config),
    }
    summary |= {"gradient_evaluations": 90, "seconds": 1.0, "train_size": 30, "test_size": 10, "threads": 1}
    summary |= {"content_hash": content_hash, "git_revision": "f" * 40, "torch": "2", "device": "cpu"}
    write_atomically(path / "config.yaml", json.dumps(to_dict(config)))
    write_atomically(path / "summary.json", json.dumps(summary))
    write_atomically(path / "metrics.csv", "passes,loss\n3,0.5\n")


def make_study(out, accuracies=None, labelled=True, overrides=()):
    """A study optimizer x regime with chosen accuracies."""
    accuracies = accuracies or ACCURACIES
    rungs = [
        Rung(
            f"{optimizer}, {regime}",
            (*TINY, *WORDS[optimizer], "regime.blocks_per_step=" + ("1" if regime == "SGD" else "all")),
            labels={"optimizer": optimizer, "regime": regime} if labelled else {},
        )
        for optimizer, regime in accuracies
    ]
    planned = plan(rungs, list(overrides), 3, out)
    for run in planned:
        optimizer, _, regime = run.rung.partition(", ")
        finish(run.path, run.config, accuracies[optimizer, regime][run.seed])
    return rungs, planned


def write_study(out, **options):
    """The same, reported."""
    rungs, planned = make_study(out, **options)
    assert report(rungs, planned, out, baseline={"optimizer": "SGD"}, paragraphs=("Own words.",))
    return out


def report(rungs, planned, out, overrides=(), **options):
    """Write runs as those of a user's study."""
    study = Study(name="", title="", about="", presets={}, rungs=list, quick=lambda preset, data: preset, **options)
    description = study.describe(f"Study {out.name}", None, rungs, list(overrides))
    return write(study, Evidence(description, collect(planned)), out)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """One study for all tests that only look at it."""
    return write_study(tmp_path_factory.mktemp("looked-at") / "grid")


def test_a_study_s_folder_gives_its_own_page(tmp_path, capsys):
    out = write_study(tmp_path / "grid")
    capsys.readouterr()
    for words, name in (([], "table.md"), (["--format", "csv"], "table.csv")):
        assert script.main([str(out), "--format", "md", *words]) == 0
        assert capsys.readouterr().out == (out / name).read_text()
    assert script.main([str(out / "runs.csv"), "--format", "md", "--out", str(tmp_path / "new" / "t.md")]) == 0
    assert (tmp_path / "new" / "t.md").read_text() == (out / "table.md").read_text()
    table = compare([out]).table
    test = stats.ttest_ind(ACCURACIES["Adam", "full batch"], ACCURACIES["SGD", "full batch"], equal_var=False)
    assert table["delta_low"][3] == pytest.approx(100 * test.confidence_interval(0.975).low)
    text = (out / "table.md").read_text()
    assert "difference to SGD of the same regime" in text
    assert "Own words." in text


def test_runs_made_by_the_engine(tmp_path):
    """Two tiny runs executed as a user would, then compared by the settings in which they differ."""
    for name, words in (("a", ()), ("b", ("optimizer=adam", "regime=full_batch", "regime.block_size=10"))):
        for seed in (0, 1):
            execute(compose([*TINY, *words, f"seed={seed}"]), tmp_path / name / f"seed{seed}")
    page = compare([tmp_path])
    assert page.header[:6] == ["regime", "regime.order", "optimizer", "optimizer.lr", "optimizer.weight_decay", "n"]
    assert [row[:6] for row in page.rows] == [
        ["SGD", "reshuffle", "SGD", "0.1", "0.0005", "2"],
        ["full batch", "fixed", "Adam", "0.001", "0", "2"],
    ]
    accuracies = [json.loads((tmp_path / f"a/seed{seed}/summary.json").read_text())["test_accuracy"] for seed in (0, 1)]
    assert page.table["mean"][0] == pytest.approx(50 * sum(accuracies))
    assert any("30 training and 10 test samples" in text for text in page.paragraphs)
    assert compare([tmp_path / "a" / "seed0"]).table["n"].tolist() == [1]


def test_raw_runs_give_the_study_s_numbers(tmp_path):
    out = write_study(tmp_path / "grid")
    reported = compare([out]).table
    raw = compare([out / "runs"], by=["optimizer", "regime"], baseline="optimizer=SGD", sort="optimizer").table
    for _, row in raw.iterrows():
        same = reported[(reported["optimizer"] == row["optimizer"]) & (reported["regime"] == row["regime"])].iloc[0]
        pd.testing.assert_series_equal(row, same, check_names=False)


def test_failed_missing_and_diverged_runs_are_shown(tmp_path):
    _, planned = make_study(tmp_path)
    directories = [RunDirectory(run.path) for run in planned]
    directories[0].summary.unlink()
    directories[1].summary.unlink()
    directories[1].error.write_text("Traceback\nValueError: too large\n")
    summary = directories[2].read_summary() | {"status": "diverged"}
    write_atomically(directories[2].summary, json.dumps(summary))
    early = tmp_path / "runs" / "early"
    early.mkdir()
    (early / "error.txt").write_text("ValueError: no such data\n")
    page = compare([tmp_path], by=["optimizer", "regime"])
    shown = {tuple(row[:2]): row[2] for row in page.rows}
    assert shown == {
        ("SGD", "SGD"): "2 of 3",
        ("SGD", "full batch"): "2 of 3, 1 of 3 failed",
        ("Adam", "SGD"): "3, 1 of 3 diverged",
        ("Adam", "full batch"): "3",
    }
    notes = "\n".join(page.paragraphs)
    assert "SGD / full batch, seed 0 failed: ValueError: too large." in notes
    assert "Adam / SGD, seed 0 diverged after 3 passes" in notes
    assert "Not finished: SGD / SGD (seed 0)." in notes
    assert "early failed before its settings were written: ValueError: no such data." in notes


def test_nothing_finished_yet(tmp_path):
    _, planned = make_study(tmp_path)
    for run in planned:
        RunDirectory(run.path).summary.unlink()
    page = compare([tmp_path], by=["optimizer"], across="regime")
    assert page.rows[0] == ["Adam", "– (0 of 3)", "– (0 of 3)", "–", "–"]
    assert page.paragraphs[-1].startswith("Not finished: Adam / full batch (seed ")


def test_one_row_is_compared_by_welch_and_not_what_survived_of_it(tmp_path):
    _, planned = make_study(tmp_path)
    words = {"by": ["optimizer", "regime"], "baseline": "optimizer=SGD", "where": ["regime=full batch"]}
    page = compare([tmp_path], **words)
    row = page.table[page.table["optimizer"] == "Adam"].iloc[0]
    test = stats.ttest_ind(ACCURACIES["Adam", "full batch"], ACCURACIES["SGD", "full batch"], equal_var=False)
    assert row["p_value"] == pytest.approx(test.pvalue)
    assert row["delta_high"] == pytest.approx(100 * test.confidence_interval(0.95).high)
    assert "by Welch's t-test" in "\n".join(page.paragraphs)
    RunDirectory(planned[-1].path).summary.unlink()
    page = compare([tmp_path], **words)
    row = page.table[page.table["optimizer"] == "Adam"].iloc[0]
    assert row[["delta_low", "p_value", "ci_low"]].isna().all()


class TestFilters:
    @pytest.mark.parametrize(
        ("where", "kept"),
        [
            (["regime=SGD"], [("SGD", "SGD"), ("Adam", "SGD")]),
            (["regime!=SGD"], [("SGD", "full batch"), ("Adam", "full batch")]),
            (["optimizer=SGD,Adam", "regime=SGD"], [("SGD", "SGD"), ("Adam", "SGD")]),
            (["optimizer.lr=1e-3"], [("Adam", "SGD"), ("Adam", "full batch")]),
            (["optimizer.betas=[0.9, 0.999]"], [("Adam", "SGD"), ("Adam", "full batch")]),
            (["optimizer.betas!="], [("Adam", "SGD"), ("Adam", "full batch")]),
            (["budget.passes=1.0", "regime=full batch"], [("SGD", "full batch")]),
            (["seed=0"], list(ACCURACIES)),
        ],
    )
    def test_where(self, study, where, kept):
        table = compare([study], where=where).table
        assert list(zip(table["optimizer"], table["regime"], strict=True)) == kept
        assert table["n"].tolist() == [1 if where == ["seed=0"] else 3] * len(kept)

    def test_also_differ_tells_what_the_table_does_not(self, study):
        """What goes with a label stands with it; what no label decides differs."""
        texts = compare([study]).paragraphs
        (line,) = [text for text in texts if text.startswith("By optimizer: ")]
        assert "SGD: optimizer (lr 0.1, " in line
        assert "Adam: optimizer (lr 0.001, " in line
        assert "budget (passes 3)" in line
        assert not [text for text in texts if text.startswith("Also differ in")]
        runs = pd.concat([read_rows(study / "runs.csv")] * 2, ignore_index=True)
        runs["optimizer.lr"] = ["0.1"] * 12 + ["0.2"] * 12
        (line,) = [text for text in also_differ(runs, ["optimizer", "regime"]) if text.startswith("Also differ in")]
        assert "optimizer.lr (0.1, 0.2)" in line
        assert "budget.passes (1, 3)" in line
        # Grouped by, or an option that only one class has and has one value.
        assert "optimizer._target_" not in line
        assert "blocks_per_step" not in line
        assert "betas" not in line
        filtered = compare([study], by=["optimizer", "optimizer.lr"], where=["budget.passes=3"])
        assert not [text for text in filtered.paragraphs if text.startswith("Also differ in: budget")]

    def test_rows_over_several_settings_say_so(self, study):
        texts = compare([study], by=["optimizer"]).paragraphs
        assert "Rows that average over different settings: of regime." in texts

    def test_side_by_side(self, study):
        page = compare([study], across="regime")
        assert page.header[:3] == ["optimizer", "SGD: test accuracy %", "full batch: test accuracy %"]
        test = stats.ttest_ind(ACCURACIES["SGD", "full batch"], ACCURACIES["SGD", "SGD"], equal_var=False)
        assert page.table["delta_low full batch"][0] == pytest.approx(100 * test.confidence_interval(0.975).low)
        turned = compare([study], across="regime", baseline="regime=full batch")
        assert turned.header[3] == "SGD - full batch (95 %)"

    def test_sort(self, study):
        means = compare([study], sort="mean").table["mean"].tolist()
        assert means == sorted(means)
        page = compare([study], sort="-mean")
        assert page.table["mean"].tolist() == means[::-1]
        assert page.rows[0][:2] == ["SGD", "SGD"]
        assert [row[0] for row in compare([study], sort="optimizer").rows] == ["Adam", "Adam", "SGD", "SGD"]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--by", "optimiser"], "did you mean 'optimizer'"),
            (["--where", "optimizer=Adan"], "did you mean 'Adam'"),
            (["--where", "optimizer"], "key=value"),
            (["--where", "regim=SGD"], "did you mean 'regime'"),
            (["--where", "regime=SGD", "--where", "regime=full batch"], "no run has regime=full batch"),
            (["--where", "regime!=SGD,full batch"], "leaves no runs"),
            (["--metric", "test_acc"], "did you mean 'test_accuracy'"),
            (["--metric", "test_loss"], "valid:"),
            (["--sort", "-meen"], "did you mean 'mean'"),
            (["--baseline", "optimizer=Adan"], "did you mean 'Adam'"),
            (["--baseline", "Adam"], "key=value"),
            (["--baseline", "data=mnist1d"], "not grouped by 'data'"),
            (["--across", "regime", "--baseline", "optimizer=SGD"], "does not stand side by side"),
            (["--across", "model"], "one value only"),
            (["--format", "tex"], "did you mean 'latex'"),
        ],
    )
    def test_mistakes_end_in_one_line(self, study, capsys, words, message):
        assert script.main([str(study), *words]) == 2
        out, error = capsys.readouterr()
        assert out == ""
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1


def test_two_studies_stand_side_by_side_by_themselves(tmp_path):
    other = {
        key: [value - 0.1 * (1 + index) for index, value in enumerate(values)] for key, values in ACCURACIES.items()
    }
    paths = [
        write_study(tmp_path / "one"),
        write_study(tmp_path / "two", accuracies=other, overrides=["model.width=5"]),
    ]
    page = compare(paths)
    assert page.header[:4] == ["optimizer", "regime", "one: test accuracy %", "two: test accuracy %"]
    test = stats.ttest_ind(other["SGD", "SGD"], ACCURACIES["SGD", "SGD"], equal_var=False)
    assert page.table["delta_high two"][0] == pytest.approx(100 * test.confidence_interval(1 - 0.05 / 4).high)
    assert "By study: one: model (width 4) | two: model (width 5)." in page.paragraphs
    assert page.rows == compare([tmp_path]).rows
    stacked = compare(paths, by=["study", "optimizer", "regime"])
    assert list(stacked.table["study"]) == ["one"] * 4 + ["two"] * 4
    assert stacked.table["delta"].notna().sum() == 4


def test_a_label_with_which_nothing_is_said_gets_no_sentence():
    """All that differs between the two ladders' settings is told by the data sets' names."""
    texts = compare([LADDER, LADDER.parent / "fashion_mnist"]).paragraphs
    assert not [text for text in texts if text.startswith("By study")]


def test_folders_of_one_name_are_told_apart(tmp_path):
    page = compare([write_study(tmp_path / "a" / "grid"), write_study(tmp_path / "b" / "grid")])
    assert page.header[2:4] == ["a/grid: test accuracy %", "b/grid: test accuracy %"]


def test_the_same_run_given_twice_counts_once(tmp_path):
    out = write_study(tmp_path / "grid")
    page = compare([out, out], by=["optimizer", "regime"])
    assert page.table["n"].tolist() == [3] * 4
    assert "12 run(s) were given twice (the same identity) and count once." in page.paragraphs


def test_other_data_is_named(tmp_path):
    config = compose(TINY)
    finish(tmp_path / "a", config, 0.5)
    finish(tmp_path / "b", replace(config, seed=1), 0.5, content_hash="b" * 64)
    (line,) = [text for text in compare([tmp_path]).paragraphs if text.startswith("Also differ")]
    assert line == f"Also differ in: content_hash ({'a' * 12}, {'b' * 12})."


def test_nothing_to_compare(tmp_path, capsys):
    (tmp_path / "runs.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.yaml").write_text("{")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("nowhere", "no such file"),
        ("empty", "has no runs"),
        ("runs.csv", "no column seed"),
        ("broken", "no configuration of a run"),
    ):
        assert script.main([str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def frame_of(*settings):
    """Rows of runs with these science settings."""
    return to_frame([run_row(RunDirectory("nowhere"), {}, 0, one) for one in settings], ())


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["SGD", "SGD", "ResNet", "mnist1d", "Cosine", "none"]),
        (
            [
                "optimizer._target_=torch.optim.NAdam",
                "regime=full_batch",
                "schedule=constant",
                "regularizer=gradient_penalty",
            ],
            ["NAdam", "full batch", "ResNet", "mnist1d", "Constant", "gradient_penalty"],
        ),
        (
            ["regime=large_batch", "regularizer=[gradient_clipping,gradient_penalty]"],
            ["SGD", "8 blocks a step", "ResNet", "mnist1d", "Cosine", "gradient_clipping+gradient_penalty"],
        ),
    ],
)
def test_short_names(words, names):
    runs = frame_of(science(to_dict(compose(words))))
    assert [with_column(runs, name)[name][0] for name in SHORT] == names


def test_a_wrapper_shows_its_base_and_its_learning_rate_is_named():
    plain = {"optimizer": {"_target_": "optimizers.SGD", "lr": 0.1, "momentum": 0.9}}
    base = {"_target_": "optimizers.SGD", "lr": 0.05, "momentum": 0.9}
    runs = frame_of(plain, {"optimizer": {"_target_": "optimizers.SAM", "radius": 0.1, "base": base}})
    assert list(with_column(runs, "optimizer")["optimizer"]) == ["SGD", "SAM(SGD)"]
    named = also_differ(with_column(runs, "optimizer"), ["optimizer"])
    assert named == ["Also differ in: optimizer.lr (0.1, unset), optimizer.base.lr (unset, 0.05)."]


def test_flat_settings_are_texts():
    node = {"a": {"b": 1.0, "c": [0.9, 0.99], "d": None, "e": True}, "f": 1e-8, "g": {}}
    assert flatten(node) == {"a.b": "1", "a.c": "[0.9, 0.99]", "a.d": "", "a.e": "true", "f": "1e-08"}


def test_seeds_can_be_grouped_by():
    page = compare([LADDER], by=["seed"], where=["rung!=Baseline FB"])
    assert [row[0] for row in page.rows] == [str(seed) for seed in range(10)]
    # What the study says about its whole table is not said about a part of it.
    assert not any("Nothing was selected" in text for text in page.paragraphs)


def test_a_side_that_is_filtered_away_leaves_a_row_a_group():
    folder = LADDER.parent.parent / "fair_ladder" / "mnist1d"
    page = compare([folder], where=["training=SGD"])
    assert [row[0] for row in page.rows][:2] == ["short", "longer"]
    assert page.header[:3] == ["ingredient", "training", "n"]


def test_regularisers_that_act_through_the_model_have_a_name():
    row = {"model._target_": "fbgd.models.MLP", "model.dropout": "0.2", "model.stochastic_depth": "0"}
    assert regularizer_names(row) == "dropout"
    assert regularizer_names({**row, "regularizer.l2._target_": "regularizers.L2"}) == "l2+dropout"
    assert regularizer_names({"model._target_": "fbgd.models.MLP"}) == "none"


def test_the_caption_says_when_other_weights_than_the_last_are_evaluated(tmp_path):
    words = ["data.source.train=40", "data.source.test=10", "model=mlp", "regime.block_size=10", "budget.passes=1"]
    execute(compose([*words, "impl.threads=1", "regularizer=ema"]), tmp_path / "run")
    (text, *_) = compare([tmp_path]).paragraphs
    assert "at the end of training, of other weights than the last with EMA." in text
