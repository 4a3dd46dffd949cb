"""Runs on sentence pairs: they learn, and what does not go together is named."""

import math

import pytest

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.runs.provenance import identity

SMALL = [
    "data=catalogues",
    "data.source.vocabulary=200",
    "data.source.max_tokens=20",
    "data.train_size=64",
    "model=transformer",
    "model.width=16",
    "model.layers=1",
    "model.heads=2",
    "optimizer=adam",
    "optimizer.lr=0.01",
    "schedule=noam",
    "schedule.warmup=3",
    "regime.block_size=16",
    "record.evaluate_every=100",
    "impl.device=cpu",
]


@pytest.mark.parametrize("regime", ["sgd", "full_batch"])
def test_trains_below_the_unigram_entropy(regime):
    words = [f"regime={regime}", f"budget.passes={12 if regime == 'sgd' else 40}", "impl.blocks_per_call=1"]
    built = build(compose([*SMALL, "optimizer.lr=0.02", *words]))
    samples = built.experiment.source.data.samples
    share = samples.targets[samples.targets >= 0].bincount().double() / samples.predictions
    entropy = -sum(p * math.log(p) for p in share.tolist() if p)
    rows = []
    train(built.experiment, Progress(), lambda row, _: rows.append(row))
    assert rows[-1]["loss"] < 0.75 * entropy
    assert rows[-1]["accuracy"] > 0.3
    assert math.isfinite(rows[-1]["test_loss"])
    assert built.facts.data["vocabulary"] == 200


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["regularizer=mixup"], "regularizer (Mixup) changes inputs"),
        (["regularizer=cutmix"], "regularizer (CutMix) changes inputs"),
        (["regularizer=input_noise"], "regularizer (InputNoise) changes inputs"),
        (["model=mlp"], "model (fbgd.models.MLP) takes signals, and data=catalogues has tokens"),
        (["data=digits"], "model (fbgd.models.Transformer) takes tokens, and data=digits has signals"),
        (["data.label_noise=0.1"], "data.label_noise = 0.1"),
    ],
)
def test_what_does_not_go_together_is_named(words, message):
    kept = [word for word in SMALL if not (word.startswith("data.source") and "data=digits" in words)]
    kept = [word for word in kept if not (word.startswith("model.") and "model=mlp" in words)]
    with pytest.raises(ValueError) as error:
        build(compose([*kept, *words]))
    assert message in str(error.value)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp64"])
def test_label_smoothing_in_every_precision(precision):
    built = build(compose([*SMALL, "regularizer=label_smoothing", f"precision={precision}", "budget.passes=1"]))
    rows = []
    train(built.experiment, Progress(), lambda row, _: rows.append(row))
    assert math.isfinite(rows[-1]["loss"])


def test_options_are_checked_without_data():
    check(compose(["data=iwslt14", "model=transformer"]))
    with pytest.raises(ValueError, match=r"model\.width = 20"):
        check(compose(["data=iwslt14", "model=transformer", "model.width=20"]))


def test_files_of_one_s_own_are_part_of_the_identity():
    one, two = (identity(compose(["data=iwslt14", f"data.source.folder=/{place}"])) for place in ("one", "two"))
    assert one != two
