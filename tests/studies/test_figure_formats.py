"""Figures as PNG, PDF and SVG."""

import pytest
from matplotlib.figure import Figure

from fbgd.report.plots import save
from fbgd.studies import geiping_ladder
from fbgd.studies.command import main

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


def test_an_unknown_format_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(geiping_ladder.STUDY, ["--figures", "pd"])
    assert ended.value.code == 2
    assert "did you mean 'pdf'" in capsys.readouterr().err
