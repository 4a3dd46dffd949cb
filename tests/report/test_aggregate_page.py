"""A study on several data sets as one page: from folders to rows, verdicts, sentences and a figure."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
import reference
from files import ROOT

from fbgd.report.aggregate_page import aggregate
from fbgd.report.profiles import profile_figure
from scripts import compare as script

RESULTS = ROOT / "results"
# The ladder with three seeds on two data sets; rliable's numbers are of these.
LADDER = [ROOT / "tests" / "data" / "geiping_ladder" / name for name in ("mnist1d", "fashion_mnist")]
RUNGS = ["Baseline SGD", "Baseline FB", "FB train longer", "FB clipped", "FB regularised", "FB strong reg."]
RUNGS += ["FB in practice"]


def accuracies(rung, column="test_accuracy"):
    """A rung's values on both data sets, as committed."""
    frames = [pd.read_csv(folder / "runs.csv") for folder in LADDER]
    return [frame.loc[frame["rung"] == rung, column].tolist() for frame in frames]


def changed(out, edit, source=LADDER[0]):
    """A copy of a study's folder with its rows of runs changed in place."""
    out.mkdir(parents=True)
    shutil.copy(source / "study.json", out)
    runs = edit(pd.read_csv(source / "runs.csv", dtype=str))
    runs.to_csv(out / "runs.csv", index=False)
    return out


def with_values(rung, **values):
    """An edit: seed 0 of a rung gets these values."""

    def edit(runs):
        for column, value in values.items():
            runs.loc[(runs["rung"] == rung) & (runs["seed"] == "0"), column] = value
        return runs

    return edit


def only(**kept):
    """An edit: the rows of these values."""

    def edit(runs):
        for column, values in kept.items():
            runs = runs[runs[column].isin(values)]
        return runs

    return edit


def row_of(page, rung):
    """The numbers of one rung."""
    (row,) = page.table[page.table["rung"] == rung].to_dict("records")
    return row


@pytest.fixture(scope="module")
def ladder():
    """Page and evidence of the two committed ladders."""
    return aggregate(LADDER)


def test_numbers_are_those_of_the_runs(ladder):
    page, _ = ladder
    assert page.table["rung"].tolist() == RUNGS
    for rung in RUNGS:
        row, ours = row_of(page, rung), accuracies(rung)
        assert (row["n"], row["runs"], row["studies"]) == (6, 6, 2)
        assert row["iqm"] == pytest.approx(100 * reference.middle_mean(ours))
        assert row["mean"] == pytest.approx(100 * np.mean(ours))
        if rung != "Baseline SGD":
            assert row["improvement"] == pytest.approx(reference.improvement(ours, accuracies("Baseline SGD")))
    assert page.table.loc[0, ["improvement", "improvement_low", "p_value"]].isna().all()


def test_intervals_are_rliable_s(ladder):
    """rliable 1.2.0 with 10,000 draws: interquartile means at 95 %, improvement over Baseline SGD at 1 - 0.05 / 6."""
    page, _ = ladder
    means = {
        "Baseline SGD": (88.0925, 88.9375),
        "Baseline FB": (48.53, 51.72),
        "FB train longer": (84.57, 88.10375),
        "FB in practice": (89.2625, 90.33375),
    }
    for rung, interval in means.items():
        row = row_of(page, rung)
        assert (row["iqm_low"], row["iqm_high"]) == pytest.approx(interval, abs=0.05)
    for rung, interval in {"FB strong reg.": (1 / 3, 1), "FB in practice": (2 / 3, 1), "FB clipped": (0, 0.5)}.items():
        row = row_of(page, rung)
        assert (row["improvement_low"], row["improvement_high"]) == pytest.approx(interval, abs=0.03)
    assert "95 % corrected for 6 row(s)" in " ".join(page.paragraphs)
    assert "99.17 %" in page.header
    assert page.table["level"].tolist() == pytest.approx([np.nan] + 6 * [1 - 0.05 / 6], nan_ok=True)


