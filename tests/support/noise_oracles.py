"""Dense Hessians and covariances in float64, by plain autograd and loops over blocks or samples."""

import torch
import torch.nn.functional as F
from reference import flat, gradient


def dense_hessian(model, blocks):
    """The Hessian of the mean cross-entropy over blocks, each evaluated by itself."""
    shapes = [param.shape for param in model.parameters()]
    sizes = [param.numel() for param in model.parameters()]
    names = [name for name, _ in model.named_parameters()]

    def loss(vector):
        parts = [part.view(shape) for part, shape in zip(vector.split(sizes), shapes, strict=True)]
        total = 0
        for stack in blocks.stacks(1):
            outputs = torch.func.functional_call(model, dict(zip(names, parts, strict=True)), (stack.inputs[0],))
            total = total + F.cross_entropy(outputs, stack.targets[0], reduction="sum")
        return total / blocks.samples

    return torch.autograd.functional.hessian(loss, flat(model.parameters()))


def pieces(blocks, of):
    """Inputs and targets of every block, or of every sample."""
    for stack in blocks.stacks(1):
        inputs, targets = stack.inputs[0], stack.targets[0]
        if of == "blocks":
            yield inputs, targets
        else:
            yield from zip(inputs.split(1), targets.split(1), strict=True)


def covariance(model, blocks, of="blocks"):
    """Weights, gradients and covariance (D, D), summed up one outer product after another."""
    found = [(len(targets), flat(gradient(model, inputs, targets)[1])) for inputs, targets in pieces(blocks, of)]
    weights = torch.tensor([size / blocks.samples for size, _ in found], dtype=torch.float64)
    gradients = torch.stack([entries for _, entries in found])
    mean = sum(weight * entries for weight, entries in zip(weights, gradients, strict=True))
    total = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for weight, entries in zip(weights, gradients, strict=True):
        total += weight * torch.outer(entries - mean, entries - mean)
    return weights, gradients, total
