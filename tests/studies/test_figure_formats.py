"""Figures as PNG, PDF and SVG."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.figure import Figure

from fbgd.report import plots
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.report.multiples import OTHERS
from fbgd.report.plots import save
from fbgd.studies import geiping_ladder
from fbgd.studies.command import main
from fbgd.studies.figures import curves_of

STARTS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.mark.parametrize("form", STARTS)
def test_equal_figures_are_equal_files_of_the_kind_that_their_name_says(tmp_path, form):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        figure = Figure()
        figure.subplots().plot([1, 2], label="accuracy (%)")
        figure.suptitle("A title")
        save(figure, tmp_path / folder / f"figure.{form}")
    first, second = ((tmp_path / folder / f"figure.{form}").read_bytes() for folder in ("first", "second"))
    assert first == second
    assert first.startswith(STARTS[form])
    if form == "svg":
        # Text is text, to be searched and edited.
        assert b">A title</text>" in first


def test_a_study_writes_its_figures_in_another_format_too(tmp_path, in_process, capsys):
    words = ["--quick", "--seeds", "1", "impl.threads=1", "budget.passes=1", "schedule.warmup=0", "--only", "Baseline"]
    assert main(geiping_ladder.STUDY, [*words, "--out", str(tmp_path), "--figures", "pdf"]) == 0
    written = {path.name for path in tmp_path.iterdir() if path.suffix in (".png", ".pdf")}
    assert written == {"ladder.png", "ladder.pdf", "curves.png", "curves.pdf"}
    assert "ladder.pdf" in capsys.readouterr().out


def test_figures_for_a_printed_page_are_as_wide_as_its_columns(tmp_path, in_process, capsys):
    """72 points an inch; a figure with panels side by side takes both columns."""
    words = ["--quick", "--seeds", "1", "impl.threads=1", "budget.passes=1", "schedule.warmup=0", "--only", "Baseline"]
    words += ["--out", str(tmp_path), "--figures", "svg", "--columns"]
    for columns, wide in (("1", {"ladder": 3.25, "curves": 6.75}), ("2", {"ladder": 6.75, "curves": 6.75})):
        assert main(geiping_ladder.STUDY, [*words, columns]) == 0
        for name, width in wide.items():
            picture = ElementTree.fromstring((tmp_path / f"{name}.svg").read_text())
            assert picture.get("width") == f"{72 * width:g}pt"
            texts = [text for entry in picture.iter() if entry.tag.endswith("text") for text in entry.itertext()]
            assert not any("Geiping ladder" in text for text in texts)
            sizes = list(map(float, re.findall(r"font-size: ([\d.]+)px", (tmp_path / f"{name}.svg").read_text())))
            assert sizes
            # Exponents are smaller than the number that they belong to.
            assert 4 <= min(sizes) <= max(sizes) <= 9
    assert plots.make_figure((9, 5), 1, 1)[0].get_size_inches().tolist() == [9, 5]


def test_columns_need_a_kind_of_file_for_print(capsys):
    assert main(geiping_ladder.STUDY, ["--columns", "1"]) == 2
    assert "say --figures pdf or svg as well" in capsys.readouterr().err


def test_many_groups_get_a_panel_each():
    """Their own line in colour, all others in grey behind it."""
    names = [f"optimizer {index}" for index in range(13)]
    rows = [
        {"optimizer": name, "regime": regime, "seed": seed, "gradient_evaluations": step, "test_accuracy": step / 40}
        for name in names for regime in ("SGD", "full batch") for seed in (0, 1) for step in (10, 20, 30)
    ]  # fmt: skip
    evidence = Evidence(Description("A title", ["optimizer"]), runs=pd.DataFrame(rows), curves=pd.DataFrame(rows))
    figure = curves_of(evidence, "optimizer", "regime")
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == names
    for axes in panels:
        colours = [line.get_color() for line in axes.lines]
        assert colours.count(OTHERS) == 24
        assert len(set(colours)) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["SGD", "full batch"]
    few = evidence.runs[evidence.runs["optimizer"].isin(names[:3])]
    assert len(curves_of(replace(evidence, runs=few, curves=few.assign(loss=1.0)), "optimizer", "regime").axes) == 4


def test_an_unknown_format_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(geiping_ladder.STUDY, ["--figures", "pd"])
    assert ended.value.code == 2
    assert "did you mean 'pdf'" in capsys.readouterr().err