def test_a_verdict_takes_the_interval_and_the_test(ladder):
    """FB in practice: its interval is above one half, but 6 of 400 exchanges are as far apart, 5 rows remaining."""
    page, _ = ladder
    assert page.table["verdict"].tolist() == ["", "worsens", *["undecided"] * 5]
    best, base = accuracies("FB in practice"), accuracies("Baseline SGD")
    row = row_of(page, "FB in practice")
    assert row["improvement_low"] > 0.5
    assert row["p_value"] == pytest.approx(5 * reference.exchanged_p_value(best, base), abs=0.02)
    assert row["p_value"] > 0.05
    turned, _ = aggregate(LADDER, baseline="rung=Baseline FB")
    assert turned.table["verdict"].tolist() == ["improves", "", *["improves"] * 5]


def test_two_separated_runs_a_study_decide_nothing(tmp_path):
    pair = only(rung=["Baseline SGD", "Baseline FB"], seed=["0", "1"])
    page, _ = aggregate([changed(tmp_path / name, pair) for name in ("one", "two")])
    row = row_of(page, "Baseline FB")
    assert (row["improvement_low"], row["improvement_high"]) == (0, 0)
    assert row["verdict"] == "undecided"


def test_of_losses_the_lower_is_better(ladder):
    page, evidence = aggregate(LADDER, metric="test_loss", sort="iqm")
    row = row_of(page, "Baseline FB")
    assert row["improvement"] == 0
    assert row["verdict"] == "worsens"
    assert page.table["iqm"].is_monotonic_increasing
    ours, base = (accuracies(rung, "test_loss") for rung in ("FB strong reg.", "Baseline SGD"))
    expected = reference.improvement(base, ours)
    assert row_of(page, "FB strong reg.")["improvement"] == pytest.approx(expected)
    assert "lower being better" in " ".join(page.paragraphs)
    assert "lower being better" not in " ".join(ladder[0].paragraphs)
    (axes,) = profile_figure(evidence).axes
    (line,) = [line for line in axes.lines if line.get_label() == "FB strong reg."]
    for loss, share in zip(*line.get_data(), strict=True):
        assert share == pytest.approx(np.mean(np.concatenate(ours) < loss))
    assert axes.get_ylabel() == "share of runs below"


class TestMissingValues:
    def test_a_group_that_lacks_one_has_no_interval(self, tmp_path):
        failed = with_values("FB clipped", status="failed", test_accuracy="", error="out of memory")
        page, evidence = aggregate([changed(tmp_path / "one", failed), LADDER[1]])
        row = row_of(page, "FB clipped")
        assert (row["n"], row["runs"]) == (5, 6)
        assert np.isnan([row["iqm_low"], row["improvement_low"], row["p_value"]]).all()
        known = [accuracies("FB clipped")[0][1:], accuracies("FB clipped")[1]]
        assert row["iqm"] == pytest.approx(100 * reference.middle_mean(known))
        texts = " ".join(page.paragraphs)
        assert "No interval, since not all runs have a value: FB clipped (2 of 3 on one)." in texts
        assert "95 % corrected for 5 row(s)" in texts
        assert "FB clipped / one, seed 0 failed: out of memory." in texts
        assert "A study with more runs weighs more" in texts
        (axes,) = profile_figure(evidence).axes
        assert (len(axes.lines), len(axes.collections)) == (7, 6)

    def test_a_diverged_run_counts_with_what_it_ended_with_and_decides_nothing(self, tmp_path):
        edit = with_values("FB clipped", status="diverged", test_accuracy="0.1")
        page, _ = aggregate([changed(tmp_path / "one", edit), LADDER[1]])
        row = row_of(page, "FB clipped")
        first, second = accuracies("FB clipped")
        assert row["iqm"] == pytest.approx(100 * reference.middle_mean([[0.1, *first[1:]], second]))
        assert row["diverged"] == 1
        assert math.isnan(row["iqm_low"])
        assert "No interval, since a run diverged or failed: FB clipped." in page.paragraphs
        edit = with_values("FB clipped", status="diverged", test_loss="inf")
        page, _ = aggregate([changed(tmp_path / "two", edit), LADDER[1]], metric="test_loss")
        assert "FB clipped (2 of 3 on two)" in " ".join(page.paragraphs)

    def test_a_baseline_that_lacks_one_decides_nothing(self, tmp_path):
        edit = with_values("Baseline SGD", status="missing", test_accuracy="")
        page, _ = aggregate([changed(tmp_path / "one", edit), LADDER[1]])
        assert page.table["improvement"].notna().sum() == 6
        assert page.table["improvement_low"].isna().all()
        assert set(page.table["verdict"]) == {""}
        assert page.table["iqm_low"].notna().sum() == 6
        assert "corrected for" not in " ".join(page.paragraphs)

    def test_a_group_without_any_has_a_row_of_dashes(self, tmp_path):
        def edit(runs):
            runs.loc[runs["rung"] == "FB clipped", ["status", "test_accuracy"]] = ["missing", ""]
            return runs

        page, evidence = aggregate([changed(tmp_path / "one", edit), LADDER[1]])
        assert page.rows[3][:5] == ["FB clipped", "3 of 6", "–", "–", "–"]
        assert len(profile_figure(evidence).axes[0].lines) == 6

    def test_one_run_on_a_study_has_no_interval(self, tmp_path):
        page, _ = aggregate([changed(tmp_path / "one", only(seed=["0"])), LADDER[1]])
        assert page.table[["iqm_low", "improvement_low"]].isna().all(axis=None)
        texts = " ".join(page.paragraphs)
        assert "No interval, which takes two runs on each study: Baseline SGD; Baseline FB;" in texts


