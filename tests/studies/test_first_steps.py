"""What a new user meets: data of the wrong form, a wrong folder, a diverged run, parts of a study, a list of it."""

import sys

import numpy as np
import pandas as pd
import pytest

from fbgd.report.group_plots import ladder_figure, upper_rows
from fbgd.report.tables import summarise
from fbgd.studies import BUILT_IN, geiping_ladder
from fbgd.studies.command import main
from scripts import train

TINY = ["data.source.train=40", "data.source.test=10", "model.width=2", "regime.block_size=10", "impl.threads=1"]
SOURCES = """
import numpy as np
from fbgd.data import Arrays
import torch

X, Y = np.random.default_rng(0).normal(size=(12, 4)).astype("float32"), np.arange(12) % 3

def plain(): return X[:9], Y[:9], X[9:], Y[9:]
def arrays():
    parts = [torch.from_numpy(part) for part in plain()]
    return Arrays(parts[0], parts[1].long(), parts[2], parts[3].long(), classes=3)
def numbers(): return X[:9], Y[:9] + 0.5, X[9:], Y[9:] + 0.5
def three(): return X, Y, X
def nothing(): return None
def swapped(): return X[:9], X[9:], Y[:9], Y[9:]
def short(): return X[:9], Y[:8], X[9:], Y[9:]
def wide(): return X[:9], Y[:9], X[9:, :2], Y[9:]
def scalar(): return X[:9], 1, X[9:], Y[9:]
"""


@pytest.fixture
def trained(tmp_path, capsys, monkeypatch):
    """Trains on a function of a module of the user's: the exit status, and what was printed as an error."""
    name = f"sources_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SOURCES)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(source, *words):
        words = [f"data.source._target_={name}.{source}", "model=mlp", "regime.block_size=3", *words]
        words += ["impl.threads=1", "budget.passes=2", "--module-path", str(tmp_path)]
        return train.main([*words, "--out", str(tmp_path / source)]), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "three",
            "gives a tuple of 3: fbgd.data.Arrays is wanted, or arrays (train_x, train_y, test_x, test_y), or (x, y)",
        ),
        ("nothing", "gives a NoneType: fbgd.data.Arrays is wanted"),
        ("swapped", "test inputs have the shape (9,)"),
        ("short", "9 training inputs, and 8 targets"),
        ("wide", "have the shapes (4,) and (2,)"),
        ("scalar", "train_y is a int, no array"),
        ("numbers", "are numbers: set objective=squared_error"),
    ],
)
def test_data_of_the_wrong_form_are_one_line(trained, source, message):
    status, error = trained(source)
    assert status == 2
    assert message in error
    assert error.startswith("error: data.source (sources_" if source != "numbers" else "error: objective (")
    assert error.count("\n") == 1


def test_a_tuple_of_arrays_is_a_data_set(trained, tmp_path):
    assert [trained(source)[0] for source in ("plain", "arrays")] == [0, 0]
    assert trained("numbers", "objective=squared_error")[0] == 0
    plain, arrays, numbers = (pd.read_csv(tmp_path / name / "metrics.csv") for name in ("plain", "arrays", "numbers"))
    pd.testing.assert_frame_equal(plain.drop(columns="seconds"), arrays.drop(columns="seconds"), check_exact=True)
    assert "test_r2" in numbers


