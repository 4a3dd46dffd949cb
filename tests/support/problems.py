"""Small problems in float64 that many tests share."""

import torch
import torch.nn as nn
from cases import MODELS

from fbgd.data import Samples, TrainingSet
from fbgd.engine.blocks import BlockOrder, BlockSource
from fbgd.engine.objective import classification

CLASSES = 5


def samples(count, shape=(1, 12), seed=0):
    """``count`` different random samples."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    return Samples(inputs, torch.randint(CLASSES, (count,), generator=generator))


def network(kind="resnet", norm="none", shape=(1, 12), seed=0):
    """A small network in float64, in training mode."""
    torch.manual_seed(seed)
    return MODELS[kind].network(norm, input_shape=shape, classes=CLASSES).double()


def smooth_network(seed=0):
    """A small network with tanh, so that derivatives of every order exist."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, CLASSES)).double()


def source(count=23, block_size=6, blocks_per_step="all", order="fixed", seed=0, shape=(1, 12)):
    """Blocks of ``count`` samples; the defaults give blocks of 6, 6, 6 and 5."""
    data = TrainingSet(samples(count, shape))
    return BlockSource(data, BlockOrder(count, block_size, blocks_per_step, order, seed))


def parameters(model):
    """Detached copies of a model's parameters."""
    return [param.detach().clone() for param in model.parameters()]


def objective(model):
    """The pure objective of a model."""
    return classification(model)


def leaves(seed=0, dtype=torch.float64):
    """Parameters of several shapes, one of them without dimensions."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((3, 2), (5,), (), (1, 2, 2))
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def complex_leaves(seed=0):
    """Complex parameters of two dimensions or more, and the real ones (..., 2) of their real and imaginary parts."""
    pairs = [torch.stack([param, param.flip(0)], -1).detach() for param in leaves(seed) if param.ndim > 1]
    return [torch.view_as_complex(pair).clone().requires_grad_() for pair in pairs], [p.requires_grad_() for p in pairs]


def curved(params):
    """A smooth function with curvatures from 0.1 to 10 and a coupling between the parameters, of complex ones too."""
    params = [torch.view_as_real(param) if param.is_complex() else param for param in params]
    total = sum(((0.1 + 3 * index) * param**2).sum() / 2 + torch.cos(param).sum() for index, param in enumerate(params))
    return total + torch.tanh(sum(param.sum() for param in params))


def make_closure(optimizer, params, function=curved, skip=None):
    """A closure that evaluates the function and its gradients, without that of parameter ``skip``."""

    def closure():
        optimizer.zero_grad()
        loss = function(params)
        loss.backward()
        if skip is not None:
            params[skip].grad = None
        return loss

    return closure


def run(optimizer, params, steps, function=curved, skip=None):
    """Steps along the function's gradient; parameter ``skip`` gets no gradient on every third step."""
    for step in range(steps):
        optimizer.step(make_closure(optimizer, params, function, skip if step % 3 == 0 else None))


def rosenbrock(x, y):
    """A curved valley, lowest at (1, 1)."""
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def rosenbrock_slope(x, y):
    """Its two derivatives."""
    return -2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)
