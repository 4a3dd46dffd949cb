"""Run directories: resumed bit by bit after kill -9, skipped when done, safe against damage."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
import torch
from directories import Stopped, assert_same, numbers, stop_after
from filelock import FileLock
from files import ROOT

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.runs import lock
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory, write_atomically

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


@pytest.mark.parametrize("words", [SGD, FULL_BATCH])
def test_files_of_a_run(tmp_path, words):
    summary = execute(compose(words), tmp_path)
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {
        "config.yaml",
        "metrics.csv",
        "summary.json",
        "checkpoint.pt",
    }
    written = json.loads((tmp_path / "summary.json").read_text())
    assert {key: value for key, value in written.items() if key != "checksum"} == summary
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


@pytest.mark.slow
def test_kill_9_and_the_same_command_again(tmp_path):
    words = [*SGD[:-1], "budget.passes=40"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start(path):
        command = [sys.executable, "-P", "-m", "fbgd.runs.worker", str(path), *words]
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
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "fbgd.runs.worker", str(tmp_path), *words]
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
    monkeypatch.setattr("fbgd.config.build.choose_blocks_per_call", lambda *arguments: pytest.fail("measured again"))
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


def test_draws_from_the_global_generator_are_repeated_too(tmp_path):
    words = [*SGD, "optimizer._target_=directories.NoisySGD", "optimizer.lr=0.1"]
    config = compose(words)
    torch.manual_seed(1)
    execute(config, tmp_path / "straight")
    with pytest.raises(Stopped):
        execute(config, tmp_path / "cut", stop_after(3))
    torch.manual_seed(2)
    execute(config, tmp_path / "cut")
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_two_processes_do_not_share_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.01)
    monkeypatch.setattr(lock, "AGAIN_SECONDS", 0.01)
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


def test_a_run_begun_by_an_earlier_version_resumes(tmp_path):
    """Configuration and checkpoint of a run of version 0.1.0, cut off at step 12 of 24, and the rows it ends with."""
    begun = ROOT / "tests" / "support" / "begun_in_0.1.0"
    straight = pd.read_csv(begun / "straight.csv")
    folder = tmp_path / "run"
    shutil.copytree(begun, folder)
    before = pd.read_csv(folder / "metrics.csv")
    assert 0 < len(before) < len(straight)
    sizes = "data=digits data.train_size=30 model=mlp model.width=3 regime.block_size=8 budget.passes=6"
    ways = "optimizer=adam optimizer.lr=0.01 regularizer=[gradient_clipping,gradient_penalty] schedule.warmup=2"
    config = compose([*sizes.split(), *ways.split(), "record.evaluate_every=2", "impl.threads=1"])
    summary = execute(config, folder)
    assert summary["identity"] == "5bf7699d8930f0e56889e70421e999ad09f5b77eb10379562271922a0bf1aea4"
    after = pd.read_csv(folder / "metrics.csv")
    # Rows that were there are kept as they were; the rest is computed here, where rounding may differ.
    pd.testing.assert_frame_equal(after[: len(before)], before, check_exact=True)
    same = [name for name in straight if name != "seconds"]
    pd.testing.assert_frame_equal(after[same], straight[same], rtol=1e-4)
