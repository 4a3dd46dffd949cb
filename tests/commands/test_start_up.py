"""Commands import what they need when they need it: help is said at once, settings are listed before figures exist."""

import os
import subprocess
import sys

import pytest
from files import ROOT

from fbgd.commands import compare
from fbgd.report.formats import FORMATS
from fbgd.studies import BUILT_IN
from fbgd.studies.arguments import make_parser

PLOTS = {"matplotlib", "seaborn", "scipy.stats"}


def imported_by(code):
    """The modules that a process of its own has imported after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint()\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "scripts").glob("*.py")))
def test_help_loads_nothing_that_works(script):
    code = f"""
from contextlib import suppress
from scripts import {script}
with suppress(SystemExit):
    {script}.main(["--help"])
"""
    assert not {"torch", "numpy", "pandas", "scipy", "matplotlib", "seaborn", "hydra", "omegaconf"} & imported_by(code)


def test_listing_and_refusing_load_no_plots():
    found = imported_by("""
from scripts import fair_ladder
assert fair_ladder.main(["--list"]) == 0
assert fair_ladder.main(["optimizer.lr=fast"]) == 2
""")
    assert "torch" in found
    assert not PLOTS & found


def test_training_loads_neither_seaborn_nor_statistics(tmp_path):
    words = ["data.source.train=40", "data.source.test=10", "model=mlp", "regime.block_size=20", "budget.passes=1"]
    found = imported_by(f"""
from scripts import train
assert train.main([*{words!r}, "impl.threads=1", "--out", {str(tmp_path / "run")!r}]) == 0
""")
    assert "torch" in found
    # Matplotlib comes with MNIST-1D's own package.
    assert not PLOTS - {"matplotlib"} & found


@pytest.mark.parametrize("key", BUILT_IN)
def test_what_is_said_before_a_study_is_loaded_is_what_it_says_itself(key):
    entry, study = BUILT_IN.entries[key], BUILT_IN[key]
    assert study.key == key == entry.key
    assert (study.family or study.name, study.name) == (entry.program, entry.name)
    assert study.about.strip() == entry.about.strip()
    own = [(option.name, option.metavar, option.help) for option in study.options]
    assert own == [tuple(flag) for flag in entry.options]
    assert make_parser([entry], "").format_help() == make_parser([study], "").format_help()


def test_the_catalogue_knows_a_key_without_loading_it():
    found = imported_by("from fbgd.studies import BUILT_IN\nassert 'minima' in BUILT_IN and 'maxima' not in BUILT_IN")
    assert not {"fbgd.studies.minima", "fbgd.studies.study"} & found


def test_formats_are_those_that_are_offered():
    assert tuple(FORMATS) == compare.FORMATS
