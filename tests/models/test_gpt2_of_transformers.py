"""GPT-2 of transformers as a model of the user's: its output object, and its loss against transformers' own."""

import sys

import pytest
import torch
from directories import Stopped, assert_same, numbers, stop_after
from files import ROOT

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.evaluate import evaluate
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.runs.attempt import execute

pytest.importorskip("transformers", reason="pip install 'fbgd[transformers]'")
pytestmark = [
    pytest.mark.slow,
    # vmap has no rule of its own for attention on a CPU, and says that it takes longer.
    pytest.mark.filterwarnings("ignore:There is a performance drop"),
    pytest.mark.filterwarnings("default:::transformers"),
]
WORDS = [
    "data=markov", "data.source.length=8", "data.source.train=24", "data.source.test=8", "regime.block_size=6",
    "model._target_=gpt2.gpt2", "model.width=8", "optimizer=adamw", "schedule=constant", "budget.passes=3",
    "impl.device=cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def paths(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def configured(*words):
    return compose([*WORDS, *words], [ROOT / "docs" / "examples"])


@pytest.mark.parametrize("regime", ["sgd", "full_batch"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_it_learns_whatever_the_number_of_blocks_a_call(regime, dropout):
    weights = []
    for count in (1, "auto"):
        built = build(configured(f"regime={regime}", f"model.dropout={dropout}", f"impl.blocks_per_call={count}"))
        rows = []
        train(built.experiment, Progress(), lambda row, _, rows=rows: rows.append(row))
        assert rows[-1]["loss"] < rows[0]["loss"]
        weights.append(torch.cat([param.detach().flatten() for param in built.experiment.model.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-5)


def test_its_loss_is_that_of_transformers():
    built = build(configured())
    model, samples = built.experiment.model.eval(), built.experiment.source.data.samples
    loss, accuracy = evaluate(model, samples)
    # transformers shifts labels by one itself.
    whole = torch.cat([samples.inputs, samples.targets[:, -1:]], dim=1)
    logits = type(model).forward(model, samples.inputs).logits
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), whole[:, 1:].flatten())
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(-1) == whole[:, 1:]).double().mean().item())


def test_a_resumed_run_is_the_same_run(tmp_path, monkeypatch):
    config = configured("model.dropout=0.2", "regime=full_batch", "impl.checkpoint_seconds=0")
    execute(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        execute(config, tmp_path / "cut", on_row=stop_after(2))
    execute(config, tmp_path / "cut")
    assert_same(numbers(tmp_path / "whole"), numbers(tmp_path / "cut"))
