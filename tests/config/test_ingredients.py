"""The contract of every regulariser that can be chosen: both regimes, every vectorisation, resuming, evaluation."""

import io
from types import SimpleNamespace

import pytest
import torch
from problems import network, parameters, source
from reference import flat, norm

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.config.groups import choices
from fbgd.config.ingredients import sort_ingredients
from fbgd.engine.blocks import BlockTransforms
from fbgd.engine.experiment import Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from fbgd.engine.step import moments, transformed
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute
from fbgd.runs.snapshots import restore, snapshot
from regularizers import EMA, SWA, GradientClipping, GradientNoise, GradientNormPenalty, InputNoise, WeightNoise

CHOICES = [choice for choice in choices("regularizer") if choice != "none"]
# These look on; all others change the training.
WATCHING = {"ema", "swa", "early_stopping"}
# A step of one block has nothing for them to do.
OF_SEVERAL_BLOCKS = {"sgd_noise"}
REGIMES = ["sgd", "full_batch"]
SMALL = [
    "data.source.train=60",
    "data.source.test=20",
    "data.validation_size=20",
    "model.width=4",
    "regime.block_size=9",
    "precision=fp64",
    "record.evaluate_every=1",
    "impl.device=cpu",
    "budget.passes=4",
    "schedule=constant",
]
# Strong enough to show within four passes.
STRONG = {
    "gradient_value_clipping": ["regularizer.gradient_value_clipping.max_value=0.01"],
    "dropout": ["model.dropout=0.5"],
    "stochastic_depth": ["model.stochastic_depth=0.5"],
    # Several weights in the mean, the first of them before an interruption after two passes.
    "swa": ["regularizer.swa.start=0", "regularizer.swa.every=0.5"],
    # One pass without improvement ends training.
    "early_stopping": [
        "regularizer.early_stopping.patience=1",
        "regularizer.early_stopping.metric=validation_accuracy",
    ],
}


def run(*words, blocks_per_call=1, cut=None):
    """Train; with ``cut``, through a checkpoint after so many passes. Rows and final weights."""
    words = [*SMALL, f"impl.blocks_per_call={blocks_per_call}", *words]
    built, progress, rows = build(compose(words)), Progress(), []
    if cut is not None:
        saved = io.BytesIO()

        def keep(row, at):
            rows.append(row)
            if row["passes"] == cut:
                saved.seek(0)
                torch.save(snapshot(built.experiment, at, []), saved)
                raise InterruptedError

        with pytest.raises(InterruptedError):
            train(built.experiment, progress, keep)
        built = build(compose(words))
        saved.seek(0)
        state = torch.load(saved, weights_only=True)
        restore(built.experiment, state)
        progress = Progress(**state["progress"])
    train(built.experiment, progress, lambda row, _: rows.append(row))
    return rows, parameters(built.experiment.model)


def chosen(choice):
    return [f"regularizer={choice}", *STRONG.get(choice, [])]


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("choice", CHOICES)
def test_changes_the_training_or_only_looks_on(choice, regime):
    rows, weights = run(f"regime={regime}", *chosen(choice))
    plain, plain_weights = run(f"regime={regime}")
    assert all(torch.isfinite(entry).all() for entry in weights)
    if choice in OF_SEVERAL_BLOCKS and regime == "sgd":
        assert torch.equal(flat(weights), flat(plain_weights))
    elif choice in WATCHING:
        assert [row["loss"] for row in rows] == [row["loss"] for row in plain][: len(rows)]
        # What is evaluated in the end are other weights.
        assert not torch.equal(flat(weights), flat(plain_weights))
        assert rows[-1]["validation_loss"] != plain[-1]["validation_loss"]
        if choice == "early_stopping":
            assert rows[-1]["best_passes"] < rows[-1]["passes"] < 4
    else:
        assert not torch.allclose(flat(weights), flat(plain_weights), rtol=0, atol=1e-6)


@pytest.mark.parametrize("choice", CHOICES)
def test_evaluation_of_given_weights_is_the_same(choice):
    def measured(words):
        experiment = build(compose([*SMALL, *words])).experiment
        return experiment.monitor.measure(0)

    # Before the first step all models have the same weights.
    assert measured(chosen(choice)) == measured([])


