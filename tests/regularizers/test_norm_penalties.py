"""Penalties on the parameters, alone in closed form and inside the engine against autograd."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from problems import network, parameters, samples, source

from fbgd.engine.gradient import MeanGradient
from fbgd.engine.objective import classification
from optimizers import SGD, AdamW
from regularizers import L1, L2, GaussianPrior, GradientPenalty, NormBias


def leaves():
    generator = torch.Generator().manual_seed(1)
    shapes = ((3, 2), (4,), (2, 1, 3))
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def expected_gradient(penalty, params, train_size):
    """Closed forms, entry by entry."""
    square = sum(float((param.detach() ** 2).sum()) for param in params if penalty.of == "all" or param.dim() > 1)
    for param in params:
        value = param.detach()
        if penalty.of == "matrices" and value.dim() < 2:
            yield torch.zeros_like(value)
        elif isinstance(penalty, L2):
            yield penalty.strength * value
        elif isinstance(penalty, L1):
            yield penalty.strength * value.sign()
        elif isinstance(penalty, GaussianPrior):
            yield value / (train_size * penalty.sigma**2)
        else:
            excess = square - penalty.norm**2
            factor = (1 if excess > 0 else -1) if penalty.power == 1 else 2 * excess
            yield penalty.strength * factor * 2 * value


penalties = st.one_of(
    st.builds(L2, strength=st.floats(0, 2), of=st.sampled_from(["all", "matrices"])),
    st.builds(L1, strength=st.floats(0, 2), of=st.sampled_from(["all", "matrices"])),
    st.builds(GaussianPrior, sigma=st.floats(0.1, 5), of=st.sampled_from(["all", "matrices"])),
    st.builds(
        NormBias,
        strength=st.floats(0, 2),
        norm=st.sampled_from([0.0, 1.0, 10.0]),
        power=st.sampled_from([1, 2]),
        of=st.sampled_from(["all", "matrices"]),
    ),
)


@given(penalty=penalties, train_size=st.integers(1, 1000))
def test_gradients_in_closed_form(penalty, train_size):
    params = leaves()
    found = torch.autograd.grad(penalty.value(params, train_size), params, materialize_grads=True)
    torch.testing.assert_close(
        list(found), list(expected_gradient(penalty, leaves(), train_size)), rtol=1e-12, atol=1e-300
    )


def test_values_in_closed_form():
    params = [torch.tensor([[3.0, -4.0]]).double(), torch.tensor([12.0]).double()]
    assert float(L2(0.1).value(params, 7)) == pytest.approx(0.05 * 169)
    assert float(L2(0.1, "matrices").value(params, 7)) == pytest.approx(0.05 * 25)
    assert float(L1(0.1).value(params, 7)) == pytest.approx(1.9)
    assert float(GaussianPrior(2.0).value(params, 7)) == pytest.approx(169 / (2 * 7 * 4))
    assert float(NormBias(0.1, 10).value(params, 7)) == pytest.approx(6.9)
    assert float(NormBias(0.1, 14, power=2).value(params, 7)) == pytest.approx(0.1 * 27**2)


@pytest.mark.parametrize("blocks_per_call", [1, 2])
def test_the_engine_differentiates_them_with_the_loss(blocks_per_call):
    """And so does the gradient penalty: it is that of the whole objective, block by block."""
    model, blocks, data = network("mlp"), source(), samples(23)
    added = (L2(0.3), L1(0.1), GaussianPrior(0.5), NormBias(0.01, 3.0))
    objective = classification(model, penalties=added, train_size=23)
    penalty = GradientPenalty(2.0, method="exact")
    result = MeanGradient(objective, (penalty,), blocks_per_call)(parameters(model), blocks.step(0), 0.4)
    total, squares = [torch.zeros_like(param) for param in model.parameters()], 0.0
    for indices in blocks.order.blocks(0):
        params = list(model.parameters())
        loss = F.cross_entropy(model(data.inputs[indices]), data.targets[indices])
        loss = loss + sum(one.value(params, 23) for one in added)
        first = torch.autograd.grad(loss, params, create_graph=True)
        square = sum((entry**2).sum() for entry in first)
        for sum_, entry in zip(total, torch.autograd.grad(loss + 0.2 * square, params), strict=True):
            sum_ += len(indices) / 23 * entry
        squares += len(indices) / 23 * float(square.detach())
    torch.testing.assert_close(result.gradient, total, rtol=0, atol=1e-10)
    plain = float(F.cross_entropy(model(data.inputs), data.targets).detach())
    assert float(result.loss) == pytest.approx(plain, abs=1e-12)
    value = sum(float(one.value(parameters(model), 23)) for one in added)
    assert float(result.objective) == pytest.approx(plain + value + 0.2 * squares, abs=1e-10)


@pytest.mark.parametrize("blocks_per_step", [1, "all"])
def test_l2_is_sgd_s_weight_decay_and_not_adamw_s(blocks_per_step):
    blocks = source(blocks_per_step=blocks_per_step)

    def train(make, penalties):
        model = network("mlp")
        optimizer = make(list(model.parameters()))
        gradient = MeanGradient(classification(model, penalties=penalties), (), 1)
        for step in range(12):
            result = gradient(parameters(model), blocks.step(step), 0.1)
            for param, entry in zip(model.parameters(), result.gradient, strict=True):
                param.grad = entry
            optimizer.step()
        return parameters(model)

    in_loss = train(lambda params: SGD(params, lr=0.1, momentum=0.9), (L2(0.05),))
    in_optimizer = train(lambda params: SGD(params, lr=0.1, momentum=0.9, weight_decay=0.05), ())
    torch.testing.assert_close(in_loss, in_optimizer, rtol=0, atol=1e-12)
    adaptive = train(lambda params: AdamW(params, lr=0.01, weight_decay=0.0), (L2(0.05),))
    decoupled = train(lambda params: AdamW(params, lr=0.01, weight_decay=0.05), ())
    assert max(float((left - right).abs().max()) for left, right in zip(adaptive, decoupled, strict=True)) > 1e-3
