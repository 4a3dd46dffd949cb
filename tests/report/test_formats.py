"""Pages: the same table in the terminal, as Markdown, CSV and LaTeX."""

import re

import pandas as pd
import pytest
from ladders import GRID, SAMPLE, grid, runs, table_of

from fbgd.report.cells import cells, side_cells
from fbgd.report.formats import FORMATS, Page, render
from fbgd.report.tables import side_by_side, summarise

NOTES = ["First [b]note[/b] & 50 % of_all {x} ~ ^ \\\\ #1 $2.", "Second."]


def page(table=None, notes=NOTES):
    """A page of a table by rung."""
    table = table_of(SAMPLE) if table is None else table
    return Page("A title_1", table, *cells(table, ["rung"]), 1, notes)


def test_columns_appear_where_there_is_something_in_them():
    header, rows = cells(table_of(SAMPLE, baseline=None), ["rung"])
    assert header == ["rung", "n", "test accuracy %", "95 % interval", "passes", "gradient evals", "seconds"]
    assert rows[0][:3] == ["SGD", "3", "96.00 ± 1.00"]
    header, rows = cells(table_of(SAMPLE, published={("FB",): 75.42}), ["rung"])
    assert {"Δ baseline (95 %)", "p", "published %"} < set(header)
    # Dunnett's interval: c = 2.8627 for two groups and 6 degrees of freedom, pooled deviation sqrt(5 / 3).
    assert rows[1][4] == "-25.00 (-28.0 to -22.0)"


def test_other_metrics_are_shown_as_they_are():
    frame = runs(SAMPLE)
    frame["test_loss"] = [0.12345, 0.12, 0.13, 1.5, 1.6, 1.55, 0.2, 0.21, 0.22]
    header, rows = cells(summarise(frame, by=["rung"], metric="test_loss"), ["rung"], "test_loss")
    assert "test loss" in header
    assert rows[0][2] == "0.1245 ± 0.0051"
    frame["gradient_evaluations"] = [60000] * 3 + [840000] * 6
    table = summarise(frame, by=["rung"], metric="gradient_evaluations")
    header, rows = cells(table, ["rung"], "gradient_evaluations")
    assert rows[1][2] == "840,000 ± 0"
    assert "gradient evals" not in header


def test_side_by_side_names_who_is_subtracted_from_whom():
    table = side_by_side(grid(GRID), ["optimizer"], "regime")
    header, rows = side_cells(table, ["optimizer"], ["SGD", "full batch"])
    assert header == [
        "optimizer",
        "SGD: test accuracy %",
        "full batch: test accuracy %",
        "full batch - SGD (95 %)",
        "p",
    ]
    assert rows[0][1:3] == ["96.00 ± 1.00 (3)", "63.33 ± 3.06 (3)"]
    assert rows[0][3].startswith("-32.67 (-")


def test_markdown_holds_every_row_and_the_paragraphs():
    text = render(page(notes=["First.", "Second."]), "md")
    lines = text.splitlines()
    assert lines[0] == "# A title_1"
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert "| SGD | 3 | 96.00 ± 1.00 |" in text
    assert text.endswith("\n\nFirst.\n\nSecond.\n")


def test_csv_is_the_table_exactly(tmp_path):
    (tmp_path / "table.csv").write_text(render(page(), "csv"))
    read = pd.read_csv(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read.fillna({"test": ""}), table_of(SAMPLE), rtol=1e-7, check_dtype=False)


def test_latex_is_balanced_escaped_and_has_booktabs_rules():
    values = {"A & B_1 {x} 5%": [0.9, 0.8], "#1 ~ ^ $ \\\\": [0.5, 0.4]}
    text = render(page(table_of(values, baseline=None)), "latex")
    for begun in re.findall(r"\\begin\{(\w+)\}", text):
        assert text.count(f"\\begin{{{begun}}}") == text.count(f"\\end{{{begun}}}") == 1
    assert re.findall(r"\\(\w+rule)", text) == ["toprule", "midrule", "bottomrule"]
    unescaped = re.sub(r"\\[\\&%$#_{}]", "", text.partition("\n")[2])
    assert unescaped.count("{") == unescaped.count("}")
    assert unescaped.count("$") == 2 * (unescaped.count(r"\pm") + unescaped.count("$-$"))
    assert not set("#_~^") & set(unescaped)
    columns = re.search(r"begin\{tabular\}\{([lr]+)\}", text).group(1)
    body = text[text.index("toprule") : text.index("bottomrule")].splitlines()
    rows = [line for line in body if line.endswith(r" \\")]
    assert len(rows) == 3
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1
    assert text.isascii()


def test_the_terminal_takes_brackets_literally_and_fits():
    text = render(page(), "terminal")
    assert "[b]note[/b]" in text
    assert max(map(len, text.splitlines())) <= 160


def test_unknown_format():
    assert set(FORMATS) == {"terminal", "md", "csv", "latex", "html"}
    with pytest.raises(ValueError, match="did you mean 'latex'"):
        render(page(), "tex")
