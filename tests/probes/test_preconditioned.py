"""The sharpness in an optimizer's own metric, against dense Hessians; its threshold, against the optimizer itself."""

import math

import numpy as np
import pytest
import torch
from problems import make_closure, network, smooth_network, source
from reference import dense_hessian, flat
from states import state

import optimizers
from fbgd.errors import ConfigError
from fbgd.probes import HessianDensity, HessianTrace, PreconditionedSharpness, recursion_of
from fbgd.probes.preconditioned import sam_threshold

EXACT = PreconditionedSharpness(steps=200, tolerance=1e-10)
TORCH = torch.optim


def trained(make, steps=4, model=None):
    """A network, its blocks, and an optimizer that has taken a few full-batch steps."""
    model, blocks = model or smooth_network(), source()
    optimizer = make(model.parameters())
    for step in range(steps):

        def closure(step=step):
            optimizer.zero_grad()
            params = list(model.parameters())
            looked = state(model, blocks, optimizer)
            for param in params:
                param.grad = torch.zeros_like(param)
            for size, gradient in looked.block_gradients():
                for param, entry in zip(params, gradient, strict=True):
                    param.grad += size / 23 * entry
            return torch.zeros(())

        optimizer.step(closure)
    return model, blocks, optimizer


def by_numpy(optimizer, kind):
    """The diagonal of P, entry by entry, from the formulas of the papers, one group's options for all."""
    group, states = optimizer.param_groups[0], [optimizer.state[p] for p in optimizer.param_groups[0]["params"]]
    entries = []
    for own in states:
        t = int(own["step"])
        if kind == "adam":
            b1, b2 = group["betas"]
            v = own["max_exp_avg_sq"] if group["amsgrad"] else own["exp_avg_sq"]
            metric = (1 - b1**t) * (np.sqrt(v.numpy() / (1 - b2**t)) + group["eps"])
        elif kind == "rmsprop":
            mean = own["grad_avg"].numpy() if group["centered"] else 0
            metric = np.sqrt(own["square_avg"].numpy() - mean**2) + group["eps"]
        else:
            metric = (1 + (t - 1) * group["lr_decay"]) * (np.sqrt(own["sum"].numpy()) + group["eps"])
        entries.append(metric.ravel())
    return np.concatenate(entries)


METRICS = {
    "adam": (lambda p: optimizers.Adam(p, lr=0.01, eps=1e-3), "adam"),
    "torch adam": (lambda p: TORCH.Adam(p, lr=0.01, eps=1e-3), "adam"),
    "amsgrad": (lambda p: TORCH.Adam(p, lr=0.01, amsgrad=True), "adam"),
    "own amsgrad": (lambda p: optimizers.Adam(p, lr=0.01, amsgrad=True), "adam"),
    "rmsprop": (lambda p: optimizers.RMSprop(p, lr=0.01), "rmsprop"),
    "torch rmsprop, centred": (lambda p: TORCH.RMSprop(p, lr=0.01, centered=True, eps=1e-2), "rmsprop"),
    "adagrad": (lambda p: optimizers.Adagrad(p, lr=0.01, lr_decay=0.3), "adagrad"),
    "torch adagrad": (lambda p: TORCH.Adagrad(p, lr=0.01, lr_decay=0.3), "adagrad"),
}


@pytest.mark.parametrize(("make", "kind"), METRICS.values(), ids=METRICS)
def test_it_is_the_largest_eigenvalue_in_the_optimizer_s_metric(make, kind):
    model, blocks, optimizer = trained(make)
    hessian = dense_hessian(model, blocks.training_pass(0)).numpy()
    root = by_numpy(optimizer, kind) ** -0.5
    exact = np.linalg.eigvalsh(root[:, None] * hessian * root)[-1]
    looked = state(model, blocks, optimizer)
    columns = EXACT(looked)
    assert columns["sharpness"] == pytest.approx(exact, rel=1e-6)
    assert columns["ratio"] == columns["sharpness"] / columns["threshold"]
    assert looked.cost.evaluations == 2 * 23 * columns["products"]


def in_metric(optimizer, kind, model, blocks):
    """The dense matrix, by numpy."""
    root = by_numpy(optimizer, kind) ** -0.5
    return root[:, None] * dense_hessian(model, blocks.training_pass(0)).numpy() * root


