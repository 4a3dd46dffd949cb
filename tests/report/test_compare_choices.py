"""Best values chosen on validation data, several metrics, tables that are too wide, and a page as HTML."""

from html.parser import HTMLParser

import pandas as pd
import pytest

from fbgd.errors import ConfigError
from fbgd.report.compare import compare
from fbgd.report.formats import FORMATS, render, to_terminal
from fbgd.report.width import SPARE, Grid, fit, width_of
from scripts import compare as script

# Validation and test accuracy of two seeds by optimizer and rate. What is best on test data is never chosen.
RATES = {
    ("SGD", "0.1"): ([0.80, 0.82], [0.79, 0.81]),
    ("SGD", "0.3"): ([0.90, 0.88], [0.85, 0.83]),
    ("SGD", "1.0"): ([0.70, 0.72], [0.95, 0.97]),
    ("Adam", "0.01"): ([0.91, 0.93], [0.90, 0.92]),
    ("Adam", "0.03"): ([0.99, None], [0.99, None]),
}


def runs_file(folder, **more):
    """A ``runs.csv`` as a study leaves it."""
    rows = [
        {
            "seed": seed,
            "status": "failed" if test[seed] is None else "done",
            "test_accuracy": test[seed],
            "test_loss": None if test[seed] is None else 1 - test[seed],
            "validation_accuracy": validation[seed],
            "passes": 3.0,
            "gradient_evaluations": 90,
            "seconds": 1.0,
            "identity": f"{optimizer}{rate}{seed}",
            **{name: values[2 * place + seed] for name, values in more.items()},
            "error": "",
            "optimizer._target_": f"optimizers.{optimizer}",
            "optimizer.lr": rate,
            "regime.blocks_per_step": "1",
        }
        for place, ((optimizer, rate), (validation, test)) in enumerate(RATES.items())
        for seed in range(2)
    ]
    path = folder / "runs.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_each_row_has_its_best_value_on_validation_data(tmp_path):
    page = compare([runs_file(tmp_path)], by=["optimizer"], best="optimizer.lr")
    assert page.table["optimizer"].tolist() == ["SGD", "Adam"]
    assert page.table["optimizer.lr"].tolist() == ["0.3", "0.01"]
    assert page.table["mean"].tolist() == pytest.approx([84.0, 91.0])
    assert page.table["n"].tolist() == [2, 2]
    (sentence,) = (text for text in page.paragraphs if text.startswith("optimizer.lr: "))
    assert "highest mean validation accuracy" in sentence
    assert "SGD 0.3; Adam 0.01" in sentence


def test_best_values_stand_side_by_side_too(tmp_path):
    page = compare([runs_file(tmp_path)], by=["regime.blocks_per_step"], across="optimizer", best="optimizer.lr")
    assert page.table["mean SGD"].tolist() == pytest.approx([84.0])
    assert page.table["delta Adam"].tolist() == pytest.approx([7.0])


def test_by_default_rows_do_not_tell_the_values_apart(tmp_path):
    assert compare([runs_file(tmp_path)], best="optimizer.lr").table["optimizer"].tolist() == ["SGD", "Adam"]


def test_nothing_is_chosen_on_test_data(tmp_path):
    with pytest.raises(ConfigError, match="these runs have no validation_accuracy: make them"):
        compare([runs_file(tmp_path, validation_accuracy=[None] * 10)], by=["optimizer"], best="optimizer.lr")
    with pytest.raises(ConfigError, match="chooses on validation data"):
        compare([runs_file(tmp_path)], by=["optimizer"], best="optimizer.lr", metric="seconds")
    with pytest.raises(ValueError, match=r"'optimizer\.rate' is no column"):
        compare([runs_file(tmp_path)], by=["optimizer"], best="optimizer.rate")


def test_a_loss_is_best_where_it_is_lowest(tmp_path):
    """Here the rate with the worst accuracy on validation data has the smallest loss on it."""
    losses = [0.5, 0.5, 0.4, 0.4, 0.1, 0.1, 0.3, 0.3, 0.2, 0.2]
    path = runs_file(tmp_path, validation_loss=losses)
    page = compare([path], by=["optimizer"], best="optimizer.lr", metric="test_loss")
    assert page.table["optimizer.lr"].tolist() == ["1.0", "0.01"]


def test_a_row_without_a_whole_value_is_left_out_and_said(tmp_path):
    path = runs_file(tmp_path)
    runs = pd.read_csv(path, dtype={"optimizer.lr": str})
    runs[runs["optimizer.lr"] != "0.01"].to_csv(path, index=False)
    page = compare([path], by=["optimizer"], best="optimizer.lr")
    assert page.table["optimizer"].tolist() == ["SGD"]
    assert any("lacks some result: Adam" in text for text in page.paragraphs)


