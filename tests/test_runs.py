"""Run directories: resumed bit by bit after kill -9, skipped when done, safe against damage."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from filelock import FileLock

from fbgd import runs
from fbgd.config import ConfigError, compose
from fbgd.runs import RunDirectory, execute, write_atomically

WORDS = [
    "data.source.train=60",
    "data.source.test=20",
    "model.width=4",
    "regime.block_size=8",
    "regularizer=[gradient_clipping,gradient_penalty]",
    "schedule.warmup=2",
    "data.augment=random",
    "record.evaluate_every=2",
    "impl.threads=1",
    "impl.checkpoint_seconds=0",
]
SGD = [*WORDS, "regime.order=reshuffle", "budget.passes=8"]
FULL_BATCH = [*WORDS, "regime=full_batch", "regime.block_size=8", "budget.passes=8", "optimizer=adamw"]


def numbers(path):
    """Everything a run computed, without its times and its place."""
    metrics = pd.read_csv(path / "metrics.csv").drop(columns="seconds")
    state = torch.load(path / "checkpoint.pt", weights_only=True)
    return metrics, state["model"], state["optimizer"]


def assert_same(left, right):
    """Bit for bit."""
    pd.testing.assert_frame_equal(left[0], right[0], check_exact=True)
    for name, value in left[1].items():
        assert torch.equal(value, right[1][name]), name
    for index, held in left[2]["state"].items():
        for key, value in held.items():
            other = right[2]["state"][index][key]
            assert torch.equal(value, other) if torch.is_tensor(value) else value == other


class Stopped(Exception):
    """Raised in place of a crash."""


def stop_after(count):
    """A callback that ends the run at its ``count``-th row, after the checkpoint of the row before."""
    seen = 0

    def on_row(row, steps):
        nonlocal seen
        seen += 1
        if seen == count:
            raise Stopped

    return on_row


@pytest.mark.parametrize("words", [SGD, FULL_BATCH])
def test_files_of_a_run(tmp_path, words):
    summary = execute(compose(words), tmp_path)
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {
        "config.yaml",
        "metrics.csv",
        "summary.json",
        "checkpoint.pt",
    }
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["status"] == "done"
    assert summary["gradient_evaluations"] == 8 * 60 * 2
    assert {"git_revision", "torch", "content_hash", "device", "threads", "blocks_per_call"} <= summary.keys()
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert set(metrics) == {
        "step",
        "passes",
        "loss",
        "accuracy",
        "gradient_norm",
        "block_gradient_norm",
        "clipped",
        "learning_rate",
        "parameter_norm",
        "gradient_evaluations",
        "seconds",
        "test_loss",
        "test_accuracy",
    }
    assert len(metrics) == 8


@pytest.mark.parametrize("words", [SGD, FULL_BATCH])
@pytest.mark.parametrize("rows", [1, 3, 7])
def test_an_interrupted_run_ends_in_the_same_bits(tmp_path, words, rows):
    config = compose([*words, "impl.blocks_per_call=3"])
    execute(config, tmp_path / "straight")
    with pytest.raises(Stopped):
        execute(config, tmp_path / "cut", stop_after(rows))
    assert not (tmp_path / "cut" / "summary.json").exists()
    computed = []
    execute(config, tmp_path / "cut", lambda row, steps: computed.append(row["passes"]))
    assert computed == list(range(rows + 1, 9))
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_kill_9_and_the_same_command_again(tmp_path):
    words = [*SGD[:-1], "budget.passes=40"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"}

    def start(path):
        command = [sys.executable, "-m", "fbgd.worker", str(path), *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    with start(tmp_path / "straight") as process:
        process.communicate()
    with start(tmp_path / "cut") as process:
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        # What the pipe still held was computed before the kill.
        before = 5 + len(process.stdout.readlines())
    assert before < 40
    with start(tmp_path / "cut") as process:
        *messages, end = map(json.loads, process.communicate()[0].splitlines())
    assert end == {"ended": None}
    rows = [message["row"] for message in messages]
    # A row is reported after its checkpoint, so at most the one row in between is computed twice.
    assert before <= rows[0]["passes"] <= before + 1 + 1
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_a_worker_ends_when_nobody_listens(tmp_path):
    words = [*SGD[:-1], "budget.passes=100000"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "fbgd.worker", str(tmp_path), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) != 0
    process.stderr.close()
    assert RunDirectory(tmp_path).read_checkpoint(print)["progress"]["step"] > 0


def test_a_done_run_is_skipped(tmp_path):
    config = compose(SGD)
    first = execute(config, tmp_path)
    assert execute(config, tmp_path, stop_after(1)) == first


def test_another_experiment_is_refused_by_its_differences(tmp_path):
    execute(compose(SGD), tmp_path)
    with pytest.raises(ConfigError, match=r"optimizer\.lr: 0\.1 -> 0\.2"):
        execute(compose([*SGD, "optimizer.lr=0.2"]), tmp_path)
    execute(compose([*SGD, "impl.checkpoint_seconds=9"]), tmp_path)


def damage_in_the_middle(path):
    """Flip one byte of the largest record, which torch.load alone would not notice."""
    with zipfile.ZipFile(path) as archive:
        record = archive.read(max(archive.infolist(), key=lambda entry: entry.file_size))
    content = bytearray(path.read_bytes())
    content[content.index(record) + len(record) // 2] ^= 0xFF
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [damage_in_the_middle, truncate])
@pytest.mark.parametrize("both", [False, True])
def test_damaged_checkpoints_are_reported_and_the_last_good_one_is_taken(tmp_path, damage, both):
    config = compose(SGD)
    execute(config, tmp_path / "straight")
    with pytest.raises(Stopped):
        execute(config, tmp_path / "cut", stop_after(5))
    directory = RunDirectory(tmp_path / "cut")
    damage(directory.checkpoint)
    if both:
        damage(directory.previous)
    warnings, computed = [], []
    execute(config, tmp_path / "cut", lambda row, steps: computed.append(row["passes"]), warnings.append)
    assert len(warnings) == 1 + both
    assert "is damaged" in warnings[0]
    assert computed[0] == (1 if both else 5)
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def crash(source, target):
        raise OSError("power cut")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="power cut"):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_the_choice_of_blocks_per_call_is_kept(tmp_path, monkeypatch):
    """A second start takes the recorded choice and measures nothing."""
    config = compose(FULL_BATCH)
    with pytest.raises(Stopped):
        execute(config, tmp_path, stop_after(2))
    chosen = json.loads((tmp_path / ".plan.json").read_text())["blocks_per_call"]
    monkeypatch.setattr("fbgd.build.choose_blocks_per_call", lambda *arguments: pytest.fail("measured again"))
    assert execute(config, tmp_path)["blocks_per_call"] == chosen


def test_a_number_of_blocks_per_call_wins_over_an_earlier_choice(tmp_path):
    with pytest.raises(Stopped):
        execute(compose(FULL_BATCH), tmp_path, stop_after(2))
    assert execute(compose([*FULL_BATCH, "impl.blocks_per_call=2"]), tmp_path)["blocks_per_call"] == 2


def test_other_data_under_the_same_name_is_noticed(tmp_path, monkeypatch):
    config = compose(SGD)
    with pytest.raises(Stopped):
        execute(config, tmp_path, stop_after(3))
    monkeypatch.setattr(sys.modules["fbgd.data.prepare"], "content_hash", lambda *parts: "of other files")
    with pytest.raises(ConfigError, match="begun with other data"):
        execute(config, tmp_path)


def test_a_damaged_checkpoint_never_replaces_the_good_one_before(tmp_path):
    config = compose(SGD)
    with pytest.raises(Stopped):
        execute(config, tmp_path, stop_after(5))
    directory = RunDirectory(tmp_path)
    good = directory.previous.read_bytes()
    damage_in_the_middle(directory.checkpoint)
    assert directory.read_checkpoint(lambda text: None)["progress"]["step"] > 0
    directory.write_checkpoint({"newer": 1})
    assert directory.previous.read_bytes() == good
    (tmp_path / ".checkpoint.pt.12345").write_bytes(b"half")
    directory.clean()
    assert not (tmp_path / ".checkpoint.pt.12345").exists()


class NoisySGD(torch.optim.SGD):
    """Draws from PyTorch's global generator, as some optimizers do."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            for param in group["params"]:
                param.data.add_(torch.randn_like(param), alpha=1e-3)
        return loss