@pytest.mark.parametrize(("make", "kind"), METRICS.values(), ids=METRICS)
def test_so_many_are_the_largest_and_the_first_columns_stay(make, kind):
    model, blocks, optimizer = trained(make)
    exact = np.linalg.eigvalsh(in_metric(optimizer, kind, model, blocks))[::-1]
    looked = state(model, blocks, optimizer)
    columns = PreconditionedSharpness(count=4, steps=200, tolerance=1e-10)(looked)
    found = [columns["sharpness"], *(columns[f"eigenvalue_{place}"] for place in (2, 3, 4))]
    assert found == pytest.approx(exact[:4], rel=1e-6)
    assert looked.cost.evaluations == 2 * 23 * columns["products"]
    one = EXACT(state(model, blocks, optimizer))
    assert list(one) == ["sharpness", "threshold", "ratio", "error", "products"]
    assert columns["ratio"] == columns["sharpness"] / one["threshold"]
    # An error that holds for all four.
    early = PreconditionedSharpness(count=4, steps=6)(state(model, blocks, optimizer))
    for name in ("sharpness", "eigenvalue_2", "eigenvalue_3", "eigenvalue_4"):
        assert np.abs(exact - early[name]).min() <= early["error"] * (1 + 1e-9)


@pytest.mark.parametrize(("make", "kind"), METRICS.values(), ids=METRICS)
def test_the_trace_in_the_metric_lies_within_its_error(make, kind):
    model, blocks, optimizer = trained(make)
    exact = in_metric(optimizer, kind, model, blocks)
    looked = state(model, blocks, optimizer)
    columns = HessianTrace(vectors=60, metric="optimizer")(looked)
    assert columns["trace"] == pytest.approx(np.trace(exact), abs=4 * columns["error"])
    assert columns["error"] < 0.3 * abs(np.trace(exact))
    # The formula of its variance, which is another for every metric.
    rest = exact - np.diag(np.diag(exact))
    assert columns["error"] == pytest.approx(math.sqrt(2 * (rest**2).sum() / 60), rel=0.5)
    assert columns["mean_eigenvalue"] == columns["trace"] / len(exact)
    assert looked.cost.evaluations == 2 * 60 * 23


@pytest.mark.parametrize(("make", "kind"), METRICS.values(), ids=METRICS)
def test_the_density_in_the_metric_is_a_quadrature_of_the_dense_one(make, kind):
    """v' A^p v of the vector that was drawn, for p up to 2 K - 1 with K = 3 nodes; with enough of them, the ends."""
    model, blocks, optimizer = trained(make)
    exact = in_metric(optimizer, kind, model, blocks)
    looked = state(model, blocks, optimizer)
    density = HessianDensity(vectors=1, steps=3, metric="optimizer").density(looked)
    start = torch.randn(len(exact), generator=looked.generator(1), dtype=torch.float64).numpy()
    start /= np.linalg.norm(start)
    scale = np.linalg.eigvalsh(exact)[-1]
    for power in range(6):
        moment = start @ np.linalg.matrix_power(exact / scale, power) @ start
        assert density.moment(power) / scale**power == pytest.approx(moment, rel=1e-6, abs=1e-10)
    columns = HessianDensity(vectors=1, steps=len(exact), metric="optimizer")(looked)
    values = np.linalg.eigvalsh(exact)
    assert columns["largest"] == pytest.approx(values[-1], rel=1e-6)
    assert columns["smallest"] == pytest.approx(values[0], rel=1e-4)


@pytest.mark.parametrize("probe", [HessianTrace, HessianDensity])
def test_trace_and_density_know_rates_decay_and_refuse_by_name(probe):
    model, blocks = smooth_network(), source()
    plain, decayed = (
        probe(vectors=2, metric="optimizer")(
            state(model, blocks, optimizers.SGD(model.parameters(), lr=0.1, weight_decay=decay))
        )
        for decay in (0.0, 0.3)
    )
    assert plain == pytest.approx(probe(vectors=2)(state(model, blocks)), rel=1e-6, abs=1e-9)
    mean = "mean_eigenvalue" if probe is HessianTrace else "mean"
    assert decayed[mean] - plain[mean] == pytest.approx(0.3)
    with pytest.raises(ConfigError, match="the metric of the optimizer Lion is not known"):
        probe(metric="optimizer")(state(model, blocks, optimizers.Lion(model.parameters())))
    with pytest.raises(ConfigError, match="metric = 'adam' must be one of identity, optimizer"):
        probe(metric="adam")


def test_sam_s_metric_is_that_of_its_base():
    model, blocks, sam = trained(lambda p: optimizers.SAM(p, lr=0.1, base=optimizers.SGD), steps=1)
    columns = HessianTrace(metric="optimizer")(state(model, blocks, sam))
    assert columns == pytest.approx(HessianTrace()(state(model, blocks)), rel=1e-9)


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])
def test_without_a_metric_it_is_the_sharpness(norm):
    model, blocks = network("mlp", norm), source()
    looked = state(model, blocks, optimizers.SGD(model.parameters(), lr=0.1))
    exact = float(torch.linalg.eigvalsh(dense_hessian(model, blocks.training_pass(0)))[-1])
    assert EXACT(looked)["sharpness"] == pytest.approx(exact, rel=1e-6)
    assert EXACT(looked)["threshold"] == pytest.approx(20)


