"""A line search in a run: slopes are those of the loss, whatever the optimizer gets as a gradient."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from experiments import experiment
from problems import curved, leaves, parameters, samples, smooth_network, source
from reference import gradient_of, norm

from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.seeds import generator
from optimizers import AGC, LineSearchGD
from regularizers import GradientClipping, GradientNoise, GradientTransform, GradientValueClipping, WeightNoise

DECAY = 0.05


class Reverse(GradientTransform):
    """Uphill."""

    def __call__(self, gradient, moment=None):
        return [-entry for entry in gradient]


TRANSFORMS = {
    "none": (),
    "clipping": (GradientClipping(0.05),),
    "entries": (GradientValueClipping(0.01),),
    "noise": (GradientNoise(0.02),),
    "several": (GradientNoise(0.02), GradientClipping(0.05)),
}


def loss_of(model, decay=DECAY):
    """The mean cross-entropy of all samples with the decay, as a function of the parameters, by torch.func."""
    data, names = samples(23), [name for name, _ in model.named_parameters()]

    def loss(*values):
        outputs = torch.func.functional_call(model, dict(zip(names, values, strict=True)), (data.inputs,))
        return F.cross_entropy(outputs, data.targets) + decay / 2 * sum((value**2).sum() for value in values)

    return loss


def slope_along(loss, at, direction):
    """Its directional derivative, in forward mode."""
    return float(torch.func.jvp(loss, tuple(at), tuple(direction))[1])


def steps(transforms, count=8, make=LineSearchGD, **options):
    """Full-batch steps, each as the parameters before and after it and the group that the search leaves behind."""
    model = smooth_network()
    optimizer = make(model.parameters(), lr=4.0, **options)
    taken = []
    for step in range(count):
        before = parameters(model)
        # The noise of every step is drawn anew.
        run = experiment(model, source(), optimizer, passes=1, transforms=transforms, seed=step)
        train(run, Progress(), lambda row, progress: None)
        taken.append((before, parameters(model), dict(optimizer.param_groups[0])))
    return loss_of(model), taken


def difference(after, before):
    return [left - right for left, right in zip(after, before, strict=True)]


@pytest.mark.parametrize("method", ["armijo", "strong_wolfe"])
@pytest.mark.parametrize("transforms", TRANSFORMS)
def test_slopes_and_conditions_are_those_of_the_loss(transforms, method):
    c1, c2 = 0.3, 0.6
    loss, taken = steps(TRANSFORMS[transforms], method=method, weight_decay=DECAY, c1=c1, c2=c2)
    for before, after, group in taken:
        t, moved = group["last_t"], difference(after, before)
        direction = [entry / t for entry in moved]
        slope = slope_along(loss, before, direction)
        assert group["last_slope"] == pytest.approx(slope, rel=1e-8)
        assert float(loss(*after)) <= float(loss(*before)) + c1 * t * slope
        if method == "strong_wolfe":
            assert abs(slope_along(loss, after, direction)) <= c2 * abs(slope)


def test_the_direction_is_that_of_the_transformed_gradient():
    loss, taken = steps(TRANSFORMS["clipping"], count=1, weight_decay=DECAY)
    before, after, group = taken[0]
    plain = [
        entry - DECAY * value for entry, value in zip(gradient_of(lambda v: loss(*v))(before), before, strict=True)
    ]
    factor = 0.05 / norm(plain)
    assert factor < 0.5
    expected = [-4.0 * (factor * entry + DECAY * value) for entry, value in zip(plain, before, strict=True)]
    direction = [entry / group["last_t"] for entry in difference(after, before)]
    torch.testing.assert_close(direction, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("method", ["armijo", "nonmonotone", "strong_wolfe"])
def test_a_direction_that_leads_uphill_gives_way_to_the_steepest_descent(method):
    loss, taken = steps((Reverse(),), count=3, method=method, weight_decay=DECAY)
    for before, after, group in taken:
        slopes = gradient_of(lambda values: loss(*values))(before)
        expected = [-4.0 * group["last_t"] * entry for entry in slopes]
        torch.testing.assert_close(difference(after, before), expected, rtol=1e-8, atol=1e-10)
        assert group["last_slope"] == pytest.approx(-4.0 * norm(slopes) ** 2)


@pytest.mark.parametrize("transforms", ["none", "clipping"])
def test_through_agc_too(transforms):
    """It clips what is clipped already; the slope is still that of the loss."""
    make = partial(AGC, base=partial(LineSearchGD, weight_decay=DECAY), clipping=0.05)
    loss, taken = steps(TRANSFORMS[transforms], count=4, make=make)
    for before, after, group in taken:
        direction = [entry / group["last_t"] for entry in difference(after, before)]
        assert group["last_slope"] == pytest.approx(slope_along(loss, before, direction), rel=1e-8)


def test_weights_with_noise_have_the_slope_of_where_they_are_evaluated():
    model = smooth_network()
    before, optimizer = parameters(model), LineSearchGD(model.parameters(), lr=4.0)
    train(experiment(model, source(), optimizer, passes=1, noises=(WeightNoise(0.3),)), Progress(), lambda *_: None)
    draw = generator(0, "WeightNoise", 0)
    noisy = [value + 0.3 * torch.randn(value.shape, generator=draw, dtype=value.dtype) for value in before]
    group = optimizer.param_groups[0]
    direction = [entry / group["last_t"] for entry in difference(parameters(model), before)]
    assert group["last_slope"] == pytest.approx(slope_along(loss_of(model, decay=0.0), noisy, direction), rel=1e-8)


class Shortened:
    """A closure of one's own that assigns a tenth of the gradient, and says so."""

    def __init__(self, params):
        self.params = params

    def __call__(self):
        return self.value_and_gradient()[0]

    def value_and_gradient(self):
        loss = curved(self.params)
        gradients = torch.autograd.grad(loss, self.params)
        for param, gradient in zip(self.params, gradients, strict=True):
            param.grad = gradient / 10
        return loss, dict(zip(self.params[1:], gradients[1:], strict=True))


def test_a_closure_of_one_s_own_gives_the_gradient_apart():
    """What it leaves out counts as 0."""
    params = leaves()
    slopes = gradient_of(curved)(params)
    optimizer = LineSearchGD(params, lr=0.5)
    optimizer.step(Shortened(params))
    assert optimizer.param_groups[0]["last_slope"] == pytest.approx(-0.05 * norm(slopes[1:]) ** 2)
