"""A study that compares a metric of the user's own, named by words or by a file."""

import pytest

from fbgd.errors import ConfigError
from fbgd.runs.rows import read_rows
from fbgd.studies.own import check_rungs, read_study
from fbgd.studies.study_content import make_study
from fbgd.studies.study_file import main
from scripts import compare

CODE = """
def among(outputs, targets, best=3):
    return (outputs.topk(best).indices == targets.unsqueeze(1)).any(1).double().mean()
"""
FILE = "words: {}\nrungs: {{SGD: [regime=sgd], full batch: [regime=full_batch]}}\nmetric: {}\nseeds: 2\nbaseline: SGD\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a metric, and its file of settings."""
    (tmp_path / "metric_of_a_study.py").write_text(CODE)
    (tmp_path / "among.yaml").write_text("among:\n  _target_: metric_of_a_study.among\n  best: 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_its_page_is_made_again_when_the_file_is_gone(folder, in_process, capsys):
    (folder / "mine.yaml").write_text(FILE.format("[model=mlp, metric=among.yaml]", "test_among"))
    assert main(["mine.yaml", "--quick", "--workers", "1", "impl.threads=1", "--out", "out"]) == 0
    runs = read_rows(folder / "out" / "runs.csv")
    assert (runs["test_among"].astype(float) >= runs["test_accuracy"].astype(float)).all()
    text = (folder / "out" / "table.md").read_text()
    assert "| test among |" in text
    (folder / "among.yaml").unlink()
    capsys.readouterr()
    assert compare.main(["out", "--format", "md"]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("column", ["test_among", "validation_among", "test_among/first"])
def test_words_name_a_metric(column):
    words = ["metric.among._target_=metric_of_a_study.among"]
    assert make_study("mine", {"words": words, "rungs": {"SGD": []}, "metric": column}).metric == column


def test_a_misspelt_one_is_refused_before_any_run(folder):
    words = ["metric.among._target_=metric_of_a_study.among"]
    with pytest.raises(ConfigError, match="metric: 'test_amung' is unknown; did you mean 'test_among'"):
        make_study("mine", {"words": words, "rungs": {"SGD": []}, "metric": "test_amung"})
    (folder / "mine.yaml").write_text(FILE.format("[model=mlp, metric=among.yaml]", "test_amung"))
    with pytest.raises(ConfigError, match="metric: 'test_amung': the run has no metric 'amung'; did you mean 'among'"):
        check_rungs(read_study(folder / "mine.yaml"), "mine.yaml")