@pytest.mark.parametrize("choice", CHOICES)
def test_every_vectorisation_gives_the_same(choice):
    """Four passes amplify rounding, 1e-16, by less than a thousand times a pass on this network."""
    words = ["regime=full_batch", *chosen(choice)]
    expected = flat(run(*words)[1])
    for count in (2, 100):
        torch.testing.assert_close(flat(run(*words, blocks_per_call=count)[1]), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("choice", CHOICES)
def test_a_resumed_run_is_the_same_run(choice, regime):
    straight, weights = run(f"regime={regime}", *chosen(choice))
    resumed, again = run(f"regime={regime}", *chosen(choice), cut=2.0)
    timeless = [{key: value for key, value in row.items() if key != "seconds"} for row in straight]
    assert timeless == [{key: value for key, value in row.items() if key != "seconds"} for row in resumed]
    assert all(torch.equal(left, right) for left, right in zip(weights, again, strict=True))


def test_everything_together():
    names = [choice for choice in CHOICES if choice != "swa"]
    for regime in REGIMES:
        _, weights = run(f"regime={regime}", f"regularizer=[{','.join(names)}]")
        assert all(torch.isfinite(entry).all() for entry in weights)


def test_two_averages_or_something_without_a_role_are_refused():
    with pytest.raises(ConfigError, match="only one of them"):
        sort_ingredients({"ema": EMA(), "swa": SWA()})
    with pytest.raises(ConfigError, match=r"regularizer\.mine: Linear is none of BlockTransform"):
        sort_ingredients({"mine": torch.nn.Linear(1, 1)})


def test_two_of_a_kind_draw_apart():
    """Two equal noises add up like independent ones, not to twice the one."""
    zeros = [torch.zeros(40000, dtype=torch.float64)]
    for ingredients, apply in (
        ((GradientNoise(1.0), GradientNoise(1.0)), lambda pairs: transformed(zeros, pairs)[0]),
        ((WeightNoise(1.0), WeightNoise(1.0)), lambda pairs: pairs[1][0](pairs[0][0](zeros, pairs[0][1]), pairs[1][1])),
    ):
        experiment = SimpleNamespace(source=SimpleNamespace(steps_per_pass=1), seed=0)
        (total,) = apply(moments(ingredients, experiment, 3))
        assert float(total.var()) == pytest.approx(2.0, rel=0.05)
    noises = BlockTransforms((InputNoise(1.0), InputNoise(1.0)), 2, 0)
    inputs, _ = noises(torch.zeros(1, 200, 200), torch.zeros(1, 200, dtype=torch.int64), 0, (0,))
    assert float(inputs.var()) == pytest.approx(2.0, rel=0.05)


def test_an_average_that_never_began_is_told(tmp_path):
    told = []
    words = [*SMALL, "optimizer=sam", "regularizer=swa", "budget.gradients_per_sample=2"]
    execute(compose(words), tmp_path, warn=told.append)
    assert "before any weights were averaged" in told[0]


@pytest.mark.parametrize("blocks_per_call", [1, 2])
def test_block_clipping_is_the_mean_of_clipped_blocks(blocks_per_call):
    model, blocks = network("mlp"), source()
    objective = classification(model)
    gradients = []
    for indices in blocks.order.blocks(0):
        data = blocks.data.samples
        block = [data.inputs[indices], data.targets[indices], torch.tensor(0)]
        leaves = [param.detach().requires_grad_() for param in model.parameters()]
        gradients.append((len(indices), torch.autograd.grad(objective(leaves, *block)[0], leaves)))
    lengths = [norm(entries) for _, entries in gradients]
    limit = sum(lengths) / len(lengths)
    assert min(lengths) < limit < max(lengths)
    expected = sum(size / 23 * min(1.0, limit / norm(entries)) * flat(entries) for size, entries in gradients)
    clip = GradientClipping(limit, of="block")
    mean = MeanGradient(objective, (), blocks_per_call, clipping=(clip,))
    result = mean(parameters(model), blocks.step(0), 0.1)
    torch.testing.assert_close(flat(result.gradient), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("of", ["block", "full_gradient"])
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("blocks_per_call", [1, 2])
def test_unsquared_penalty_mixes_two_gradients(of, alpha, blocks_per_call):
    """(1 - alpha) g(w) + alpha g(w + r g/||g||), written out block by block or for the whole step."""
    model, blocks, radius = network("mlp"), source(), 0.3
    objective = classification(model)

    def gradient_at(params, indices):
        data = blocks.data.samples
        leaves = [param.detach().requires_grad_() for param in params]
        loss = objective(leaves, data.inputs[indices], data.targets[indices], torch.tensor(0))[0]
        return torch.autograd.grad(loss, leaves)

    parts = blocks.order.blocks(0) if of == "block" else [torch.arange(23)]
    expected, lengths = 0.0, 0.0
    for indices in parts:
        first = gradient_at(parameters(model), indices)
        length = norm(first)
        ascended = [param + radius / length * entry for param, entry in zip(parameters(model), first, strict=True)]
        second = gradient_at(ascended, indices)
        expected = expected + len(indices) / 23 * ((1 - alpha) * flat(first) + alpha * flat(second))
        lengths += len(indices) / 23 * length
    mean = MeanGradient(objective, (GradientNormPenalty(alpha, radius, of),), blocks_per_call)
    result = mean(parameters(model), blocks.step(0), 0.1)
    torch.testing.assert_close(flat(result.gradient), expected, rtol=0, atol=1e-12)
    assert float(result.objective - result.loss) == pytest.approx(alpha * radius * lengths, abs=1e-12)
    assert result.evaluations == 46
