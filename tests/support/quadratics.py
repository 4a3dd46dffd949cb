"""Objectives in closed form as training states: bowls, and least squares."""

import torch
import torch.nn as nn
from states import state

from fbgd.data import Samples, TrainingSet
from fbgd.engine.blocks import BlockOrder, BlockSource


class Point(nn.Module):
    """Nothing but parameters."""

    def __init__(self, values):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values, dtype=torch.float64))


def bowl(curvatures, at, count=5, initial=None):
    """The state of ``sum h x^2 / 2`` at a point, the same for each of some samples."""
    curvatures = torch.tensor(curvatures, dtype=torch.float64)

    def objective(params, inputs, targets, key):
        loss = (curvatures * params[0] ** 2).sum() / 2
        return loss, (loss.detach(), torch.tensor(float(len(inputs))))

    data = TrainingSet(Samples(torch.zeros(count, 1, dtype=torch.float64), torch.zeros(count, dtype=torch.int64)))
    blocks = BlockSource(data, BlockOrder(count, 2, 1, "fixed", 0))
    return state(Point(at), blocks, objective=objective, initial=initial)


def least_squares(inputs, targets, at):
    """The state of half the mean squared error of a linear model without a constant, one sample a row."""

    def objective(params, inputs, targets, key):
        loss = (inputs @ params[0] - targets).square().mean() / 2
        return loss, (loss.detach(), torch.tensor(float(len(inputs))))

    data = TrainingSet(Samples(inputs, targets))
    blocks = BlockSource(data, BlockOrder(len(inputs), 4, 1, "fixed", 0))
    return state(Point(at.tolist()), blocks, objective=objective)
