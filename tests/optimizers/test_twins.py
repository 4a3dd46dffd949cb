"""Optimizers beside those of the same name in torch.optim: every keyword, and each other's states."""

import copy
import inspect
import re

import pytest
import torch
from cases import OPTIMIZERS
from hypothesis import given
from hypothesis import strategies as st
from problems import complex_leaves, curved, leaves, run

from optimizers import SGD, Adam, AdamW, LineSearchGD, RMSprop

TWINS = {name: case for name, case in OPTIMIZERS.items() if case.twin is not None}
every_twin = pytest.mark.parametrize("name", TWINS)
REFUSED = ("capturable", "differentiable", "fused")
# Values for keywords of torch.optim that are no numbers of the optimizer's formula.
SWITCHES = {
    "maximize": [False, True],
    "foreach": [None, False, True],
    "capturable": [False, True],
    "differentiable": [False, True],
    "fused": [None, False, True],
    "decoupled_weight_decay": [False, True],
}


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def keywords(twin):
    """All keyword arguments of a class."""
    return [key for key in inspect.signature(twin).parameters if key != "params"]


def mixed():
    """Real and complex parameters."""
    return [*leaves(), *complex_leaves(1)[0]]


@every_twin
def test_every_keyword_is_accepted_or_refused_by_name(name):
    """Switches have the twin's result, or a sentence says why not; other keywords are the options drawn below."""
    case = TWINS[name]
    assert set(keywords(case.twin)) <= set(keywords(case.make))
    for key in set(keywords(case.twin)) & SWITCHES.keys():
        for value in SWITCHES[key]:
            options = {"lr": 0.01, "weight_decay": 0.3, key: value}
            if key in REFUSED and value:
                expected = rf"{key} = True is refused by {name} .* torch\.optim\.{name}"
                with pytest.raises(ValueError, match=expected):
                    case.make(leaves(), **options)
                with pytest.raises(ValueError, match=expected):
                    case.make([{"params": leaves(), key: value}])
                continue
            ours, theirs = mixed(), mixed()
            run(case.make(ours, **options), ours, 5, skip=1)
            run(case.twin(theirs, **options), theirs, 5, skip=1)
            close(ours, theirs)


@every_twin
@given(data=st.data())
def test_options_and_switches_together(name, data):
    case = TWINS[name]
    options = data.draw(case.options)
    for key in set(keywords(case.twin)) & SWITCHES.keys() - set(REFUSED):
        options[key] = data.draw(st.sampled_from(SWITCHES[key]))
    ours, theirs = leaves(), leaves()
    run(case.make(ours, **options), ours, 10, skip=1)
    run(case.twin(theirs, **options), theirs, 10, skip=1)
    close(ours, theirs)


@every_twin
@given(data=st.data())
def test_states_of_the_twin_go_on_as_there_and_back(name, data):
    case = TWINS[name]
    options = data.draw(case.options)
    maximize = data.draw(st.booleans())
    theirs = mixed()
    twin = case.twin(theirs, **options, maximize=maximize)
    run(twin, theirs, 4, skip=1)
    ours = copy.deepcopy(theirs)
    optimizer = case.make(ours)
    state = copy.deepcopy(twin.state_dict())
    optimizer.load_state_dict(state)
    run(twin, theirs, 4, skip=1)
    run(optimizer, ours, 4, skip=1)
    close(ours, theirs)
    back = case.twin(ours)
    back.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(twin, theirs, 4, skip=1)
    run(back, ours, 4, skip=1)
    close(ours, theirs)
    # What was loaded is still the caller's own.
    assert {entry["step"].item() for entry in state["state"].values() if "step" in entry} <= {2.0, 3.0, 4.0}


@every_twin
def test_the_state_of_a_twin_with_what_is_refused_is_refused(name):
    case = TWINS[name]
    for key in set(keywords(case.twin)) & set(REFUSED):
        params = leaves()
        state = case.twin(params).state_dict()
        state["param_groups"][0][key] = True
        optimizer = case.make(params, lr=0.5)
        with pytest.raises(ValueError, match=f"{key} = True is refused by {name}"):
            optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("name", [name for name, case in TWINS.items() if name != "SGD"])
def test_a_state_that_lacks_something_is_refused_by_its_name(name):
    case, params = TWINS[name], leaves()
    other = torch.optim.SGD(params, momentum=0.9)
    run(other, params, 1)
    optimizer = case.make(params, lr=0.5)
    with pytest.raises(
        ValueError, match=f"{name} cannot load this state: group 0 lacks .*'eps'.*; it has .*'dampening'"
    ):
        optimizer.load_state_dict(other.state_dict())
    twin = case.twin(params)
    run(twin, params, 1)
    for lost in set(optimizer.state_names(optimizer.param_groups[0])):
        state = copy.deepcopy(twin.state_dict())
        del state["state"][2][lost]
        with pytest.raises(ValueError, match=f"{name} cannot load .* group 0, parameter 2, lacks '{lost}'"):
            optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert not optimizer.state