def test_further_metrics_stand_beside_the_first(tmp_path):
    page = compare([runs_file(tmp_path)], by=["optimizer", "optimizer.lr"], metric="test_accuracy,test_loss,passes")
    assert page.header[2:7] == ["n", "test accuracy %", "95 % interval", "test loss", "passes"]
    assert page.table["mean test_loss"].tolist() == pytest.approx([0.20, 0.16, 0.04, 0.09, 0.01])
    assert page.table["n test_loss"].tolist() == [2, 2, 2, 2, 1]
    cells = [row[5] for row in page.rows]
    assert cells[0] == "0.20000 ± 0.01414"
    assert cells[4] == "0.01000 (1 of 2, 1 of 2 failed)"
    assert page.paragraphs[-1].startswith("test loss, passes: mean")


def test_further_metrics_of_each_side(tmp_path):
    page = compare(
        [runs_file(tmp_path)],
        by=["regime.blocks_per_step"],
        across="optimizer",
        where=["optimizer.lr=0.3,0.01"],
        metric="test_accuracy,test_loss",
    )
    assert page.header[-2:] == ["SGD: test loss", "Adam: test loss"]
    assert page.table["mean test_loss Adam"].tolist() == pytest.approx([0.09])


def test_every_metric_is_checked(tmp_path):
    with pytest.raises(ConfigError, match="--metric test_los is unknown; did you mean 'test_loss'"):
        compare([runs_file(tmp_path)], metric="test_accuracy,test_los")


GRID = Grid(["rung", "mean", "passes", "seconds"], [["FB", "95.1234567890", "30", "12345"]] * 2, 1)


def test_a_table_that_fits_stays_as_it_is():
    assert fit(GRID, width_of(GRID)) == (GRID, "")


def test_costs_go_first_one_at_a_time():
    kept, told = fit(GRID, width_of(GRID) - 1)
    assert kept.header == ["rung", "mean", "passes"]
    assert kept.rows == [["FB", "95.1234567890", "30"]] * 2
    assert told == f"Left out, since the table is wider than {width_of(GRID) - 1} characters: seconds."


def test_many_columns_and_few_rows_change_places():
    wide = Grid(["ingredient", *[f"value {index}" for index in range(9)]], [["penalty", *"123456789"]], 1)
    turned, told = fit(wide, 40)
    assert turned.header == ["ingredient", "penalty"]
    assert turned.rows[8] == ["value 8", "9"]
    assert width_of(turned) <= 40
    assert told.startswith("A column a row")


@pytest.mark.parametrize("width", [60, 200])
def test_the_terminal_gets_what_fits(tmp_path, width):
    page = compare([runs_file(tmp_path)], by=["optimizer", "optimizer.lr"])
    text = to_terminal(page, width)
    shown = "".join(text.splitlines()[:4])
    assert ("Left out" in text) == (width == 60) == (SPARE[0] not in shown)
    # Files keep all of it.
    assert all(name in render(page, form) for name in SPARE for form in FORMATS if form not in ("terminal", "csv"))


class Cells(HTMLParser):
    """The texts of a document's cells, and the tags that are open."""

    def __init__(self):
        super().__init__()
        self.rows, self.open, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        self.texts.append(data)


def test_html_holds_the_same_cells_and_nothing_is_taken_for_markup(tmp_path, capsys):
    path = runs_file(tmp_path)
    path.write_text(path.read_text().replace("optimizers.Adam", "optimizers.<b>&"))
    page = compare([path], by=["optimizer", "optimizer.lr"])
    out = tmp_path / "table.html"
    assert script.main([str(path), "--by", "optimizer,optimizer.lr", "--format", "html", "--out", str(out)]) == 0
    read = Cells()
    read.feed(out.read_text())
    assert not read.open
    assert read.rows == [page.header, *page.rows]
    assert read.rows[4][0] == "<b>&"
    assert set(page.paragraphs) <= set(read.texts)
    assert "http" not in out.read_text()


def test_what_does_not_go_together_is_refused(tmp_path, capsys):
    path = str(runs_file(tmp_path))
    for words in (["--best", "optimizer.lr"], ["--metric", "test_accuracy,test_loss"]):
        assert script.main([path, path, "--aggregate", *words]) == 2
        assert "leave out --aggregate" in capsys.readouterr().err
