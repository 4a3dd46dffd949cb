"""Token targets in the engine: block losses that add up, padding, evaluation, what applies and what does not."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from problems import parameters
from reference import flat, token_cross_entropy
from sequences import VOCABULARY, objective, problem, sentences, source

from fbgd.data import Arrays, Samples, prepare
from fbgd.data.dataset import IGNORED
from fbgd.engine.blocks import BlockTransforms
from fbgd.engine.evaluate import evaluate
from fbgd.engine.gradient import MeanGradient
from regularizers import GradientPenalty, LabelSmoothing

KINDS = ["decoder", "translation"]


def close(left, right, tolerance=1e-10):
    return torch.testing.assert_close(list(left), list(right), rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_call", [1, 2, 100])
@pytest.mark.parametrize("block_size", [3, 4, 11])
def test_ragged_blocks_are_the_mean_over_all_tokens(kind, per_call, block_size):
    model, samples = problem(kind)
    total, right, count = token_cross_entropy(model(samples.inputs), samples.targets)
    expected = torch.autograd.grad(total / count, list(model.parameters()))
    mean_gradient = MeanGradient(objective(model, samples), (), per_call)
    result = mean_gradient(parameters(model), source(samples, block_size).step(0), 0.1)
    close(result.gradient, expected)
    close([result.loss], [(total / count).detach()])
    assert float(result.accuracy) == pytest.approx(right / count, abs=1e-14)


def test_dividing_by_a_block_s_own_tokens_would_be_seen():
    model, samples = problem("decoder")
    total, _, count = token_cross_entropy(model(samples.inputs), samples.targets)
    wrong = 0.0
    for inputs, targets, _ in source(samples).step(0).stacks(1):
        wrong += F.cross_entropy(model(inputs[0]).flatten(0, 1), targets.flatten()) * targets.shape[1] / len(samples)
    assert (wrong - total / count).abs() > 1e-3


def test_full_length_sequences_have_the_usual_mean():
    model, samples = problem("decoder")
    samples = Samples(samples.inputs, samples.targets.clamp(min=0))
    loss, _ = objective(model, samples)(parameters(model), samples.inputs, samples.targets, torch.tensor(0))
    expected = F.cross_entropy(model(samples.inputs).flatten(0, 1), samples.targets.flatten())
    close([loss], [expected.detach()], 1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_call", [1, 100])
def test_exact_penalty_is_autograd_of_the_penalised_loss(kind, per_call):
    model, samples = problem(kind)
    expected = [torch.zeros_like(param) for param in model.parameters()]
    for inputs, targets, _ in source(samples).step(0).stacks(1):
        size = targets.shape[1]
        loss = token_cross_entropy(model(inputs[0]), targets[0])[0] / (size * samples.tokens_per_sample)
        first = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
        penalised = loss + 0.6 * 0.3 / 4 * sum((entry**2).sum() for entry in first)
        part = torch.autograd.grad(penalised, list(model.parameters()))
        expected = [old + size / len(samples) * new for old, new in zip(expected, part, strict=True)]
    penalty = GradientPenalty(strength=0.6, method="exact")
    mean_gradient = MeanGradient(objective(model, samples), (penalty,), per_call)
    close(mean_gradient(parameters(model), source(samples).step(0), 0.3).gradient, expected)


@pytest.mark.parametrize("per_call", [1, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothed_labels_leave_padding_alone(per_call, smoothing):
    model, samples = problem("translation")
    changes = BlockTransforms((LabelSmoothing(smoothing),), VOCABULARY, 0, torch.float64)
    step = source(samples, transforms=changes).step(0)
    logits = model(samples.inputs)
    total = F.cross_entropy(logits.flatten(0, 1), samples.targets.flatten(), label_smoothing=smoothing, reduction="sum")
    loss = total / samples.predictions
    result = MeanGradient(objective(model, samples), (), per_call)(parameters(model), step, 0.1)
    close(result.gradient, torch.autograd.grad(loss, list(model.parameters())))
    close([result.loss], [loss.detach()], 1e-12)
    _, right, count = token_cross_entropy(logits, samples.targets)
    assert float(result.accuracy) == pytest.approx(right / count, abs=1e-14)


def test_predicting_padding_is_never_right():
    model, samples = problem("decoder")
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.copy_(-torch.arange(VOCABULARY))
    changes = BlockTransforms((LabelSmoothing(0.1),), VOCABULARY, 0, torch.float64)
    for transforms in (None, changes):
        step = source(samples, transforms=transforms).step(0)
        assert MeanGradient(objective(model, samples))(parameters(model), step, 0.1).accuracy == 0


@pytest.mark.parametrize("kind", KINDS)
@given(batch_size=st.integers(1, 12))
def test_evaluation_is_exact_for_every_batch_size(kind, batch_size):
    model, samples = problem(kind)
    loss, accuracy = evaluate(model, samples, batch_size)
    with torch.no_grad():
        total, right, count = token_cross_entropy(model(samples.inputs), samples.targets)
    assert loss == pytest.approx(float(total) / count, abs=1e-12)
    assert accuracy == right / count


class TestPrepare:
    def arrays(self, train=30, test=10):
        both = sentences(train + test)
        parts = [
            part
            for chosen in (slice(train), slice(train, None))
            for part in (both.inputs[chosen], both.targets[chosen])
        ]
        return Arrays(*parts, classes=VOCABULARY, facts={"dropped": 3})

    def test_tokens_stay_as_they_are(self):
        arrays = self.arrays()
        dataset = prepare(arrays, train_size=20, validation_size=5, seed=1)
        assert dataset.tokens
        assert dataset.input_shape == tuple(arrays.train_inputs.shape[1:])
        assert dataset.facts == {"dropped": 3}
        assert torch.equal(dataset.test.inputs, arrays.test_inputs)
        moved = dataset.train.samples.to(torch.device("cpu"), torch.float64)
        assert moved.inputs.dtype == moved.targets.dtype == torch.int64
        held = [dataset.train.samples, dataset.validation]
        assert [len(samples) for samples in held] == [20, 5]
        rows = [tuple(row.flatten().tolist()) for samples in held for row in samples.inputs]
        every = [tuple(row.flatten().tolist()) for row in arrays.train_inputs]
        assert len(set(rows)) == 25
        assert set(rows) <= set(every)

    def test_subsets_are_seeded_and_nested(self):
        small, large, other = (
            prepare(self.arrays(), train_size=size, seed=seed).train.samples.inputs
            for size, seed in ((8, 1), (20, 1), (8, 2))
        )
        assert torch.equal(small, large[:8])
        assert not torch.equal(small, other)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"label_noise": 0.1}, r"data\.label_noise = 0\.1 does not apply"),
            ({"augment": "random"}, r"data\.augment = 'random' does not apply"),
            ({"train_size": 31}, r"data\.train_size = 31"),
        ],
    )
    def test_what_does_not_apply_is_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            prepare(self.arrays(), **options)

    def test_tokens_per_sample_counts_what_is_predicted(self):
        samples = sentences(9)
        count = sum(label != IGNORED for row in samples.targets.tolist() for label in row)
        assert samples.predictions == count
        assert samples.tokens_per_sample == count / 9
        assert Samples(samples.inputs, samples.targets[:, 0]).tokens_per_sample is None


def test_every_vectorisation_drops_the_same():
    model, samples = problem("translation", dropout=0.4, layers=2)
    step = source(samples).step(0)
    one, many = (MeanGradient(objective(model, samples), (), count)(parameters(model), step, 0.1) for count in (1, 3))
    close(one.gradient, many.gradient, 1e-12)
    plain, _ = problem("translation", layers=2)
    kept = MeanGradient(objective(plain, samples))(parameters(plain), step, 0.1)
    assert (flat(kept.gradient) - flat(one.gradient)).abs().max() > 1e-3
