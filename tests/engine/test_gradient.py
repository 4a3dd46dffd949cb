"""The mean gradient: weights, vectorisation, penalties, purity."""

import pytest
import torch
from cases import MODELS
from hypothesis import given
from hypothesis import strategies as st
from problems import network, objective, parameters, samples, smooth_network, source
from reference import flat, gradient, norm, penalised_gradient

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.gradient import MeanGradient
from regularizers import GradientPenalty

LR = 0.3


def close(left, right, tolerance=1e-12):
    return torch.testing.assert_close(list(left), list(right), rtol=0, atol=tolerance)


# Norms that look at one sample only.
APART = [(kind, norm) for kind, case in MODELS.items() for norm in (case.norms or (None,)) if norm != "batch"]


@pytest.mark.parametrize(("kind", "norm_layer"), APART)
@pytest.mark.parametrize("blocks_per_call", [1, 3, 100])
def test_all_blocks_in_one_step_are_one_big_batch(kind, norm_layer, blocks_per_call):
    shape = MODELS[kind].shape
    model, blocks = network(kind, norm_layer, shape), source(shape=shape)
    everything = samples(23, shape)
    loss, expected = gradient(model, everything.inputs, everything.targets)
    result = MeanGradient(objective(model), (), blocks_per_call)(parameters(model), blocks.step(0), LR)
    close(result.gradient, expected)
    close([result.loss], [loss.detach()])
    right = (model(everything.inputs).argmax(1) == everything.targets).double().mean()
    close([result.accuracy], [right])
    assert result.evaluations == 23


@given(count=st.integers(2, 40), data=st.data())
def test_ragged_blocks_average_to_the_big_batch(count, data):
    """Any number of samples, any block size: equal weights instead of |B|/N would fail on every ragged split."""
    block_size = data.draw(st.integers(1, count))
    per_call = data.draw(st.integers(1, 9))
    model, blocks = network("mlp"), source(count, block_size, seed=data.draw(st.integers(0, 5)))
    everything = samples(count)
    _, expected = gradient(model, everything.inputs, everything.targets)
    result = MeanGradient(objective(model), (), per_call)(parameters(model), blocks.step(0), LR)
    close(result.gradient, expected)


def test_equal_weights_would_be_seen():
    """The blocks of the tests above are ragged enough that an unweighted mean is off by far more than 1e-12."""
    model, blocks = network("mlp"), source()
    everything = samples(23)
    _, expected = gradient(model, everything.inputs, everything.targets)
    wrong = [torch.zeros_like(entry) for entry in expected]
    step = blocks.step(0)
    for inputs, targets, _ in step.stacks(1):
        _, part = gradient(model, inputs[0], targets[0])
        wrong = [old + new / len(step) for old, new in zip(wrong, part, strict=True)]
    assert (flat(wrong) - flat(expected)).abs().max() > 1e-4


@pytest.mark.parametrize("norm_layer", ["none", "batch", "group"])
@pytest.mark.parametrize("method", ["forward", "central", "exact"])
@pytest.mark.parametrize("of", ["block", "full_gradient"])
def test_identical_for_every_number_of_blocks_per_call(norm_layer, method, of):
    model, blocks = network("resnet", norm_layer), source()
    penalty = GradientPenalty(strength=0.7, of=of, method=method)
    results = [
        MeanGradient(objective(model), (penalty,), count)(parameters(model), blocks.step(0), LR) for count in (1, 2, 4)
    ]
    # Differences of gradients divide rounding errors of 1e-16 by epsilon = radius / norm of order 1e-2; group norm
    # over few positions amplifies those of the exact product as much.
    for other in results[1:]:
        close(results[0].gradient, other.gradient, 1e-11)
        close([results[0].loss, results[0].block_norm], [other.loss, other.block_norm])
        assert results[0].evaluations == other.evaluations


def test_order_of_blocks_does_not_matter():
    model, step = network("resnet", "batch"), source().step(0)
    turned = StepBlocks(step.data, step.indices[::-1], 0, 0)
    mean_gradient = MeanGradient(objective(model), (GradientPenalty(),), 2)
    one, other = (mean_gradient(parameters(model), blocks, LR) for blocks in (step, turned))
    close(one.gradient, other.gradient, 1e-11)


def test_sums_over_parts_of_a_step_add_up():
    """What several ranks will rely on: |B|/N-weighted parts of a step sum to its mean."""
    model, step = network("resnet", "batch"), source().step(0)
    mean_gradient = MeanGradient(objective(model), (GradientPenalty(method="exact"),), 2)
    whole = mean_gradient(parameters(model), step, LR).gradient
    total = [torch.zeros_like(entry) for entry in whole]
    for part in (step.indices[:1], step.indices[1:]):
        blocks = StepBlocks(step.data, part, 0, 0)
        share = blocks.samples / step.samples
        gradients = mean_gradient(parameters(model), blocks, LR).gradient
        total = [old + share * new for old, new in zip(total, gradients, strict=True)]
    close(total, whole)


