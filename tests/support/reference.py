"""Naive oracles: slow, obvious, in float64, sharing no code with what they check."""

import itertools
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


def dense_hessian(model, blocks):
    """The weighted mean of block Hessians, entry by entry, by two reverse passes and no torch.func."""
    params = list(model.parameters())
    total = 0
    for stack in blocks.stacks(1):
        loss = F.cross_entropy(model(stack.inputs[0]), stack.targets[0])
        first = torch.cat([entry.flatten() for entry in torch.autograd.grad(loss, params, create_graph=True)])
        rows = [torch.autograd.grad(entry, params, retain_graph=True, allow_unused=True) for entry in first]
        block = torch.stack(
            [
                flat([torch.zeros_like(p) if part is None else part for p, part in zip(params, row, strict=True)])
                for row in rows
            ]
        )
        total = total + len(stack.targets[0]) / blocks.samples * block
    return total


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


def gradient_of(function):
    """The gradient of a function of tensors, by plain autograd."""

    def at(values):
        held = [value.detach().clone().requires_grad_() for value in values]
        return torch.autograd.grad(function(held), held)

    return at


def descent(values, gradients_at, steps, update):
    """Iterate ``update(value, gradient, memory)`` on every parameter apart; ``memory`` is a dictionary of its own."""
    values = [value.detach().clone() for value in values]
    memories = [{} for _ in values]
    for _ in range(steps):
        found = gradients_at(values)
        values = [update(*each) for each in zip(values, found, memories, strict=True)]
    return values


def momentum_update(lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    """SGD as a rule for one parameter."""

    def update(value, gradient, memory):
        d = gradient + weight_decay * value
        memory["v"] = momentum * memory["v"] + d if "v" in memory else d
        return value - lr * (d + momentum * memory["v"] if nesterov else memory["v"])

    return update


def lion_update(lr, betas, weight_decay):
    """Lion as a rule for one parameter."""

    def update(value, gradient, memory):
        m = memory.get("m", 0 * value)
        memory["m"] = betas[1] * m + (1 - betas[1]) * gradient
        return value - lr * (torch.sign(betas[0] * m + (1 - betas[0]) * gradient) + weight_decay * value)

    return update


def lars_update(lr, momentum, nesterov, weight_decay, trust_coefficient, eps, clip):
    """LARS and LARC as a rule for one parameter; the velocity has the rate inside, as in the paper."""

    def update(value, gradient, memory):
        w, g = norm([value]), norm([gradient])
        rate = lr
        if value.dim() > 1 and w > 0 and g > 0:
            local = trust_coefficient * w / (g + weight_decay * w + eps)
            rate = min(local, lr) if clip else local * lr
        d = rate * (gradient + weight_decay * value)
        memory["v"] = momentum * memory.get("v", 0) + d
        return value - (d + momentum * memory["v"] if nesterov else memory["v"])

    return update


def at_worst_point(gradients_at, rho, adaptive=False, eta=0.0):
    """SAM's and ASAM's gradient as a function of the parameters."""

    def at(values):
        found = gradients_at(values)
        scales = [value.abs() + eta if adaptive else torch.ones_like(value) for value in values]
        length = norm([t * g for t, g in zip(scales, found, strict=True)])
        if length == 0:
            return found
        moved = [v + rho * t * t * g / length for v, t, g in zip(values, scales, found, strict=True)]
        return gradients_at(moved)

    return at


def clipped_by_unit(gradients_at, clipping, eps):
    """AGC's gradient as a function of the parameters, unit after unit."""

    def at(values):
        found = [gradient.clone() for gradient in gradients_at(values)]
        for value, gradient in zip(values, found, strict=True):
            units = zip(value, gradient, strict=True) if value.dim() > 1 else [(value, gradient)]
            for weights, slopes in units:
                largest = clipping * max(norm([weights]), eps)
                if norm([slopes]) > largest:
                    slopes *= largest / norm([slopes])
        return found

    return at


def accelerated(function, values, steps, lr, weight_decay, restart):
    """Accelerated descent; returns the extrapolated points and the steps that restarted."""

    def objective(points):
        return function(points) + weight_decay / 2 * sum((point**2).sum() for point in points)

    x = [value.detach().clone() for value in values]
    y, tau, last, restarts = x, 1.0, math.inf, []
    for step in range(steps):
        value, found = float(objective(y)), gradient_of(objective)(y)
        ahead = [p - lr * g for p, g in zip(y, found, strict=True)]
        slope = sum(float((g * (new - old)).sum()) for g, new, old in zip(found, ahead, x, strict=True))
        if (restart == "gradient" and slope > 0) or (restart == "function" and value > last):
            restarts.append(step)
            tau = 1.0
        following = (1 + math.sqrt(1 + 4 * tau**2)) / 2
        y = [new + (tau - 1) / following * (new - old) for new, old in zip(ahead, x, strict=True)]
        x, tau, last = ahead, following, value
    return y, restarts


def token_cross_entropy(logits, targets):
    """Summed cross-entropy, right tokens and tokens of sequences, one position after another; -100 is no token."""
    total, right, count = 0.0, 0, 0
    for sequence, labels in zip(logits, targets, strict=True):
        for scores, label in zip(sequence, labels.tolist(), strict=True):
            if label != -100:
                total = total + scores.exp().sum().log() - scores[label]
                right += int(scores.argmax()) == label
                count += 1
    return total, right, count


def middle_mean(tasks):
    """Interquartile mean by sorting all runs and counting a quarter off at each end."""
    pooled = sorted(float(score) for task in tasks for score in task)
    cut = len(pooled) // 4
    middle = pooled[cut : len(pooled) - cut]
    return sum(middle) / len(middle)


def improvement(left, right):
    """Probability of improvement, pair by pair."""
    total = 0.0
    for ours, theirs in zip(left, right, strict=True):
        wins = sum((x > y) + (x == y) / 2 for x in ours for y in theirs)
        total += wins / (len(ours) * len(theirs))
    return total / len(left)


def exchanged_p_value(left, right):
    """The exact two-sided p-value of the probability of improvement over all ways to exchange runs within tasks."""
    ways = []
    for ours, theirs in zip(left, right, strict=True):
        pool = [*ours, *theirs]
        chosen = itertools.combinations(range(len(pool)), len(ours))
        ways.append([([pool[i] for i in one], [x for i, x in enumerate(pool) if i not in one]) for one in chosen])
    distance = abs(improvement(left, right) - 0.5)
    found = [abs(improvement(*zip(*way, strict=True)) - 0.5) for way in itertools.product(*ways)]
    return sum(one >= distance - 1e-12 for one in found) / len(found)
