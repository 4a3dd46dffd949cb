"""Studies in YAML files, valid and damaged: a study whose settings are known, or one line that names the file."""

import contextlib
import io

import pytest
import yaml
from files import ROOT
from fuzzing import VALUES, Refused, attempt, damaged, damages
from hypothesis import given
from hypothesis import strategies as st

from fbgd.errors import ConfigError
from fbgd.studies.own import check_rungs, read_study
from fbgd.studies.study_file import main

EXAMPLE = (ROOT / "docs" / "examples" / "my_ladder.yaml").read_bytes()
NAMES = st.sampled_from(["SGD", "full batch", "clipped", "ü"])
STRANGE = NAMES | st.sampled_from(["", "seed", "a.b", "1"])
ANY = st.recursive(
    VALUES | st.none() | st.booleans() | st.integers() | st.floats() | STRANGE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | STRANGE, inner, max_size=3),
    max_leaves=6,
)


def mostly(strategy):
    """Of a key's own kind, and now and then of any."""
    return st.integers(0, 11).flatmap(lambda number: strategy if number else ANY)


WORDS = st.lists(
    st.sampled_from(
        ["data=mnist1d", "data.validation_size=50", "model=mlp", "regime=sgd", "regime=full_batch", "optimizer.lr=0.3",
         "regularizer=[gradient_clipping]", "optimizer=adam", "model.width=4", "budget.passes=3"]
    ),
    max_size=3,
)  # fmt: skip
RUNG = WORDS | st.fixed_dictionaries(
    {"words": WORDS, "labels": st.dictionaries(st.sampled_from(["training", "ingredient"]), NAMES, min_size=1)}
)
CLAIM = st.fixed_dictionaries(
    {"name": NAMES, "left": NAMES, "right": NAMES},
    optional={"rule": st.sampled_from(["higher", "lower", "within 1", "within x"]) | ANY, "sentence": ANY},
)
STUDIES = st.fixed_dictionaries(
    {"rungs": mostly(st.dictionaries(NAMES, mostly(RUNG), min_size=1, max_size=3))},
    optional={
        "title": mostly(st.text(max_size=9)),
        "words": mostly(WORDS),
        "seeds": mostly(st.integers(-1, 4)),
        "baseline": mostly(NAMES),
        "across": mostly(st.sampled_from(["training", "ingredient"])),
        "tune": mostly(st.dictionaries(st.just("optimizer.lr"), st.lists(st.floats(0, 1), max_size=3) | ANY)),
        "metric": mostly(st.sampled_from(["test_accuracy", "test_loss"])),
        "figures": mostly(st.lists(st.sampled_from(["ladder.png", "curves.png", "none.png"]))),
        "claims": mostly(st.lists(CLAIM, max_size=2)),
    },
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("studies") / "mine.yaml"


def read(path):
    """A study and its settings, checked as its command does."""
    study = read_study(path)
    check_rungs(study, str(path))
    return study


@given(content=STUDIES)
def test_studies(path, content):
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    study = attempt("YAML studies", lambda: read(path), (ConfigError,), says=str(path))
    if not isinstance(study, Refused):
        (preset,) = study.presets.values()
        assert len(study.rungs(preset)) == len(content["rungs"])


@given(steps=damages)
def test_damaged_studies(path, steps):
    path.write_bytes(damaged(EXAMPLE, steps))
    attempt("YAML studies, damaged", lambda: read(path), (ConfigError,), says=str(path))


OPTIONS = st.one_of(
    st.sampled_from(
        [["--quick"], ["--list"], ["--help"], ["--only"], ["--seeds"], ["--nothing"], ["mine.yaml"], ["--"]]
    ),
    st.tuples(
        st.sampled_from(
            [
                *("--seeds", "--workers", "--run-limit", "--only", "--figures", "--out", "--notify", "--augment"),
                *("--launcher", "--launcher-options", "--runs-per-gpu"),
            ]
        ),
        VALUES,
    ).map(list),
    st.builds("{}={}".format, st.sampled_from(["data", "optimizer.lr", "seed", "model", "impl.threads"]), VALUES).map(
        lambda word: [word]
    ),
)


@given(options=st.lists(OPTIONS, max_size=4), own=st.booleans())
def test_options(path, options, own):
    """Of a study's command, which is asked for the list of its settings at the end."""
    from fbgd.studies.command import main as run
    from fbgd.studies.geiping_ladder import STUDY

    path.write_bytes(EXAMPLE)
    words = [word for option in options for word in option] + ["--list"]

    def command():
        with contextlib.redirect_stderr(io.StringIO()) as error, contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                status = main([str(path), *words]) if own else run(STUDY, words)
            except SystemExit as end:
                status = end.code
        return status, out.getvalue(), error.getvalue()

    status, out, error = attempt("study options", command)
    assert status in (0, 2)
    assert "Traceback" not in error
    if status == 0:
        assert out
        assert not error
    else:
        # argparse shows how the command is used, and then the same one line.
        *usage, line = error.strip().splitlines()
        assert "error: " in line
        assert not usage or usage[0].startswith("usage: ")
