"""Dealt runs as torchrun starts them: killed, interrupted, refused, always with a reason and a way back."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from files import ROOT

from fbgd.config.compose import compose
from fbgd.config.schema import ImplConfig
from fbgd.engine.ranks import ALONE, RankLost
from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute
from fbgd.runs.ranks import Meeting, Place, check_alone, read_place, take_device

WORDS = [
    *("data.source.train=500", "data.source.test=100", "model=resnet", "model.depth=8", "model.width=2"),
    *("regime=full_batch", "regime.block_size=21", "budget.passes=16", "record.every=1", "record.evaluate_every=5"),
    *("precision=fp64", "impl.threads=1", "impl.blocks_per_call=1", "impl.checkpoint_seconds=0"),
    "regularizer=[gradient_clipping,gradient_penalty,ema]",
]
PLACE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


def placed(monkeypatch, **changes):
    for name, value in {**PLACE, **changes}.items():
        monkeypatch.setenv(name, value)


def test_a_process_without_torchrun_is_alone(monkeypatch):
    assert read_place() is None
    with Meeting() as meeting, meeting.joined(compose()) as ranks:
        assert meeting.first
        assert ranks is ALONE
    placed(monkeypatch, WORLD_SIZE="1", RANK="0")
    assert read_place() is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"RANK": "2"}, r"RANK=2 in the environment is outside the valid range \[0, 1\]"),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK=x, .* name no process of torchrun"),
    ],
)
def test_an_environment_that_names_no_place_is_refused(monkeypatch, changes, problem):
    placed(monkeypatch, **changes)
    with pytest.raises(ConfigError, match=problem):
        read_place()


def test_studies_are_not_dealt(monkeypatch, capsys):
    from fbgd.studies.command import reported

    placed(monkeypatch)
    with pytest.raises(ConfigError, match="a table cannot be dealt to 2 ranks: start it without torchrun"):
        check_alone("a table")
    assert reported(lambda: pytest.fail("work was done")) == 2
    assert capsys.readouterr().err.startswith("error: a study or sweep cannot be dealt to 2 ranks")


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        ("cuda:1", "would put all 4 ranks of this computer on one GPU: leave it at auto"),
        ("cuda", "4 ranks on this computer, and 2 GPUs: start at most one rank a GPU"),
    ],
)
def test_ranks_that_would_share_a_gpu_are_refused(monkeypatch, device, problem):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ConfigError, match=problem):
        take_device(compose([f"impl.device={device}"]), Place(2, 4, 2, 4))


def test_ranks_on_a_cpu_take_no_gpu():
    assert not take_device(compose(["impl.device=cpu"]), Place(2, 4, 2, 4))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_wrong_timeout_is_refused(seconds):
    with pytest.raises(ConfigError, match=r"impl.rank_timeout = .* is outside the valid range"):
        ImplConfig(rank_timeout=seconds)


def test_nobody_comes_to_the_meeting(monkeypatch):
    placed(monkeypatch, MASTER_ADDR="127.0.0.1", MASTER_PORT="1")
    with pytest.raises(RankLost, match="the other ranks are not found"):
        Meeting(seconds=0.1)


class Torchrun:
    """The command, with its output in a file."""

    def __init__(self, folder, ranks, words):
        self.log = folder / "log"
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests/support", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*command, str(ROOT / "scripts/train.py"), *words, "--out", str(folder / "run")],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
            )

    def ranks(self):
        """The numbers of its processes, by rank."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children) as file:
            numbers = [int(word) for word in file.read().split()]
        return [number for number in numbers if "train.py" in command_of(number)]

    def when(self, path):
        """Wait for a file."""
        while not path.exists():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def end(self):
        """Its exit status, and what it said."""
        return self.process.wait(), self.log.read_text()


def command_of(number):
    try:
        with open(f"/proc/{number}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """What one process records."""
    path = tmp_path_factory.mktemp("one")
    execute(compose(WORDS), path)
    return pd.read_csv(path / "metrics.csv")


def assert_same_rows(path, rows):
    found = pd.read_csv(path / "metrics.csv")[rows.columns]
    pd.testing.assert_frame_equal(
        found.drop(columns="seconds"), rows.drop(columns="seconds"), check_exact=False, rtol=1e-12, atol=1e-12
    )


@pytest.mark.slow
@pytest.mark.parametrize(("killed", "ranks", "then"), [(1, 3, 2), (0, 2, 3)])
def test_a_rank_killed_outright_ends_all_and_others_go_on(tmp_path, rows, killed, ranks, then):
    first = Torchrun(tmp_path, ranks, WORDS)
    first.when(tmp_path / "run/checkpoint.previous.pt")
    numbers = first.ranks()
    assert len(numbers) == ranks
    os.kill(numbers[killed], signal.SIGKILL)
    status, said = first.end()
    assert status == 1
    assert "another rank is gone" in said
    assert not any(command_of(number) for number in numbers)
    assert not (tmp_path / "run/summary.json").exists()
    status, said = Torchrun(tmp_path, then, WORDS).end()
    assert status == 0, said
    assert_same_rows(tmp_path / "run", rows)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint(tmp_path, rows, number):
    words = [*WORDS, "probe.mark._target_=rank_group.mark"]
    first = Torchrun(tmp_path, 2, [*words, "impl.checkpoint_seconds=1000"])
    first.when(tmp_path / "stepped")
    first.process.send_signal(number)
    status, said = first.end()
    assert status == 1
    assert "interrupted: the same command goes on" in said
    assert (tmp_path / "run/checkpoint.pt").exists()
    status, said = Torchrun(tmp_path, 1, words).end()
    assert status == 0, said
    assert_same_rows(tmp_path / "run", rows)


@pytest.mark.slow
def test_a_mistake_is_said_once(tmp_path):
    status, said = Torchrun(tmp_path, 2, ["regime=full_batc"]).end()
    assert status == 1
    assert said.count("error: regime=full_batc") == 1
    assert not (tmp_path / "run").exists()
