"""The claim behind the penalty: a gradient step follows the flow of L + (h/4)||grad L||^2 one order longer."""

import numpy as np
import torch
from problems import objective, parameters, samples, smooth_network
from reference import flat
from torch.func import grad

from fbgd.data import TrainingSet
from fbgd.engine.blocks import BlockOrder, BlockSource
from fbgd.engine.gradient import MeanGradient
from regularizers import GradientPenalty


def flow(force, point, time, steps=200):
    """Runge-Kutta of order four for d point / dt = -force(point); its error is far below what is measured."""
    h = time / steps
    for _ in range(steps):
        k1 = force(point)
        k2 = force(point - h / 2 * k1)
        k3 = force(point - h / 2 * k2)
        k4 = force(point - h * k3)
        point = point - h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return point


def test_gradient_step_against_both_flows():
    """Barrett & Dherin 2021: local errors h^2 for the flow of L, h^3 for the flow of the modified loss."""
    model = smooth_network()
    data = samples(10)
    shapes = [param.shape for param in model.parameters()]
    loss = objective(model)

    def unflatten(vector):
        parts = vector.split([shape.numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    def plain_loss(vector):
        return loss(unflatten(vector), data.inputs, data.targets, torch.tensor(0))[0]

    plain = grad(plain_loss)

    def modified(h):
        # Written out independently of the engine: the penalty differentiated as it stands.
        return grad(lambda vector: plain_loss(vector) + h / 4 * (grad(plain_loss)(vector) ** 2).sum())

    start = flat(parameters(model))
    steps = np.array([0.4, 0.2, 0.1, 0.05])
    gaps = {"plain": [], "modified": []}
    for h in steps:
        step = start - h * plain(start)
        gaps["plain"].append(float((step - flow(plain, start, h, 20)).norm()))
        gaps["modified"].append(float((step - flow(modified(h), start, h, 20)).norm()))
    slopes = {name: np.polyfit(np.log(steps), np.log(values), 1)[0] for name, values in gaps.items()}
    assert abs(slopes["plain"] - 2) < 0.15, slopes
    assert abs(slopes["modified"] - 3) < 0.15, slopes

    # And the engine's penalty of strength 1 is that modified loss's extra force.
    source = BlockSource(TrainingSet(data), BlockOrder(10, 10, "all", "fixed", 0))
    h = 0.2
    engine = MeanGradient(loss, (GradientPenalty(1.0, method="exact"),))(parameters(model), source.step(0), h)
    torch.testing.assert_close(flat(engine.gradient), modified(h)(start), rtol=0, atol=1e-10)
