"""The examples of the Python API run, the notebook's cells too, at the sizes that they show."""

import json
import runpy
import sys

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from files import ROOT

EXAMPLES = ROOT / "docs" / "examples"
NOTEBOOK = EXAMPLES / "first_look.ipynb"


def run(path, monkeypatch, *words):
    """Run an example as a script."""
    monkeypatch.setattr(sys, "argv", [str(path), *words])
    runpy.run_path(str(path), run_name="__main__")


@pytest.fixture
def here(tmp_path, monkeypatch, in_process):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "all_runs.py",
        # By tests/test_documents.py, which lists its settings; it is a study with --quick like all others.
        "batch_sizes.py",
        # By tests/report/test_gaps.py: the page has what it prints.
        "gap.py",
        # By tests/models/test_gpt2_of_transformers.py, where that package is installed.
        "gpt2.py",
        "one_run.py",
        "own_data.py",
        "own_model.py",
        "regression.py",
        "study_and_sweep.py",
    }
    assert {path.name for path in EXAMPLES.glob("*.ipynb")} == {NOTEBOOK.name}


def test_one_run(here, monkeypatch, capsys):
    run(EXAMPLES / "one_run.py", monkeypatch)
    shown = capsys.readouterr().out
    (sgd,) = [path for path in (here / "runs").iterdir() if "blocks_per_step: 1" in (path / "config.yaml").read_text()]
    accuracy = json.loads((sgd / "summary.json").read_text())["test_accuracy"]
    assert f"{sgd.relative_to(here)}: {accuracy:.3f}, with 5 % noise" in shown
    # Again the runs are read.
    before = {path: path.stat().st_mtime_ns for path in (here / "runs").glob("*/summary.json")}
    assert len(before) == 2
    run(EXAMPLES / "one_run.py", monkeypatch)
    assert capsys.readouterr().out == shown
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_own_model(here, monkeypatch, capsys):
    run(EXAMPLES / "own_model.py", monkeypatch)
    (summary,) = (json.loads(path.read_text()) for path in (here / "runs").glob("*/summary.json"))
    # The test's own choice for auto: several blocks at a time, so no layer keeps it to one.
    assert (summary["blocks_per_call"], summary["steps_per_pass"], summary["blocks_per_pass"]) == (3, 1, 10)
    assert (summary["block_batch_norms"], summary["hashed_dropouts"]) == (1, 1)
    assert "block_by_block" not in summary
    assert 0.3 < summary["test_accuracy"] < 0.45
    assert capsys.readouterr().out.endswith(f"by block: test accuracy {summary['test_accuracy']:.2f}\n")


def test_own_data(here, monkeypatch, capsys):
    run(EXAMPLES / "own_data.py", monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["array_file", "torch_dataset", "image_folder"]
    # A share is held out where no test data are given.
    assert [line.split()[1] for line in lines] == ["100", "80", "80"]
    assert all(float(line.split()[-1]) > 0.9 for line in lines)
    assert len(list((here / "stripes" / "images").glob("*/*.png"))) == 100


def test_regression(here, monkeypatch, capsys):
    run(EXAMPLES / "regression.py", monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    summaries = [json.loads(path.read_text()) for path in (here / "runs").glob("*/summary.json")]
    sgd, full = sorted(summaries, key=lambda summary: summary["steps_per_pass"], reverse=True)
    assert (sgd["steps_per_pass"], full["steps_per_pass"]) == (20, 1)
    assert sgd["test_r2"] > 0.8 > full["test_r2"]
    for line, summary in zip(lines, (sgd, full), strict=True):
        assert f"R2 {summary['test_r2']:.2f}" in line
        assert line.endswith(f"{summary['test_worst']:.2f}")


def test_study_and_sweep(here, monkeypatch, capsys):
    run(EXAMPLES / "study_and_sweep.py", monkeypatch)
    shown = capsys.readouterr().out
    table = pd.read_csv(here / "results" / "block_sizes" / "mnist1d" / "table.csv")
    assert list(table["rung"]) == ["blocks of 25", "blocks of 100", "blocks of 500"]
    assert f"{table['mean'].iloc[0]:.2f}" in shown
    (swept,) = (here / "results" / "sweep").glob("*_mnist1d")
    assert {"runs.csv", "table.csv", "accuracy.png", "search.png"} <= {path.name for path in swept.iterdir()}
    assert len(pd.read_csv(swept / "runs.csv")) == 12


def test_all_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    run(EXAMPLES / "all_runs.py", monkeypatch, "results/geiping_ladder/mnist1d")
    shown = capsys.readouterr().out
    runs = pd.read_csv(ROOT / "results" / "geiping_ladder" / "mnist1d" / "runs.csv")
    best = runs.groupby("rung")["test_accuracy"].mean()
    assert best.idxmax() in shown.splitlines()[2]
    assert f"{best.max():.4f}" in shown.splitlines()[2]


def test_the_cells_of_the_notebook_run(here, capsys):
    book = json.loads(NOTEBOOK.read_text())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK.stat().st_size < 10_000
    names: dict = {}
    for cell in book["cells"]:
        assert set(cell) >= {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            # Nothing that somebody once saw is kept beside the code.
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    plt.close("all")
    assert list(names["results"].table["rung"]) == ["SGD", "full batch", "longer"]
    assert names["results"].table["n"].tolist() == [2, 2, 2]
    assert names["again"].summary["test_accuracy"] == names["run"].summary["test_accuracy"]
