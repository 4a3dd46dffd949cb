"""The command and the setting above a study's claims: what they are read from, and which folder a command makes."""

import json

import pandas as pd
import pytest
from files import ROOT

from fbgd.report.claim_settings import asked_of, command, counted
from fbgd.report.description import Description, read_description
from fbgd.studies import BUILT_IN
from fbgd.studies.arguments import make_parser
from fbgd.studies.request import read_request

FOLDERS = sorted(path.parent for path in (ROOT / "results").rglob("claims.csv") if "quick" not in path.parts)


def folder_of(path, runs, table=None):
    """A study's folder with one run."""
    description = {"title": "Noise, digits", "by": [], "study": "noise", "overrides": ["impl.threads=1"]}
    (path / "study.json").write_text(json.dumps(description))
    pd.DataFrame(runs).to_csv(path / "runs.csv", index=False)
    if table is not None:
        pd.DataFrame(table).to_csv(path / "table.csv", index=False)
    return path


def test_both_lines_are_those_of_the_files(tmp_path):
    run = {"seed": 0, "status": "done", "train_size": 40, "error": "", "data.name": "digits", "data.label_noise": 0.2,
           "model._target_": "fbgd.models.MLP", "optimizer.lr": 0.1}  # fmt: skip
    runs = [{**run, "seed": seed, "model.width": width} for seed in range(7) for width in (4, 8)]
    found = asked_of(folder_of(tmp_path, runs, [{"row": "a", "n": 2}, {"row": "b", "n": 5}]))
    assert found == [
        "", "Command: `python scripts/noise.py data=digits impl.threads=1 --seeds 5`",
        "", "Setting: data digits (label_noise 0.2); model MLP (width 4, 8); 40 training samples; 5 seeds.",
    ]  # fmt: skip


def test_seeds_of_a_search_are_not_counted(tmp_path):
    runs = [
        {"seed": seed, "status": "done", "train_size": 40, "error": "", "data.name": "digits"} for seed in range(13)
    ]
    assert counted(folder_of(tmp_path, runs)) is None
    assert "--seeds" not in "".join(asked_of(tmp_path))


def test_a_folder_of_no_study_has_no_lines(tmp_path):
    assert asked_of(tmp_path) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(ROOT / "results").as_posix())
def test_the_command_is_of_this_folder(folder):
    """Read as the study's own command line reads it, it writes to this folder with these seeds."""
    description = read_description(folder / "study.json")
    study = BUILT_IN[description.study]
    line = command(description, counted(folder))
    script, *words = line.removeprefix("python scripts/").split()
    assert (ROOT / "scripts" / script).exists()
    if study.family:
        assert words.pop(0) == study.name
    arguments = make_parser([study], study.about, None).parse_intermixed_args(words)
    request = read_request(study, arguments)
    assert request.out.as_posix() == folder.relative_to(ROOT).as_posix()
    assert arguments.seeds in (None, counted(folder))
    assert f"Command: `{line}`" in (ROOT / "results" / "claims.md").read_text()
    assert isinstance(description, Description)