@pytest.mark.parametrize("held", ["study.json", "runs.csv", "runs/a-seed0/config.yaml", "a-seed0/config.yaml"])
def test_a_run_does_not_begin_in_the_folder_of_a_study(tmp_path, capsys, held):
    (tmp_path / held).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / held).write_text("")
    before = sorted(tmp_path.rglob("*"))
    assert train.main([*TINY, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"--out {tmp_path} is no directory of a run: it holds" in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_diverged_run_says_what_guessing_gives_and_has_a_status_of_its_own(tmp_path, capsys):
    words = [*TINY, "optimizer.lr=1e30", "budget.passes=2", "--out", str(tmp_path / "run")]
    assert train.main(words) == 3
    first = capsys.readouterr().out
    # Two samples of each of five classes among ten, or the like: read off the data themselves.
    from fbgd.config.build import load_data
    from fbgd.config.compose import compose

    labels = load_data(compose(TINY)).test.targets.numpy()
    assert f"diverged (chance level: {100 * np.bincount(labels).max() / len(labels):.1f} %)" in " ".join(first.split())
    assert train.main(words) == 3
    assert capsys.readouterr().out == first


def test_only_shows_the_wanted_rows_and_files_keep_all(tmp_path, capsys, in_process):
    words = [
        "--quick",
        "--seeds",
        "1",
        "impl.threads=1",
        "budget.passes=1",
        "schedule.warmup=0",
        "--out",
        str(tmp_path),
    ]
    for only, rows in (("Baseline", 2), ("FB clipped", 1)):
        assert main(geiping_ladder.STUDY, [*words, "--only", only]) == 0
        printed = capsys.readouterr().out
        assert f"Shown are the {rows} rows of --only; the files have all 7." in " ".join(printed.split())
        lines = [line for line in printed.splitlines() if line.startswith("│")]
        assert len([line for line in lines if line.startswith(f"│ {only}")]) == rows
        assert not [line for line in lines if line.startswith("│ FB in practice")]
    assert list(pd.read_csv(tmp_path / "table.csv")["n"]) == [1, 1, 0, 1, 0, 0, 0]
    assert "| FB in practice |" in (tmp_path / "table.md").read_text()
    # What the rungs are stands under the table.
    assert "Strong reg.: the same with small blocks." in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize("key", ["saddles/octopus", "fair_ladder"])
def test_a_listing_begins_with_its_title_in_one_line(key, capsys):
    """However narrow the table is."""
    study = BUILT_IN[key]
    assert main(study, ["--list"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.strip() == f"{study.title}, {next(iter(study.presets))}"
    assert second.startswith("all: ") == (key == "fair_ladder")


TUNED = [key for key, study in BUILT_IN.items() if hasattr(study.execute, "candidates")]


@pytest.mark.parametrize("key", TUNED)
def test_a_list_says_from_what_settings_are_chosen(key, capsys):
    study = BUILT_IN[key]
    assert main(study, ["--list"]) == 0
    listed = "".join(sign for sign in capsys.readouterr().out if sign not in " \n│┃")
    grids = study.execute.candidates(next(iter(study.presets.values())))
    for values in set(grids.values()):
        assert f"{values[0]:g},{values[1]:g}" in listed, key


class TestLadderFigure:
    def runs(self, *means):
        rows = [
            {"rung": f"r{place}", "seed": seed, "status": "done", "test_accuracy": (mean + seed) / 100, "passes": 1.0,
             "gradient_evaluations": 1, "seconds": 1.0, "error": None}
            for place, mean in enumerate(means)
            for seed in range(2)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def test_rows_far_above_the_others_have_a_panel_of_their_own(self):
        runs = self.runs(40, 90, 91, 92)
        table = summarise(runs, by=["rung"])
        assert list(upper_rows(table)) == [False, True, True, True]
        assert not upper_rows(summarise(self.runs(40, 60, 80, 90), by=["rung"])).any()
        assert not upper_rows(summarise(self.runs(40, 41, 42, 90), by=["rung"])).any()
        whole, zoomed = ladder_figure(runs, table, "title").axes
        assert whole.get_xlim()[0] < 40
        assert 80 < zoomed.get_xlim()[0] < 90
        assert zoomed.get_xlim()[1] > 93

    def test_intervals_end_where_percents_do(self):
        runs = self.runs(97.5, 98.5)
        table = summarise(runs, by=["rung"])
        # Of two seeds the interval reaches over 100 %.
        assert (table["ci_high"] > 100).all()
        (axes,) = ladder_figure(runs, table, "title").axes
        drawn = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
        assert len(drawn) == 2
        assert all(max(ends) == 100 for ends in drawn)
        assert axes.get_xlim()[1] > 100
        assert axes.get_xlim()[0] < min(min(ends) for ends in drawn)
