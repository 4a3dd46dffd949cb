"""The generalisation gap as a column: of runs by hand, of a comparison, of a study's command line."""

import runpy

import pandas as pd
import pytest
from files import ROOT

from fbgd.errors import ConfigError
from fbgd.report.compare import compare
from fbgd.report.gaps import GAPS, with_gaps
from fbgd.runs.rows import read_rows, setting_columns
from fbgd.studies.command import main
from fbgd.studies.study_content import make_study
from scripts import compare as script

ENDS = {"train_accuracy": [0.9, 0.8, None], "test_accuracy": [0.6, 0.7, 0.5], "train_loss": [0.2, 0.5, None],
        "test_loss": [1.2, 0.75, 2.0]}  # fmt: skip


def table(**changes):
    """Three runs, of which the last has recorded no training values."""
    rows = {"rung": ["a", "a", "b"], "seed": [0, 1, 0], "status": "done", **ENDS, "error": None, "optimizer.lr": "0.1"}
    return pd.DataFrame(rows | changes)


def test_gaps_by_hand():
    """Both are positive where the training set is the easier one."""
    runs = with_gaps(table(), [*GAPS, "test_accuracy"])
    assert runs["gap_accuracy"].tolist()[:2] == pytest.approx([0.3, 0.1])
    assert runs["gap_loss"].tolist()[:2] == pytest.approx([1.0, 0.25])
    assert runs[[*GAPS]].iloc[2].isna().all()
    assert setting_columns(runs) == ["optimizer.lr"]
    assert not set(GAPS) & set(with_gaps(table(), ["test_loss"]))


@pytest.mark.parametrize("runs", [table(train_accuracy=None, train_loss=None),
                                  table().drop(columns=["train_accuracy", "train_loss"])])  # fmt: skip
@pytest.mark.parametrize("name", GAPS)
def test_runs_without_training_values_name_the_setting(runs, name):
    trained = name.replace("gap", "train")
    with pytest.raises(ConfigError, match=rf"--metric {name}: no run has a {trained} .* record\.train=true"):
        with_gaps(runs, [name])


STUDY = {"title": "Two", "words": ["model=mlp", "record.train=true"],
         "rungs": {"SGD": ["regime=sgd"], "full batch": ["regime=full_batch"]}, "seeds": 2,
         "baseline": "SGD"}  # fmt: skip
QUICK = ["--quick", "--workers", "1", "impl.threads=1"]


@pytest.fixture
def folder(tmp_path, in_process):
    """A finished study that has recorded its training accuracy."""
    assert main(make_study("two", STUDY), [*QUICK, "--out", str(tmp_path / "two")]) == 0
    return tmp_path / "two"


def test_a_study_prints_its_gap_and_keeps_its_files(folder, capsys):
    capsys.readouterr()
    before = (folder / "table.md").read_text()
    words = [*QUICK, "--out", str(folder), "--metric", "gap_accuracy,gap_loss,test_accuracy"]
    assert main(make_study("two", STUDY), words) == 0
    shown = capsys.readouterr().out
    assert "gap accuracy %" in shown
    assert "training minus test accuracy at the end" in " ".join(shown.split())
    assert (folder / "table.md").read_text() == before
    runs = read_rows(folder / "runs.csv")
    page = compare([folder], metric="gap_accuracy,gap_loss")
    for rung, own in runs.groupby("rung"):
        row = page.table.set_index("rung").loc[rung]
        assert row["mean"] == pytest.approx(100 * (own["train_accuracy"] - own["test_accuracy"]).mean())
        assert row["mean gap_loss"] == pytest.approx((own["test_loss"] - own["train_loss"]).mean())
        # A gap is no accuracy, whose distance from 100 is an error.
        assert pd.isna(row["ratio"])


def test_a_study_that_cannot_have_it_says_so_before_anything_runs(tmp_path, capsys):
    study = make_study("two", STUDY | {"words": ["model=mlp"]})
    for metric, message in (("gap_loss", "SGD does not evaluate its training set; add record.train=true"),
                            ("gap_acuracy", "did you mean 'gap_accuracy'")):  # fmt: skip
        assert main(study, [*QUICK, "--metric", metric, "--out", str(tmp_path / "none")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "none").exists()
    assert main(study, ["--metric", "gap_loss", "record.train=true", "--list"]) == 0


def test_a_gap_is_not_aggregated(capsys):
    words = ["results/geiping_ladder", "--aggregate", "--metric", "gap_accuracy"]
    assert script.main(words) == 2
    assert "leave out --aggregate" in capsys.readouterr().err


def test_the_page_has_what_its_example_prints():
    example = runpy.run_path(str(ROOT / "docs" / "examples" / "gap.py"))
    assert f"\n\n{example['table']()}\n\n" in (ROOT / "docs" / "gap.md").read_text()
