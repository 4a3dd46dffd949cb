"""Naive oracles: slow, obvious, in float64, sharing no code with what they check."""

import math

import torch
import torch.nn.functional as F


def forward(model, params, inputs):
    """The model's output at ``params`` without torch.func: the parameters are swapped in and out by hand."""
    held = [param.data for param in model.parameters()]
    try:
        for param, value in zip(model.parameters(), params, strict=True):
            param.data = value.detach()
        return model(inputs)
    finally:
        for param, value in zip(model.parameters(), held, strict=True):
            param.data = value


def gradient(model, inputs, targets, create_graph=False):
    """Gradient of the mean cross-entropy at the model's own parameters, by plain autograd."""
    loss = F.cross_entropy(model(inputs), targets)
    return loss, torch.autograd.grad(loss, list(model.parameters()), create_graph=create_graph)


def penalised_gradient(model, inputs, targets, coefficient):
    """Gradient of ``L + coefficient ||grad L||^2`` by differentiating twice in reverse."""
    loss, first = gradient(model, inputs, targets, create_graph=True)
    objective = loss + coefficient * sum((entry**2).sum() for entry in first)
    return torch.autograd.grad(objective, list(model.parameters()))


def norm(tensors):
    """Euclidean length of all entries together."""
    return math.sqrt(sum(float((entry.detach().double() ** 2).sum()) for entry in tensors))


def flat(tensors):
    """All entries in one vector."""
    return torch.cat([entry.detach().flatten() for entry in tensors])


def nesterov_sgd(model, batches, rates, momentum, weight_decay):
    """A hand-written loop of SGD with Nesterov momentum, parameter by parameter."""
    velocity = None
    for (inputs, targets), lr in zip(batches, rates, strict=True):
        _, grads = gradient(model, inputs, targets)
        with torch.no_grad():
            decayed = [g + weight_decay * p for g, p in zip(grads, model.parameters(), strict=True)]
            velocity = (
                [d.clone() for d in decayed]
                if velocity is None
                else [momentum * v + d for v, d in zip(velocity, decayed, strict=True)]
            )
            for p, d, v in zip(model.parameters(), decayed, velocity, strict=True):
                p -= lr * (d + momentum * v)
