"""The Gauss-Newton matrix against dense Jacobians, and against the Hessian where both are the same."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from problems import CLASSES, network, objective, parameters, source
from states import state

from fbgd.engine.losses import MSE
from fbgd.engine.objective import classification
from fbgd.errors import ConfigError
from fbgd.probes import GaussNewton, GaussNewtonProduct, HessianProduct


def dense_gauss_newton(model, blocks):
    """The weighted mean of J' H J over blocks, with Jacobians row by row and the Hessian of softmax written out."""
    params = list(model.parameters())
    total = 0
    for stack in blocks.stacks(1):
        outputs = model(stack.inputs[0])
        rows = []
        for entry in outputs.flatten():
            parts = torch.autograd.grad(entry, params, retain_graph=True, allow_unused=True)
            rows.append(
                torch.cat(
                    [(torch.zeros_like(p) if g is None else g).flatten() for p, g in zip(params, parts, strict=True)]
                )
            )
        jacobian = torch.stack(rows).view(*outputs.shape, -1)
        chances = outputs.softmax(1).detach()
        curved = torch.diag_embed(chances) - chances.unsqueeze(2) * chances.unsqueeze(1)
        block = torch.einsum("bci,bcd,bdj->ij", jacobian, curved, jacobian) / len(outputs)
        total = total + len(outputs) / blocks.samples * block
    return total


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])
def test_products_and_eigenvalues_are_those_of_the_dense_matrix(norm):
    """Ragged blocks of different samples."""
    model, blocks = network("mlp", norm), source()
    matrix = dense_gauss_newton(model, blocks.training_pass(0))
    product = GaussNewtonProduct(objective(model), parameters(model), blocks.training_pass(0))
    vector = torch.randn(product.size, dtype=torch.float64)
    torch.testing.assert_close(product(vector), matrix @ vector, rtol=1e-9, atol=1e-12)
    looked = state(model, blocks)
    columns = GaussNewton(count=2, steps=200, tolerance=1e-8)(looked)
    exact = torch.linalg.eigvalsh(matrix).flip(0)[:2].tolist()
    assert [columns["eigenvalue"], columns["eigenvalue_2"]] == pytest.approx(exact, rel=1e-6)
    assert looked.cost.evaluations == 2 * 23 * columns["products"]


@pytest.mark.parametrize("loss", [None, MSE()], ids=["cross-entropy", "squared error"])
def test_of_a_linear_model_it_is_the_hessian(loss):
    """Whose outputs have no curvature of their own."""
    model, blocks = nn.Sequential(nn.Flatten(), nn.Linear(12, CLASSES)).double(), source().training_pass(0)
    given = classification(model, loss=loss), parameters(model), blocks
    vector = torch.randn(12 * CLASSES + CLASSES, dtype=torch.float64)
    torch.testing.assert_close(
        GaussNewtonProduct(*given)(vector), HessianProduct(*given)(vector), rtol=1e-10, atol=1e-12
    )


def test_of_a_network_it_is_not():
    model, blocks = network("mlp"), source().training_pass(0)
    given = objective(model), parameters(model), blocks
    vector = torch.randn(sum(map(torch.Tensor.numel, given[1])), dtype=torch.float64)
    assert not torch.allclose(GaussNewtonProduct(*given)(vector), HessianProduct(*given)(vector), rtol=0.01)


def test_an_objective_without_outputs_is_refused():
    def other(params, inputs, targets, key):
        return F.mse_loss(params[0], params[0]), (params[0].sum(), targets.sum())

    with pytest.raises(ConfigError, match="needs an objective of the network's outputs"):
        GaussNewtonProduct(other, [torch.zeros(2)], source().training_pass(0))
