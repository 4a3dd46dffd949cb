"""Runs of a language model: to the known entropy, one pass, resumed in the same bits, at the published size."""

import json
import math

import pytest
import torch
from directories import Stopped, assert_same, numbers, stop_after

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.runs.attempt import execute
from scripts import train as script

MODEL = ["model=gpt", "model.width=16", "model.layers=1", "model.heads=2"]
SIZES = ["data.source.length=16", "data.source.train=60", "data.source.test=20", "regime.block_size=8"]
DECAY = ["optimizer=adamw", "optimizer.weight_decay_of=matrices", "regularizer=[gradient_clipping]"]
SMALL = ["data=markov", *MODEL, *SIZES, *DECAY, "impl.threads=1"]


def trained(words):
    """A run's experiment with its facts, and its rows."""
    built, rows = build(compose(words)), []
    train(built.experiment, Progress(), lambda row, _: rows.append(row))
    return built, rows


def test_loss_approaches_the_known_entropy():
    sizes = ["data.source.symbols=4", "data.source.length=32", "data.source.train=3200", "data.source.test=500"]
    words = [*sizes, "regime=sgd", "regime.block_size=16", "budget.passes=1", "record.every=0.1", "optimizer.lr=0.01"]
    built, rows = trained([*SMALL, *words, "schedule.warmup=0.05"])
    floor = built.facts.data["loss_floor"]
    assert rows[0]["loss"] > floor + 0.1
    # Both the test set and what is still to be learned differ from it by less than 0.01 nats.
    assert rows[-1]["test_loss"] == pytest.approx(floor, abs=0.02)


@pytest.mark.parametrize("regime", ["sgd", "large_batch", "full_batch"])
def test_every_regime_learns(regime):
    words = [f"regime={regime}", "regime.block_size=8", f"budget.passes={10 if regime == 'sgd' else 30}"]
    _, rows = trained([*SMALL, *words, "optimizer.lr=0.01"])
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
    assert math.isfinite(rows[-1]["test_loss"])


def test_one_pass_sees_every_window_once():
    built = build(compose([*SMALL, "regime=sgd", "regime.block_size=12", "budget.passes=1"]))
    experiment = built.experiment
    assert experiment.steps == 60 / 12
    seen = [experiment.source.step(step).indices for step in range(experiment.steps)]
    assert all(len(blocks) == 1 for blocks in seen)
    assert torch.cat([indices for blocks in seen for indices in blocks]).sort().values.tolist() == list(range(60))


@pytest.mark.parametrize("regime", ["sgd", "full_batch"])
@pytest.mark.parametrize("rows", [1, 4])
def test_an_interrupted_run_ends_in_the_same_bits(tmp_path, regime, rows):
    words = [f"regime={regime}", "regime.block_size=8", "budget.passes=1", "record.every=0.2", "model.dropout=0.1"]
    if regime == "full_batch":
        words += ["budget.passes=5", "record.every=1"]
    config = compose([*SMALL, *words, "impl.checkpoint_seconds=0", "impl.blocks_per_call=3"])
    execute(config, tmp_path / "straight")
    with pytest.raises(Stopped):
        execute(config, tmp_path / "cut", stop_after(rows))
    execute(config, tmp_path / "cut")
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_of_its_own_commands(tmp_path, capsys):
    """What a user types, on the standard library and on a file."""
    path = tmp_path / "recipe.txt"
    path.write_text("Ein Hund lief in die Küche und stahl dem Koch ein Ei. " * 20)
    sources = {
        "python_source": ["data.source.train_bytes=2000", "data.source.test_bytes=500"],
        "text": [f"data.source.path={path}"],
    }
    for data, words in sources.items():
        words = [f"data={data}", *words, "data.source.length=16", *MODEL, *DECAY, "regime=sgd", "regime.block_size=4"]
        out = tmp_path / data
        assert script.main([*words, "budget.passes=1", "--out", str(out)]) == 0, capsys.readouterr().err
        summary = json.loads((out / "summary.json").read_text())
        assert summary["train_tokens"] == summary["train_size"] * 16 == summary["gradient_evaluations"] * 16
        assert summary["step"] == math.ceil(summary["train_size"] / 4)
        assert summary["vocabulary"] == 256
    assert script.main(["data=text", *MODEL]) == 2
    assert "data.source.path is missing: name a text file" in capsys.readouterr().err


def test_a_step_at_the_published_size(tmp_path):
    """With two of its twelve layers, to take seconds, on one window of eight bytes."""
    path = tmp_path / "text"
    path.write_bytes(b"In the beginning was")
    source = [f"data.source.path={path}", "data.source.length=8", "data.source.test_share=0.5"]
    model = ["model=gpt2_124m", "model.layers=2"]
    published = [*DECAY, "optimizer.lr=6e-4", "optimizer.betas=[0.9,0.95]", "optimizer.weight_decay=0.1"]
    step = ["regime=sgd", "regime.block_size=1", "budget.passes=1"]
    built, (row,) = trained(["data=text", *source, *model, *published, *step])
    assert built.facts.parameters == 124337664 - 10 * 7079424
    # Logits of a new network are small beside those of a trained one: every token is about as likely as any other.
    assert row["loss"] == pytest.approx(math.log(256), abs=0.5)
    assert row["clipped"] == 1.0
    assert math.isfinite(row["test_loss"])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp64"])
def test_label_smoothing_in_every_precision(precision):
    words = ["regularizer=label_smoothing", "model.vocabulary=30", f"precision={precision}", "budget.passes=1"]
    _, rows = trained([*SMALL, *words])
    assert math.isfinite(rows[-1]["loss"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=mnist1d", "model=gpt"], "model (fbgd.models.GPT) takes tokens, and data=mnist1d has signals"),
        (["data=markov", "model=transformer"], "input_shape = (64,) must be (2, L)"),
        (["data=markov", "model=resnet"], "model (fbgd.models.ResNet) takes signals, and data=markov has tokens"),
        (["data=markov", "model=gpt", "model.length=9"], "model.length = 9 is less than the data's windows of 64"),
        (["data=markov", "data.source.symbols=99", "data.source.order=2"], "data.source (fbgd.data.markov): symbols"),
    ],
)
def test_what_does_not_go_together_is_named(words, message):
    with pytest.raises(ValueError) as error:
        build(compose(words))
    assert message in str(error.value)