def test_only_groups_of_all_studies_are_aggregated(tmp_path):
    page, _ = aggregate([changed(tmp_path / "one", only(rung=RUNGS[:3])), LADDER[1]])
    assert page.table["rung"].tolist() == RUNGS[:3]
    (text,) = [text for text in page.paragraphs if text.startswith("Left out")]
    assert text.startswith("Left out, since not all studies have them: FB clipped (not in one); FB regularised (")
    # Without the studies' baseline there is nothing to improve on.
    page, _ = aggregate([changed(tmp_path / "two", only(rung=RUNGS[1:])), LADDER[1]])
    assert page.table["improvement"].isna().all()
    assert page.header == ["rung", "n over 2 studies", "IQM test accuracy %", "95 % interval", "mean"]


def test_rows_are_grouped_and_filtered_as_asked():
    page, _ = aggregate(LADDER, by=["regime", "budget.passes"], where=["rung!=Baseline SGD"])
    assert page.table[["regime", "budget.passes"]].to_numpy().tolist() == [["full batch", "30"], ["full batch", "210"]]
    assert page.table["n"].tolist() == [6, 30]
    page, _ = aggregate(LADDER, by=["regime", "budget.passes"], baseline="regime=SGD")
    assert page.table["improvement"].notna().tolist() == [False, True, False]
    assert "one of SGD of the same budget.passes on" in " ".join(page.paragraphs)


def test_three_studies_of_two_labels(tmp_path):
    """Each row against the row of its own other label, over three studies."""
    folder = RESULTS / "fair_ladder" / "mnist1d"
    paths = [folder, *(changed(tmp_path / name, lambda runs: runs, folder) for name in ("one", "two"))]
    page, _ = aggregate(paths)
    assert page.header[:3] == ["ingredient", "training", "n over 3 studies"]
    compared = page.table[page.table["improvement"].notna()]
    assert set(compared["training"]) == {"SGD"}
    assert len(compared) == len(page.table) / 2


