"""What a command of the user's hears at a study's end."""

import json

import pandas as pd
import pytest

from fbgd.studies import geiping_ladder
from fbgd.studies.command import main
from fbgd.studies.notify import news, notify

WORDS = ["--quick", "--seeds", "1", "impl.threads=1", "budget.passes=1", "schedule.warmup=0", "--only", "Baseline"]


def test_a_command_gets_what_a_study_came_to(tmp_path, in_process):
    command = (
        f'cat > {tmp_path}/input.json; echo "$FBGD_STATUS $FBGD_DONE $FBGD_MISSING $FBGD_FOLDER" > {tmp_path}/words'
    )
    assert main(geiping_ladder.STUDY, [*WORDS, "--out", str(tmp_path / "out"), "--notify", command]) == 0
    assert (tmp_path / "words").read_text() == f"finished 2 5 {tmp_path / 'out'}\n"
    assert json.loads((tmp_path / "input.json").read_text()) == {
        "study": "Geiping ladder, mnist1d, quick, changed settings",
        "folder": str(tmp_path / "out"),
        "status": "finished",
        "done": 2,
        "diverged": 0,
        "failed": 0,
        "missing": 5,
    }


@pytest.mark.parametrize(
    ("statuses", "finished", "status"),
    [
        (["done", "diverged"], True, "finished"),
        (["done", "failed"], True, "failed"),
        (["done", "missing"], False, "interrupted"),
        ([], True, "finished"),
    ],
)
def test_how_a_study_ended(tmp_path, statuses, finished, status):
    runs = pd.DataFrame({"status": statuses}) if statuses else pd.DataFrame()
    told = news("A study", tmp_path, runs, finished=finished)
    assert told["status"] == status
    assert [told[key] for key in ("done", "diverged", "failed", "missing")] == [
        sum(own == key for own in statuses) for key in ("done", "diverged", "failed", "missing")
    ]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo first >&2; echo 'no such address' >&2; exit 3", "exit status 3: no such address"),
        ("no-such-program-at-all", "exit status 127"),
        ("sleep 5", "timed out"),
    ],
)
def test_a_command_that_fails_is_one_line(tmp_path, capsys, monkeypatch, command, message):
    monkeypatch.setattr("fbgd.studies.notify.SECONDS", 0.5)
    notify(command, news("A study", tmp_path, pd.DataFrame(), finished=True))
    error = capsys.readouterr().err
    assert error.startswith("warning: --notify ")
    assert message in error
    assert error.count("\n") == 1