def test_rates_and_decay_of_groups_are_in_the_metric():
    """Two groups: rates 0.1 and 0.02, decay inside the gradient of the first and of the parameters of the second."""
    model, blocks = smooth_network(), source()
    first, second = list(model.parameters())[:2], list(model.parameters())[2:]
    groups = [{"params": first, "lr": 0.1, "weight_decay": 0.3}, {"params": second, "lr": 0.02}]
    optimizer = optimizers.SGD(groups, momentum=0.5)
    hessian = dense_hessian(model, blocks.training_pass(0))
    sizes = [sum(p.numel() for p in own) for own in (first, second)]
    scale, decay = (
        torch.cat([torch.full((size,), entry, dtype=torch.float64) for size, entry in zip(sizes, pair, strict=True)])
        for pair in ((1, 0.2), (0.3, 0))
    )
    root = scale.sqrt()
    exact = float(torch.linalg.eigvalsh(root[:, None] * (hessian + decay.diag()) * root)[-1])
    assert EXACT(state(model, blocks, optimizer))["sharpness"] == pytest.approx(exact, rel=1e-8)


LINEAR = {
    "descent": lambda p: optimizers.SGD(p, lr=0.1),
    "heavy ball": lambda p: optimizers.SGD(p, lr=0.1, momentum=0.9),
    "dampened": lambda p: optimizers.SGD(p, lr=0.1, momentum=0.7, dampening=0.4),
    "nesterov": lambda p: optimizers.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "nesterov of torch": lambda p: TORCH.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    "full-batch descent": lambda p: optimizers.FullBatchGD(p, lr=0.1, weight_decay=0.2),
    "decay": lambda p: TORCH.SGD(p, lr=0.1, momentum=0.5, weight_decay=3),
}


@pytest.mark.parametrize("make", LINEAR.values(), ids=LINEAR)
@pytest.mark.parametrize("ratio", [0.99, 1.01])
def test_the_optimizer_itself_is_stable_just_below_its_threshold_and_not_above(make, ratio):
    """On a parabola, whose curvature is put to 1 % below and above."""
    param = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = make([param])
    recursion = recursion_of(optimizer, [param])
    curvature = (ratio * recursion.threshold - float(recursion.shifts[0])) / float(recursion.scales[0])
    assert grows(optimizer, param, curvature) == (ratio > 1)


def grows(optimizer, param, curvature, steps=400, start=1.0):
    """Whether the steps of an optimizer on a parabola end further away than they began."""
    with torch.no_grad():
        param.fill_(start)
    for _ in range(steps):
        optimizer.step(make_closure(optimizer, [param], lambda params: curvature * params[0].square().sum() / 2))
        if not abs(float(param.detach())) < 1e6 * start:
            return True
    return abs(float(param.detach())) > start


# Second moments that hardly move any more, so that the metric stays: these are linear recursions then.
FROZEN = {
    "adam": (lambda p: optimizers.Adam(p, lr=0.1, betas=(0.9, 1 - 1e-6), eps=0), "exp_avg_sq"),
    "torch adam": (lambda p: TORCH.Adam(p, lr=0.1, betas=(0.8, 1 - 1e-6), eps=0, weight_decay=0.3), "exp_avg_sq"),
    "adamw": (lambda p: optimizers.AdamW(p, lr=0.1, betas=(0.9, 1 - 1e-6), eps=0, weight_decay=2), "exp_avg_sq"),
    "torch adamw": (lambda p: TORCH.AdamW(p, lr=0.1, betas=(0.5, 1 - 1e-6), eps=0, weight_decay=2), "exp_avg_sq"),
    "rmsprop": (lambda p: optimizers.RMSprop(p, lr=0.1, alpha=1 - 1e-6, eps=0, momentum=0.4), "square_avg"),
    "torch rmsprop": (lambda p: TORCH.RMSprop(p, lr=0.1, alpha=1 - 1e-6, eps=0), "square_avg"),
    "adagrad": (lambda p: optimizers.Adagrad(p, lr=0.1, eps=0), "sum"),
    "torch adagrad": (lambda p: TORCH.Adagrad(p, lr=0.1, eps=0), "sum"),
}