def test_the_command(tmp_path, capsys, ladder):
    page, _ = ladder
    words = [*map(str, LADDER), "--aggregate"]
    out, figure = tmp_path / "new" / "table.csv", tmp_path / "figures" / "profiles.png"
    assert script.main([*words, "--format", "csv", "--out", str(out), "--figure", str(figure)]) == 0
    assert pd.read_csv(out)["iqm"].tolist() == pytest.approx(page.table["iqm"].tolist())
    assert figure.read_bytes().startswith(b"\x89PNG")
    for kind, start in ((".pdf", b"%PDF"), (".svg", b"<?xml")):
        assert script.main([*words, "--out", str(out), "--figure", str(figure.with_suffix(kind))]) == 0
        assert figure.with_suffix(kind).read_bytes().startswith(start)
    assert script.main([str(LADDER[0].parent), "--aggregate", "--format", "md"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# Aggregate of 2 studies: Geiping ladder, fashion_mnist; Geiping ladder, mnist1d\n")
    assert "| Baseline FB | 6 | 49.96 | " in shown
    assert " | 49.95 | 0.00 | 0.00 to 0.00 | 0.0" in shown


def test_the_lines_of_the_figure_are_the_shares(ladder):
    _, evidence = ladder
    (axes,) = profile_figure(evidence).axes
    assert [line.get_label() for line in axes.lines] == RUNGS
    for rung, line in zip(RUNGS, axes.lines, strict=True):
        scores = 100 * np.concatenate(accuracies(rung))
        for threshold, share in zip(*line.get_data(), strict=True):
            assert share == pytest.approx(np.mean(scores > threshold))
    assert axes.get_ylabel() == "share of runs above"


@pytest.mark.parametrize(
    ("paths", "words", "message"),
    [
        (LADDER[:1], [], "--aggregate needs at least two studies; there is one: mnist1d"),
        (LADDER[:1] * 2, [], "there is one: mnist1d"),
        (LADDER, ["--where", "data.name=mnist1d"], "--where leaves mnist1d only"),
        (
            [*LADDER, RESULTS / "fair_ladder" / "mnist1d"],
            [],
            "do not share their labels: geiping_ladder/mnist1d has rung; geiping_ladder/fashion_mnist has rung; "
            "fair_ladder/mnist1d has ingredient, training; name with --by",
        ),
        (
            [LADDER[0], RESULTS / "double_descent" / "random_features_digits_relu"],
            ["--by", "optimizer"],
            "random_features_digits_relu: there are no runs to aggregate",
        ),
        (LADDER, ["--by", "data"], "no group is in all studies: mnist1d (not in fashion_mnist)"),
        (LADDER, ["--by", "study"], "--by study: the rows of --aggregate are over all studies"),
        (LADDER, ["--by", "regim"], "did you mean 'regime'"),
        (LADDER, ["--baseline", "rung=Baseline"], "did you mean"),
        (LADDER, ["--metric", "test_acc"], "did you mean 'test_accuracy'"),
        (LADDER, ["--sort", "iqmm"], "did you mean 'iqm'"),
        (LADDER, ["--across", "regime"], "--across regime"),
        (LADDER, ["--figure", "profiles.jpg"], "profiles.jpg: figures are written as .png, .pdf, .svg"),
    ],
)
def test_mistakes_end_in_one_line(paths, words, message, capsys):
    assert script.main([*map(str, paths), "--aggregate", *words]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_figure_needs_the_aggregate(capsys):
    assert script.main([*map(str, LADDER), "--figure", "profiles.png"]) == 2
    assert capsys.readouterr().err == "error: --figure profiles.png: performance profiles need --aggregate\n"


def test_a_metric_that_one_study_lacks_is_named(tmp_path):
    without = changed(tmp_path / "one", lambda runs: runs.assign(test_loss=""))
    with pytest.raises(ValueError, match="one: no run has a test_loss; name another --metric"):
        aggregate([without, LADDER[1]], metric="test_loss")


def test_runs_without_labels_need_words_to_group_by(tmp_path):
    bare = [changed(tmp_path / folder.name, lambda runs: runs.drop(columns="rung"), folder) for folder in LADDER]
    for folder in bare:
        (folder / "study.json").unlink()
    with pytest.raises(ValueError, match="do not share their labels: mnist1d has none; fashion_mnist has none"):
        aggregate(bare)
    page, _ = aggregate(bare, by=["regime"])
    assert page.table["n"].tolist() == [6, 36]