@pytest.mark.parametrize(
    ("kind", "norm_layer"),
    [
        *[("resnet", norm_layer) for norm_layer in ("none", "group", "layer")],
        *[(kind, "none" if kind == "strided_cnn" else "batch") for kind in MODELS],
    ],
)
@pytest.mark.parametrize("blocks_per_call", [1, 4])
def test_exact_penalty_is_autograd_of_the_penalised_loss(kind, norm_layer, blocks_per_call):
    shape = MODELS[kind].shape
    model, blocks = network(kind, norm_layer, shape), source(shape=shape)
    coefficient = 0.6 * LR / 4
    expected = [torch.zeros_like(param) for param in model.parameters()]
    block_norm = 0.0
    for inputs, targets, _ in blocks.step(0).stacks(1):
        share = targets.shape[1] / 23
        part = penalised_gradient(model, inputs[0], targets[0], coefficient)
        expected = [old + share * new for old, new in zip(expected, part, strict=True)]
        block_norm += share * norm(gradient(model, inputs[0], targets[0])[1])
    penalty = GradientPenalty(strength=0.6, method="exact")
    result = MeanGradient(objective(model), (penalty,), blocks_per_call)(parameters(model), blocks.step(0), LR)
    # Narrow bottlenecks have gradients of order 1e4.
    torch.testing.assert_close(list(result.gradient), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(float(result.block_norm), block_norm, rtol=1e-12, atol=1e-12)


def test_full_gradient_penalty_is_autograd_of_the_penalised_full_loss():
    model, blocks = network("resnet", "none"), source()
    everything = samples(23)
    expected = penalised_gradient(model, everything.inputs, everything.targets, 0.6 * LR / 4)
    penalty = GradientPenalty(strength=0.6, of="full_gradient", method="exact")
    for count in (1, 4):
        result = MeanGradient(objective(model), (penalty,), count)(parameters(model), blocks.step(0), LR)
        close(result.gradient, expected, 1e-10)


def test_both_penalties_together_are_the_sum_of_both():
    model, step = network("resnet", "batch"), source().step(0)
    params = parameters(model)
    penalties = [GradientPenalty(0.6, of=of, method="exact") for of in ("block", "full_gradient")]
    plain, block, full, both = (
        flat(MeanGradient(objective(model), chosen, 2)(params, step, LR).gradient)
        for chosen in ((), penalties[:1], penalties[1:], tuple(penalties))
    )
    close([both - plain], [(block - plain) + (full - plain)], 1e-12)


def test_gradient_evaluations_count_samples_times_gradients():
    model, step = network("mlp"), source().step(0)
    counts = {
        (): 23,
        ("forward",): 46,
        ("central",): 69,
        ("exact",): 69,
    }
    for methods, expected in counts.items():
        for of in ("block", "full_gradient"):
            penalties = tuple(GradientPenalty(of=of, method=method) for method in methods)
            calls = 0
            inner = objective(model)

            def counted(params, inputs, targets, key, inner=inner):
                nonlocal calls
                calls += len(targets)
                return inner(params, inputs, targets, key)

            result = MeanGradient(counted, penalties, 1)(parameters(model), step, LR)
            assert result.evaluations == expected
            # One exact product is one evaluation of forward-over-reverse, counted as two gradients for its cost.
            assert calls == (46 if methods == ("exact",) else expected)


def test_difference_penalties_agree_with_the_exact_one_to_their_bound():
    r"""On a smooth network.

    The forward quotient is H v + (eps/2) D^3L[v, v] + O(eps^2) and, with eps ||v|| = r, errs by at most
    (r / 2) M ||v|| where M bounds the third derivative; the central one by (r^2 / 6) M' ||v||. So ten times the radius
    must make ten times the forward and a hundred times the central error, while rounding, 1e-16 / r, is far below.
    """
    model, step = smooth_network(), source().step(0)
    params = parameters(model)

    def penalised(method, radius=0.01):
        penalty = GradientPenalty(1.0, method=method, radius=radius)
        return flat(MeanGradient(objective(model), (penalty,), 2)(params, step, LR).gradient)

    exact = penalised("exact")
    for method, order in (("forward", 1), ("central", 2)):
        errors = [float((penalised(method, radius) - exact).norm()) for radius in (1e-2, 1e-3)]
        assert errors[0] / errors[1] == pytest.approx(10**order, rel=0.15)
        assert errors[0] < 1e-2 * float(exact.norm())


@pytest.mark.parametrize("blocks_per_call", [1, 4])
def test_parameters_and_buffers_stay_even_when_the_loss_raises(blocks_per_call):
    model, step = network("resnet", "batch"), source().step(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inner, calls = objective(model), 0

    def failing(params, *block):
        nonlocal calls
        calls += 1
        # The second evaluation is the perturbed one.
        if calls == 2:
            raise RuntimeError("the loss raises")
        return inner(params, *block)

    params = [param.detach() for param in model.parameters()]
    mean_gradient = MeanGradient(failing, (GradientPenalty(),), blocks_per_call)
    with pytest.raises(RuntimeError, match="the loss raises"):
        mean_gradient(params, step, LR)
    MeanGradient(inner, (GradientPenalty(),), blocks_per_call)(params, step, LR)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(param.grad is None for param in model.parameters())


@pytest.mark.slow
def test_compiled_evaluation_is_the_same_at_every_learning_rate():
    model, step = network("mlp"), source().step(0)
    plain, compiled = (MeanGradient(objective(model), (GradientPenalty(),), 3, compile=flag) for flag in (False, True))
    for lr in (LR, LR / 2, LR / 3):
        close(plain(parameters(model), step, lr).gradient, compiled(parameters(model), step, lr).gradient, 1e-11)


@pytest.mark.parametrize("count", [0, -1, 1.5, "auto"])
def test_invalid_blocks_per_call(count):
    with pytest.raises(ValueError, match="blocks_per_call"):
        MeanGradient(objective(network("mlp")), (), count)
