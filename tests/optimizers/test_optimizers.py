"""The contract of every optimizer, from the registry in cases.py."""

import copy
import re

import pytest
import torch
import torch.nn.functional as F
from cases import OPTIMIZERS
from hypothesis import given
from hypothesis import strategies as st
from problems import complex_leaves, curved, leaves, make_closure, network, run, samples
from reference import norm

from optimizers import FullBatchGD
from optimizers.full_batch_gd import warmup_factor

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def tensors(node):
    """All tensors of a state_dict."""
    if torch.is_tensor(node):
        yield node
    elif isinstance(node, dict | list | tuple):
        for entry in node.values() if isinstance(node, dict) else node:
            yield from tensors(entry)


@every_optimizer
@given(data=st.data())
def test_equals_its_twin_of_torch_over_fifty_steps(name, data):
    case = OPTIMIZERS[name]
    if case.twin is None:
        return
    options = data.draw(case.options)
    ours, theirs = leaves(), leaves()
    run(case.make(ours, **options), ours, 50, skip=1)
    run(case.twin(theirs, **options), theirs, 50, skip=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@every_optimizer
def test_complex_parameters_are_pairs_of_real_ones(name):
    case = OPTIMIZERS[name]
    params, pairs = complex_leaves()
    for own in (params, pairs):
        run(case.make(own, **{**case.converging, **case.of_complex}), own, 20)
    torch.testing.assert_close([torch.view_as_real(param) for param in params], pairs, rtol=1e-12, atol=1e-12)


@every_optimizer
@given(data=st.data())
def test_complex_parameters_as_its_twin_of_torch(name, data):
    case = OPTIMIZERS[name]
    if case.twin is None:
        return
    options = data.draw(case.options)
    (ours, _), (theirs, _) = complex_leaves(), complex_leaves()
    run(case.make(ours, **options), ours, 20, skip=1)
    run(case.twin(theirs, **options), theirs, 20, skip=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@every_optimizer
def test_groups_with_options_of_their_own(name):
    """Two groups behave like two optimizers."""
    case = OPTIMIZERS[name]
    if case.apart is None:
        return
    options = {**case.converging, **case.apart}
    together, apart = leaves(), leaves()

    def separable(params):
        return sum(((1 + index) * param**2).sum() for index, param in enumerate(params))

    joint = case.make([{"params": together[:2]}, {"params": together[2:], "lr": 0.01}], **options)
    run(joint, together, 10, separable)
    run(case.make(apart[:2], **options), apart[:2], 10, separable)
    # The second half keeps its own curvature numbers.
    run(
        case.make(apart[2:], **{**options, "lr": 0.01}),
        apart[2:],
        10,
        lambda params: sum(((3 + index) * param**2).sum() for index, param in enumerate(params)),
    )
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


@every_optimizer
def test_invalid_arguments_are_named(name):
    for argument, refused in OPTIMIZERS[name].invalid.items():
        for options in refused:
            with pytest.raises(ValueError, match=re.escape(argument)):
                OPTIMIZERS[name].make(leaves(), **options)


@every_optimizer
def test_lowers_a_quadratic_rosenbrock_and_a_network(name):
    case = OPTIMIZERS[name]

    def quadratic(params):
        return sum((param**2).sum() for param in params)

    def rosenbrock(params):
        x, y = params[0]
        return ((1 - x) ** 2 + 100 * (y - x**2) ** 2) / 100

    for function, params in ((quadratic, leaves()), (rosenbrock, [torch.tensor([-1.2, 1.0]).requires_grad_()])):
        before = float(function(params).detach())
        run(case.make(params, **case.converging), params, 300, function)
        assert float(function(params).detach()) < 0.2 * before
    model, data = network("mlp"), samples(20)

    def fit(_):
        return F.cross_entropy(model(data.inputs), data.targets)

    before = float(fit(None).detach())
    run(case.make(model.parameters(), **case.converging), list(model.parameters()), 200, fit)
    assert float(fit(None).detach()) < 0.5 * before


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_keeps_dtype_of_parameters_and_state(name, dtype):
    case, params = OPTIMIZERS[name], leaves(dtype=dtype)
    optimizer = case.make(params, **case.converging)
    run(optimizer, params, 3)
    for param in params:
        assert param.dtype is dtype
        assert param.isfinite().all()
    assert {value.dtype for value in tensors(optimizer.state_dict()) if value.ndim} <= {dtype}


@every_optimizer
@given(data=st.data())
def test_state_dict_mid_run_reproduces_the_rest(name, data):
    case = OPTIMIZERS[name]
    options = data.draw(case.options)
    straight = leaves()
    run(case.make(straight, **options), straight, 12)
    first = leaves()
    optimizer = case.make(first, **options)
    run(optimizer, first, 7)
    second = [param.detach().clone().requires_grad_() for param in first]
    resumed = case.make(second, **{key: value for key, value in options.items() if callable(value)})
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(resumed, second, 5)
    assert all(torch.equal(left, right) for left, right in zip(straight, second, strict=True))


@every_optimizer
def test_closure_gives_the_loss_and_the_gradients(name):
    case = OPTIMIZERS[name]
    with_closure, without = leaves(), leaves()
    optimizer = case.make(with_closure, **case.converging)
    expected = float(curved(with_closure).detach())
    assert float(optimizer.step(make_closure(optimizer, with_closure)).detach()) == expected
    curved(without).backward()
    other = case.make(without, **case.converging)
    if case.needs_closure:
        with pytest.raises(ValueError, match=f"{name} needs a closure"):
            other.step()
        return
    assert other.step() is None
    assert all(torch.equal(left, right) for left, right in zip(with_closure, without, strict=True))


@every_optimizer
def test_parameters_without_gradient_stay(name):
    params, case = leaves(), OPTIMIZERS[name]
    before = [param.detach().clone() for param in params]
    optimizer = case.make(params, **case.converging)
    optimizer.step(lambda: torch.tensor(1.0))
    assert all(torch.equal(left, right) for left, right in zip(params, before, strict=True))
    run(optimizer, params, 1, skip=1)
    assert [torch.equal(left, right) for left, right in zip(params, before, strict=True)] == [False, True, False, False]


@every_optimizer
def test_a_copy_goes_on_alike(name):
    """Copying keeps groups, state and, in wrappers, the connection to the base."""
    params, case = leaves(), OPTIMIZERS[name]
    optimizer = case.make(params, **case.converging)
    run(optimizer, params, 3)
    optimizer.zero_grad()
    twin, copied = copy.deepcopy((optimizer, params))
    for one, own in ((optimizer, params), (twin, copied)):
        one.param_groups[0]["lr"] = 0.001
        run(one, own, 3)
    assert all(torch.equal(left, right) for left, right in zip(params, copied, strict=True))


class TestFullBatchGD:
    """What only FullBatchGD does."""

    def test_accumulated_ragged_blocks_equal_one_big_batch(self):
        data = samples(23)
        models = [network("resnet", "group") for _ in range(2)]
        options = {"lr": 0.3, "warmup_steps": 3, "max_norm": 0.25}
        by_blocks, at_once = (FullBatchGD(model.parameters(), **options) for model in models)
        for _ in range(5):
            for part in torch.arange(23).tensor_split(4):
                F.cross_entropy(models[0](data.inputs[part]), data.targets[part]).backward()
                by_blocks.accumulate(len(part))
            by_blocks.step()
            at_once.zero_grad()
            F.cross_entropy(models[1](data.inputs), data.targets).backward()
            at_once.step()
        for left, right in zip(*(model.parameters() for model in models), strict=True):
            torch.testing.assert_close(left, right, rtol=0, atol=1e-12)

    def test_clips_before_weight_decay(self):
        """One step without momentum in closed form: p - lr (c g / ||g|| + decay p)."""
        params = leaves()
        start = [param.detach().clone() for param in params]
        curved(params).backward()
        grads = [param.grad.clone() for param in params]
        length = norm(grads)
        assert length > 0.5
        FullBatchGD(params, lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.2, max_norm=0.5).step()
        expected = [p - 0.1 * (0.5 / length * g + 0.2 * p) for p, g in zip(start, grads, strict=True)]
        torch.testing.assert_close([param.detach() for param in params], expected, rtol=0, atol=1e-12)

    def test_state_dict_between_two_blocks(self):
        data = samples(9)

        def block(model, optimizer, part):
            F.cross_entropy(model(data.inputs[part]), data.targets[part]).backward()
            optimizer.accumulate(len(data.targets[part]))

        straight, cut = network("mlp"), network("mlp")
        optimizers = [FullBatchGD(model.parameters(), lr=0.3, max_norm=0.1) for model in (straight, cut)]
        for model, optimizer in zip((straight, cut), optimizers, strict=True):
            block(model, optimizer, slice(0, 5))
        resumed = FullBatchGD(cut.parameters())
        resumed.load_state_dict(copy.deepcopy(optimizers[1].state_dict()))
        for model, optimizer in ((straight, optimizers[0]), (cut, resumed)):
            block(model, optimizer, slice(5, 9))
            optimizer.step()
        assert all(torch.equal(l, r) for l, r in zip(straight.parameters(), cut.parameters(), strict=True))  # noqa: E741

    def test_a_block_that_was_not_accumulated_is_noticed(self):
        params = leaves()
        optimizer = FullBatchGD(params)
        curved(params).backward()
        optimizer.accumulate(3)
        curved(params).backward()
        with pytest.raises(RuntimeError, match="accumulate"):
            optimizer.step()

    def test_block_size_must_be_positive(self):
        with pytest.raises(ValueError, match="block_size = 0"):
            FullBatchGD(leaves()).accumulate(0)

    def test_warmup_reaches_the_peak_and_stays(self):
        assert [warmup_factor(step, 4) for step in range(1, 7)] == [0.25, 0.5, 0.75, 1, 1, 1]
        assert warmup_factor(1, 0) == 1