def test_draws_from_the_global_generator_are_repeated_too(tmp_path):
    words = [*SGD, "optimizer._target_=test_runs.NoisySGD", "optimizer.lr=0.1"]
    config = compose(words)
    torch.manual_seed(1)
    execute(config, tmp_path / "straight")
    with pytest.raises(Stopped):
        execute(config, tmp_path / "cut", stop_after(3))
    torch.manual_seed(2)
    execute(config, tmp_path / "cut")
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_two_processes_do_not_share_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "LOCK_SECONDS", 0.01)
    with FileLock(tmp_path / ".lock"), pytest.raises(TimeoutError, match="another process"):
        execute(compose(SGD), tmp_path)


def test_divergence_is_a_result(tmp_path):
    summary = execute(compose([*FULL_BATCH[:-1], "optimizer.lr=1e30", "regularizer=none"]), tmp_path)
    assert summary["status"] == "diverged"
    assert summary["test_accuracy"] == 0.0
    assert summary["loss"] is None or summary["passes"] < 8
    json.loads((tmp_path / "summary.json").read_text(), parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "tf32", "fp64"])
def test_precisions_train(tmp_path, precision):
    summary = execute(compose([*FULL_BATCH, f"precision={precision}"]), tmp_path)
    assert summary["status"] == "done"
    assert torch.get_float32_matmul_precision() == ("high" if precision == "tf32" else "highest")
    torch.set_float32_matmul_precision("highest")
