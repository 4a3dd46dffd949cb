"""Averages of weights, the best weights, and when to stop."""

import copy

import pytest
import torch
from experiments import experiment
from hypothesis import given
from hypothesis import strategies as st
from problems import network, parameters, source

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.monitor import Monitor
from fbgd.engine.train import train
from optimizers import SGD
from regularizers import EMA, SWA, EarlyStopping


def weights_after_steps(steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, generator=generator, dtype=torch.float64) for _ in range(steps)]


def averaged(average, weights, steps_per_pass):
    model = torch.nn.Linear(3, 1, bias=False).double()
    monitor = Monitor(model, SGD(model.parameters()), lambda pass_index: {}, average)
    for step, weight in enumerate(weights, start=1):
        model.weight.data.copy_(weight)
        monitor.after_step(step, steps_per_pass, len(weights))
    return monitor.averaged


@given(steps=st.integers(1, 40), steps_per_pass=st.integers(1, 8), half_life=st.floats(0.1, 20))
def test_ema_is_the_normalised_geometric_mean(steps, steps_per_pass, half_life):
    weights = weights_after_steps(steps)
    decay = 0.5 ** (1 / (half_life * steps_per_pass))
    shares = torch.tensor([decay ** (steps - step) for step in range(1, steps + 1)], dtype=torch.float64)
    expected = (shares[:, None] * torch.stack(weights)).sum(0) / shares.sum()
    torch.testing.assert_close(averaged(EMA(half_life), weights, steps_per_pass)[0][0], expected, rtol=0, atol=1e-10)


@given(steps=st.integers(4, 60), steps_per_pass=st.integers(1, 8), start=st.floats(0, 0.9))
def test_swa_is_the_plain_mean_of_what_it_takes(steps, steps_per_pass, start):
    weights = weights_after_steps(steps)
    first = int(start * steps) + steps_per_pass
    taken = weights[first - 1 :: steps_per_pass]
    found = averaged(SWA(start, every=1.0), weights, steps_per_pass)
    if not taken:
        assert found is None
    else:
        torch.testing.assert_close(found[0][0], torch.stack(taken).mean(0), rtol=0, atol=1e-10)


def test_averages_are_evaluated_and_training_never_sees_them():
    plain, watched = network("mlp"), network("mlp")
    seen = []
    optimizers = [SGD(model.parameters(), lr=0.3, momentum=0.9) for model in (plain, watched)]
    monitor = Monitor(watched, optimizers[1], lambda pass_index: seen.append(parameters(watched)) or {}, EMA(1.0))
    history = []
    first = experiment(plain, source(), optimizers[0], passes=6)
    train(first, Progress(), lambda row, progress: history.append(parameters(plain)))
    train(experiment(watched, source(), optimizers[1], passes=6, monitor=monitor), Progress(), lambda *_: None)
    decays = [0.5 ** (6 - step) for step in range(1, 7)]
    expected = [
        sum(decay * weight for decay, weight in zip(decays, versions, strict=True)) / sum(decays)
        for versions in zip(*history, strict=True)
    ]
    torch.testing.assert_close(seen[-1], expected, rtol=0, atol=1e-12)
    # In the end the model holds what was evaluated.
    torch.testing.assert_close(parameters(watched), expected, rtol=0, atol=1e-12)
    assert all(
        torch.equal(left["momentum_buffer"], right["momentum_buffer"])
        for left, right in zip(optimizers[0].state.values(), optimizers[1].state.values(), strict=True)
    )


def stopped(values, patience, metric="validation_loss", passes=None):
    """Train with the given validation metrics, one a pass; rows, weights at every pass, and the weights in the end."""
    model = network("mlp")
    optimizer = SGD(model.parameters(), lr=0.05)
    history, rows = [], []

    def measure(pass_index):
        history.append(parameters(model))
        return {metric: values[pass_index], "test_accuracy": pass_index / 100}

    monitor = Monitor(model, optimizer, measure, stopping=EarlyStopping(patience, metric))
    run = experiment(model, source(), optimizer, passes=passes or len(values), monitor=monitor)
    progress = train(run, Progress(), lambda row, _: rows.append(row))
    return rows, history, parameters(model), progress