def test_names_of_state_follow_the_options():
    """AMSGrad, centring and momentum need tensors of their own."""
    params = leaves()
    for twin, make, options, lost in (
        (torch.optim.Adam, Adam, {"amsgrad": True}, "max_exp_avg_sq"),
        (torch.optim.RMSprop, RMSprop, {"centered": True}, "grad_avg"),
        (torch.optim.RMSprop, RMSprop, {"momentum": 0.9}, "momentum_buffer"),
    ):
        theirs = twin(params, **options)
        run(theirs, params, 1)
        state = theirs.state_dict()
        del state["state"][0][lost]
        with pytest.raises(ValueError, match=f"parameter 0, lacks '{lost}'"):
            make(params).load_state_dict(state)


def test_states_from_before_the_switches_load():
    """A state dict without the keys that came later means what it meant."""
    for name, case in TWINS.items():
        straight, params = leaves(), leaves()
        optimizer = case.make(params, lr=0.01, weight_decay=0.1)
        run(optimizer, params, 3)
        state = copy.deepcopy(optimizer.state_dict())
        state["param_groups"] = [
            {key: value for key, value in group.items() if key not in SWITCHES} for group in state["param_groups"]
        ]
        resumed = case.make(params)
        resumed.load_state_dict(state)
        run(resumed, params, 3)
        run(case.make(straight, lr=0.01, weight_decay=0.1), straight, 6)
        assert all(torch.equal(left, right) for left, right in zip(straight, params, strict=True)), name


def test_adamw_stays_decoupled_whatever_it_loads():
    params = leaves()
    optimizer = AdamW(params)
    optimizer.load_state_dict(Adam(params).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
    plain = Adam(params)
    plain.load_state_dict(torch.optim.AdamW(params).state_dict())
    assert plain.param_groups[0]["decoupled_weight_decay"] is True


def test_foreach_false_makes_temporaries_of_one_parameter_only(monkeypatch):
    lengths = []
    original = torch._foreach_lerp_
    monkeypatch.setattr(torch, "_foreach_lerp_", lambda *args: (lengths.append(len(args[0])), original(*args))[1])
    for foreach, expected in ((False, [1, 1, 1, 1]), (None, [4]), (True, [4])):
        params = leaves()
        run(Adam(params, foreach=foreach), params, 1)
        assert lengths == expected
        lengths.clear()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_as_learning_rate_is_a_number_that_may_change(name, shape):
    """Schedulers fill it in place; the optimizer keeps that very tensor."""
    case = OPTIMIZERS[name]
    numbers, tensors = leaves(), leaves()
    options = {key: value for key, value in case.converging.items() if key != "lr"}
    rate = torch.full(shape, 0.02, dtype=torch.float64)
    with_number, with_tensor = case.make(numbers, lr=0.02, **options), case.make(tensors, lr=rate, **options)
    run(with_number, numbers, 5)
    run(with_tensor, tensors, 5)
    for group, other in zip(with_number.param_groups, with_tensor.param_groups, strict=True):
        if torch.is_tensor(other["lr"]):
            assert other["lr"] is rate
            group["lr"] = 0.005
    rate.fill_(0.005)
    run(with_number, numbers, 5)
    run(with_tensor, tensors, 5)
    close(numbers, tensors)


@every_twin
def test_a_tensor_as_learning_rate_as_its_twin(name):
    case = TWINS[name]
    ours, theirs = leaves(), leaves()
    run(case.make(ours, lr=torch.tensor(0.02, dtype=torch.float64)), ours, 10)
    run(case.twin(theirs, lr=torch.tensor(0.02, dtype=torch.float64)), theirs, 10)
    close(ours, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    ("lr", "said"),
    [
        (torch.tensor([0.1, 0.2]), "lr is a tensor of shape (2,), but must be one number"),
        (torch.tensor(0.1, requires_grad=True), "asks for a gradient"),
        (torch.tensor(-0.1), "lr = tensor(-0.1"),
    ],
)
def test_tensors_that_are_no_learning_rate_are_refused(name, lr, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        OPTIMIZERS[name].make(leaves(), lr=lr)


def test_tensors_in_a_group_are_checked_too():
    for make in (SGD, Adam, LineSearchGD):
        with pytest.raises(ValueError, match="lr is a tensor of shape"):
            make([{"params": leaves(), "lr": torch.ones(2)}])


def test_other_options_may_be_tensors_as_in_torch():
    ours, theirs = leaves(), leaves()
    decay = torch.tensor(0.3, dtype=torch.float64)
    run(SGD(ours, lr=0.1, weight_decay=decay), ours, 5)
    run(torch.optim.SGD(theirs, lr=0.1, weight_decay=decay), theirs, 5)
    close(ours, theirs)
    betas = (torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.9, dtype=torch.float64))
    ours, theirs = leaves(), leaves()
    optimizer = Adam(ours, lr=0.1, betas=betas)
    run(optimizer, ours, 5)
    run(torch.optim.Adam(theirs, lr=0.1, betas=betas), theirs, 5)
    close(ours, theirs)
    assert optimizer.param_groups[0]["betas"] == (0.7, 0.9)


def test_maximize_climbs():
    for case in TWINS.values():
        params = leaves()
        before = float(curved(params).detach())
        run(case.make(params, lr=0.01, maximize=True), params, 10)
        assert float(curved(params).detach()) > before