@pytest.mark.parametrize(("make", "name"), FROZEN.values(), ids=FROZEN)
@pytest.mark.parametrize("ratio", [0.98, 1.02])
def test_so_is_one_with_a_metric_once_it_stands_still(make, name, ratio):
    """One step makes the state; then its second moment is set, and a curvature 2 % below or above is tried."""
    param = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = make([param])
    optimizer.step(make_closure(optimizer, [param], lambda params: params[0].square().sum() / 2))
    own = optimizer.state[param]
    # So late that no correction of bias is left.
    own["step"] = torch.tensor(1e9) if isinstance(own["step"], torch.Tensor) else 10**9
    own[name].fill_(0.25)
    for buffer in own.keys() & {"exp_avg", "momentum_buffer"}:
        own[buffer].zero_()
    recursion = recursion_of(optimizer, [param])
    assert 1 / float(recursion.scales[0]) == pytest.approx(0.5)
    curvature = (ratio * recursion.threshold - float(recursion.shifts[0])) / float(recursion.scales[0])
    # So small that squared gradients leave the second moment alone.
    assert grows(optimizer, param, curvature, steps=400, start=1e-9) == (ratio > 1)


@pytest.mark.parametrize("ratio", [0.98, 1.02])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sam_s_threshold_is_its_own(ratio, momentum):
    """At a parabola's point a step away from the minimum, below and above what the gradient's norm there allows."""
    param = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    rho, size = 0.05, 1.0
    base = optimizers.SGD([param], lr=0.1, momentum=momentum).param_groups[0]
    threshold = 2 * (1 + base["momentum"]) / 0.1
    # The norm is curvature * size, so the threshold is that of the base over 1 + rho / size.
    curvature = ratio * threshold / (1 + rho / size)
    assert sam_threshold(threshold, rho, curvature * size) == pytest.approx(curvature / ratio, rel=0.002)
    gradient = curvature * (size + rho)
    # A recursion of curvature gradient / size, which is what the optimizer meets at this distance.
    assert (gradient / size > threshold) == (ratio > 1)
    sam = optimizers.SAM([param], lr=0.1, rho=rho)
    with torch.no_grad():
        param.fill_(size)
    sam.step(make_closure(sam, [param], lambda params: curvature * params[0].square().sum() / 2))
    assert float(param.detach()) == pytest.approx(size - 0.1 * gradient)
    if not momentum:
        assert (abs(float(param.detach())) > size) == (ratio > 1)


def test_sam_is_read_through_its_base():
    model, blocks, sam = trained(lambda p: optimizers.SAM(p, lr=0.1, rho=0.5, base=optimizers.SGD), steps=1)
    looked = state(model, blocks, sam)
    gradient = sum(size / 23 * flat(own) for size, own in looked.block_gradients())
    columns = EXACT(state(model, blocks, sam))
    sharpness = float(torch.linalg.eigvalsh(dense_hessian(model, blocks.training_pass(0)))[-1])
    assert columns["sharpness"] == pytest.approx(sharpness, rel=1e-6)
    edge = columns["threshold"]
    assert edge + 0.5 * edge**2 / float(gradient.norm()) == pytest.approx(20, rel=1e-9)
    assert sam_threshold(20.0, 0.0, 1.0) == pytest.approx(20)


class Mine(optimizers.SGD):
    """A subclass, which may do anything."""


REFUSED = {
    "LineSearchGD": lambda p: optimizers.LineSearchGD(p),
    "Lion": lambda p: optimizers.Lion(p),
    "AcceleratedGD": lambda p: optimizers.AcceleratedGD(p),
    "AGC": lambda p: optimizers.AGC(p),
    "Mine": lambda p: Mine(p),
    "NAdam": lambda p: TORCH.NAdam(p),
    "SGD with maximize = True": lambda p: TORCH.SGD(p, lr=0.1, maximize=True),
    "FullBatchGD with max_norm = 0.5": lambda p: optimizers.FullBatchGD(p, max_norm=0.5),
    "Adam is not known: a parameter has had no gradient": lambda p: optimizers.Adam(p),
    "SAM is known for one radius, not adaptive": lambda p: optimizers.SAM(p, adaptive=True),
}


@pytest.mark.parametrize(("message", "make"), REFUSED.items(), ids=REFUSED)
def test_an_optimizer_that_is_not_understood_is_refused_by_name(message, make):
    model = smooth_network()
    with pytest.raises(ConfigError, match=message):
        EXACT(state(model, source(), make(model.parameters())))


def test_groups_with_different_momentum_have_no_common_threshold():
    model = smooth_network()
    groups = [{"params": [param], "momentum": 0.1 * place} for place, param in enumerate(model.parameters())]
    with pytest.raises(ConfigError, match="groups of the optimizer SGD have different momentum"):
        EXACT(state(model, source(), optimizers.SGD(groups)))


def test_where_nothing_moves_there_is_no_edge():
    model = smooth_network()
    columns = EXACT(state(model, source(), optimizers.SGD(model.parameters(), lr=0.0)))
    assert math.isinf(columns["threshold"])
    assert columns["ratio"] == 0