@pytest.mark.parametrize(
    ("values", "patience", "metric", "best", "ends"),
    [
        ([3.0, 2.0, 1.0, 4.0, 5.0, 6.0, 0.1], 2, "validation_loss", 3, 5),
        ([3.0, 2.0, 1.0, 4.0, 5.0, 6.0, 0.1], 9, "validation_loss", 7, 7),
        ([0.1, 0.5, 0.5, 0.4, 0.9], 2, "validation_accuracy", 2, 4),
        ([float("nan"), 2.0, float("nan"), float("nan")], 2, "validation_loss", 2, 4),
    ],
)
def test_early_stopping_keeps_the_best(values, patience, metric, best, ends):
    rows, history, final, progress = stopped(values, patience, metric)
    assert rows[-1]["passes"] == ends == progress.step
    assert progress.stopped is (ends - best >= patience)
    assert rows[-1]["best_passes"] == best
    assert rows[-1]["test_accuracy"] == (best - 1) / 100
    assert all(torch.equal(left, right) for left, right in zip(final, history[best - 1], strict=True))


def test_infinite_patience_only_keeps_the_best():
    rows, history, final, progress = stopped([1.0, 2.0, 3.0], float("inf"))
    assert rows[-1]["passes"] == 3
    assert not progress.stopped
    assert all(torch.equal(left, right) for left, right in zip(final, history[0], strict=True))


def test_state_goes_through_a_checkpoint(tmp_path):
    model = network("mlp")
    monitor = Monitor(model, SGD(model.parameters()), lambda index: {"validation_loss": 1.0}, EMA(), EarlyStopping())
    monitor.after_step(1, 1, 5)
    monitor.evaluate(0, 1.0)
    torch.save(monitor.state_dict(), tmp_path / "state.pt")
    other = Monitor(copy.deepcopy(model), SGD(model.parameters()), lambda index: {}, EMA(), EarlyStopping())
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert all(torch.equal(left, right) for left, right in zip(monitor.averaged, other.averaged, strict=True))
    assert other.best["passes"] == 1.0
    assert other.exhausted(11.0)
    assert not other.exhausted(10.0)


class Switching(SGD):
    """An optimizer with two modes whose switch is not exactly reversible."""

    training = False

    def train(self):
        self._shift(-0.1)
        self.training = True

    def eval(self):
        self._shift(0.1)
        self.training = False

    def step(self, closure=None):
        assert self.training
        return super().step(closure)

    @torch.no_grad()
    def _shift(self, by):
        for group in self.param_groups:
            for param in group["params"]:
                param.add_(by)


def test_optimizers_with_a_mode_for_evaluation_are_switched():
    model = network("mlp")
    optimizer = Switching(model.parameters(), lr=0.1)
    optimizer.training = True
    before, seen, steps = parameters(model), [], []
    monitor = Monitor(model, optimizer, lambda index: seen.append(parameters(model)) or {})
    run = experiment(model, source(), optimizer, passes=2, monitor=monitor)
    train(run, Progress(), lambda row, _: steps.append(row["loss"]))
    plain = network("mlp")
    twin = SGD(plain.parameters(), lr=0.1)
    rows, after = [], []
    run = experiment(plain, source(), twin, passes=2)
    train(run, Progress(), lambda row, _: (rows.append(row["loss"]), after.append(parameters(plain))))
    assert steps == rows
    for found, expected in zip(seen, after, strict=True):
        torch.testing.assert_close(found, [entry + 0.1 for entry in expected], rtol=0, atol=1e-12)
    assert not torch.equal(before[0], seen[0][0])


def test_early_stopping_needs_a_validation_split():
    words = ["data.source.train=40", "data.source.test=10", "regime.block_size=8", "regularizer=early_stopping"]
    with pytest.raises(ValueError, match=r"set data\.validation_size"):
        build(compose(words))
    assert build(compose([*words, "data.validation_size=8"])).experiment.monitor.stopping
