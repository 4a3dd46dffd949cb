"""A study takes finished runs from the tables of earlier results, and trains what is new."""

import pandas as pd
import pytest
from inprocess import launch_here

from fbgd.errors import ConfigError
from fbgd.runs.rows import read_rows
from fbgd.studies import BUILT_IN, geiping_ladder
from fbgd.studies.command import main
from fbgd.studies.reuse import earlier_rows, rows_of
from fbgd.studies.study_content import make_study

COMMON = ["data.source.train=40", "data.source.test=20", "data.validation_size=10", "model=mlp", "model.width=3"]
COMMON += ["regime.block_size=15", "budget.passes=2", "impl.threads=1", "impl.blocks_per_call=1"]
RUNGS = {"SGD": [], "full batch": ["regime=full_batch"], "Adam": ["optimizer=adam"]}
# What differs from call to call.
TIMES = ["seconds"]


def study(*names, **more):
    """A study of some of the rungs."""
    content = {"words": COMMON, "rungs": {name: RUNGS[name] for name in names}, "seeds": 2, "figures": [], **more}
    return make_study("growing", content)


@pytest.fixture
def trained(monkeypatch, in_process):
    """The rungs and seeds that are trained from here on."""
    runs = []

    def launch(planned, *others):
        runs.extend((run.rung, run.seed) for run in planned if not run.done)
        launch_here(planned, *others)

    monkeypatch.setattr("fbgd.studies.execution.launch", launch)
    return runs


def rows(folder, name="runs.csv"):
    return read_rows(folder / name).drop(columns=TIMES)


def test_only_what_is_new_is_trained_and_the_table_is_the_same(tmp_path, trained, capsys):
    first, grown, whole = (tmp_path / name for name in ("first", "grown", "whole"))
    assert main(study("SGD", "full batch"), ["--out", str(first)]) == 0
    trained.clear()
    capsys.readouterr()
    assert main(study(*RUNGS), ["--out", str(grown), "--reuse", str(first)]) == 0
    assert trained == [("Adam", 0), ("Adam", 1)]
    assert "4 of 6 runs are rows of" in capsys.readouterr().err
    assert len(list((grown / "runs").iterdir())) == 2
    # A call that knows of nothing earlier is the oracle.
    assert main(study(*RUNGS), ["--out", str(whole)]) == 0
    pd.testing.assert_frame_equal(rows(grown), rows(whole))
    taken = read_rows(grown / "runs.csv").query("rung != 'Adam'").reset_index(drop=True)
    assert list(taken["seconds"]) == list(read_rows(first / "runs.csv")["seconds"])
    read = [(folder / "table.csv").read_text() for folder in (grown, whole)]
    columns = [line.split(",")[:4] for line in read[0].splitlines()]
    assert columns == [line.split(",")[:4] for line in read[1].splitlines()]


def test_other_seeds_and_other_settings_are_not_taken(tmp_path, trained):
    first = tmp_path / "first"
    assert main(study("SGD"), ["--out", str(first)]) == 0
    trained.clear()
    words = ["--reuse", str(first), "--seeds", "3", "--out"]
    assert main(study("SGD"), [*words, str(tmp_path / "more")]) == 0
    assert trained == [("SGD", 2)]
    trained.clear()
    assert main(study("SGD"), [*words, str(tmp_path / "other"), "model.width=4"]) == 0
    assert trained == [("SGD", 0), ("SGD", 1), ("SGD", 2)]


def test_a_search_is_taken_as_well(tmp_path, trained):
    first, again = tmp_path / "first", tmp_path / "again"
    tuned = study("SGD", "full batch", tune={"optimizer.lr": [0.01, 0.1, 1]}, seeds=1)
    assert main(tuned, ["--out", str(first)]) == 0
    assert trained
    trained.clear()
    assert main(tuned, ["--out", str(again), "--reuse", str(first)]) == 0
    assert trained == []
    for name in ("runs.csv", "search.csv"):
        pd.testing.assert_frame_equal(read_rows(again / name), read_rows(first / name))


def test_a_run_that_is_here_counts_before_a_row_from_elsewhere(tmp_path, trained):
    here, other = tmp_path / "here", tmp_path / "other"
    assert main(study("SGD"), ["--out", str(here)]) == 0
    table = read_rows(here / "runs.csv")
    other.mkdir()
    table.assign(test_accuracy=0.125).to_csv(other / "runs.csv", index=False)
    assert main(study("SGD"), ["--out", str(here), "--reuse", str(other)]) == 0
    pd.testing.assert_frame_equal(read_rows(here / "runs.csv"), table)


def test_only_results_are_taken_and_whole_numbers_stay_whole(tmp_path, trained):
    assert main(study("SGD", "full batch"), ["--out", str(tmp_path)]) == 0
    table = read_rows(tmp_path / "runs.csv")
    table.loc[0, "status"] = "failed"
    table.loc[1, "status"] = "diverged"
    table.loc[1, ["test_accuracy", "steps"]] = None
    found = rows_of(table)
    assert list(found) == list(table["identity"][1:])
    diverged, done = found[table["identity"][1]], found[table["identity"][2]]
    assert (diverged["status"], diverged["test_accuracy"], diverged["steps"]) == ("diverged", None, None)
    assert done["steps"] == table["steps"][2]
    assert isinstance(done["steps"], int)
    assert not {"rung", "seed", "optimizer.lr"} & set(done)


def test_folders_without_tables_and_studies_that_measure_are_refused(tmp_path, capsys):
    assert main(study("SGD"), ["--out", str(tmp_path / "out"), "--reuse", str(tmp_path)]) == 2
    assert f"--reuse {tmp_path}: no runs.csv and no search.csv in it" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="minima looks into its runs' own folders"):
        earlier_rows(BUILT_IN["minima"], [tmp_path])
    (tmp_path / "runs.csv").write_text("a,b\n1,2\n")
    assert main(geiping_ladder.STUDY, ["--quick", "--out", str(tmp_path / "out"), "--reuse", str(tmp_path)]) == 2
    assert "is no runs.csv of a study" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
