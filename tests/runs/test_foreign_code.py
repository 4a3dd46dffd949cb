"""What is only read is not run: folders where the user stands, and files of other people's."""

import os
import sys

import pytest

from fbgd.config.compose import compose
from fbgd.config.files import read_file
from fbgd.config.yaml_file import MOST_VALUES, measure, read_values, read_yaml
from fbgd.errors import ConfigError
from fbgd.report.html.pool import read_settings
from fbgd.report.sources import find
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory, check_same
from fbgd.runs.launch import launch
from fbgd.runs.plan import Rung, collect, plan
from fbgd.runs.provenance import identity, stops_early
from fbgd.studies.places import read_mapping

TINY = (
    "data.source.train=30",
    "data.source.test=10",
    "model=mlp",
    "model.width=3",
    "regime.block_size=10",
    "budget.passes=1",
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
BOMBS = {
    "aliases": (BOMB, "unfolds into more than"),
    "size": ("a: " + "x" * 1_000_001, "is larger than"),
    "depth": ("a: " + "[" * 300 + "]" * 300, "is nested more than"),
    "itself": ("a: &a [*a]", "holds itself"),
    "no text": (b"a: \xff\xfe", "is no UTF-8 text"),
    "control": ("a: \x00", "is not readable as YAML"),
    "a call": ("a: !!python/object/apply:os.system [true]", "is not readable as YAML"),
    "a list": ("[1, 2]", "must hold keys and values"),
}


def trap(folder, *names):
    """Packages that leave a file behind when they are imported."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"open({str(folder / 'sprung')!r}, 'w')\nclass Stopping: ...\n")
    return folder / "sprung"


def test_a_folder_where_the_user_stands_is_no_package_of_a_worker(tmp_path, monkeypatch):
    sprung = trap(tmp_path / "here", "optimizers", "regularizers", "fbgd", "torch", "json")
    monkeypatch.chdir(tmp_path / "here")
    # A colon too many, as `export PYTHONPATH=$PYTHONPATH:...` leaves it.
    monkeypatch.setenv("PYTHONPATH", os.pathsep + os.environ.get("PYTHONPATH", ""))
    planned = plan([Rung("plain", TINY)], [], 1, tmp_path / "out")
    launch(planned, 1)
    assert list(collect(planned)["status"]) == ["done"]
    assert not sprung.exists()


def test_reading_a_run_imports_nothing_that_it_names(tmp_path, monkeypatch):
    sprung = trap(tmp_path / "modules", "hostile")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    config = compose(TINY)
    execute(config, tmp_path / "run")
    written = (tmp_path / "run" / "config.yaml").read_text()
    hostile = written.replace("regularizer: {}", "regularizer:\n  stop:\n    _target_: hostile.Stopping")
    assert hostile != written
    (tmp_path / "run" / "config.yaml").write_text(hostile)
    (source,) = find(tmp_path / "run")
    assert source.runs["regularizer.stop._target_"][0] == "hostile.Stopping"
    assert read_settings(tmp_path / "run")["regularizer"] == {"stop": {"_target_": "hostile.Stopping"}}
    with pytest.raises(ConfigError, match=r"regularizer\.stop"):
        check_same(config, RunDirectory(tmp_path / "run"))
    assert not sprung.exists()
    assert "hostile" not in sys.modules


def test_the_identity_knows_a_class_that_nobody_has_imported_yet(tmp_path, monkeypatch):
    """Whether a class stops early decides which settings count, so a worker must see what the study saw."""
    (tmp_path / "own_stopping.py").write_text("from regularizers import EarlyStopping as Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = [*TINY, "data.validation_size=5", "regularizer=early_stopping"]
    config = compose(words)
    config.regularizer["early_stopping"]["_target_"] = "own_stopping.Mine"
    other = compose([*words, "record.every=0.5"])
    other.regularizer["early_stopping"]["_target_"] = "own_stopping.Mine"
    assert not stops_early({"_target_": "own_stopping.Mine"})
    first = identity(config)
    assert stops_early({"_target_": "own_stopping.Mine"})
    assert first == identity(config) == identity(other)


@pytest.mark.parametrize("read", [read_yaml, read_values, read_file, read_mapping])
@pytest.mark.parametrize("bomb", BOMBS)
def test_yaml_that_is_no_configuration_is_refused_by_its_name(tmp_path, read, bomb):
    content, problem = BOMBS[bomb]
    path = tmp_path / "bomb.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=problem) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_are_no_files(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    ("text", "values"),
    [("a: 1", 3), ("a: &x [1, 2]\nb: *x", 9), ("base: &b {k: v}\nc: {<<: *b, l: w}", 13), ("- &s x\n- *s", 3)],
)
def test_anchors_are_welcome_and_counted_as_often_as_they_stand(text, values):
    assert measure(text) == values < MOST_VALUES


def test_a_file_with_anchors_is_read(tmp_path):
    (tmp_path / "study.yaml").write_text("base: &base [1, 2]\nrungs: {a: *base, b: *base}\n")
    assert read_mapping(tmp_path / "study.yaml")["rungs"] == {"a": [1, 2], "b": [1, 2]}


def test_an_empty_file_of_a_run_is_no_configuration(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(ConfigError, match="must hold keys and values"):
        read_values(tmp_path / "config.yaml")
