"""Random valid options of optimizers, and those that several must refuse."""

from functools import partial

import torch
from hypothesis import strategies as st

import optimizers

rates = st.floats(1e-4, 0.1)
decays = st.sampled_from([0.0, 0.01, 0.3])
betas = st.tuples(st.floats(0, 0.95), st.floats(0.5, 0.999))
BAD_RATES = {"lr": [{"lr": -0.1}, {"lr": float("nan")}, {"lr": float("inf")}], "weight_decay": [{"weight_decay": -1.0}]}
BAD_BETAS = {"betas[0]": [{"betas": (1.0, 0.9)}], "betas[1]": [{"betas": (0.9, -0.1)}], "eps": [{"eps": -1e-8}]}


def sgd_options():
    momentum = {"momentum": st.sampled_from([0.0, 0.5, 0.9]), "dampening": st.sampled_from([0.0, 0.3])}
    plain = st.fixed_dictionaries({"lr": rates, "weight_decay": decays, **momentum})
    nesterov = st.fixed_dictionaries(
        {"lr": rates, "weight_decay": decays, "momentum": st.floats(0.1, 0.95), "nesterov": st.just(True)}
    )
    return plain | nesterov


adam_options = st.fixed_dictionaries(
    {
        "lr": rates,
        "betas": betas,
        "eps": st.sampled_from([1e-8, 1e-3]),
        "weight_decay": decays,
        "amsgrad": st.booleans(),
    }
)

lion_options = st.fixed_dictionaries({"lr": rates, "betas": betas, "weight_decay": decays})
lars_options = st.fixed_dictionaries(
    {
        "lr": rates,
        "momentum": st.floats(0.1, 0.9),
        "nesterov": st.booleans(),
        "weight_decay": decays,
        "trust_coefficient": st.sampled_from([0.001, 0.1]),
        "eps": st.sampled_from([1e-8, 1e-3]),
        "clip": st.booleans(),
    }
)
line_search_options = st.fixed_dictionaries(
    {
        "lr": st.sampled_from([0.01, 1.0]),
        "method": st.sampled_from(["armijo", "nonmonotone", "strong_wolfe"]),
        "c1": st.sampled_from([1e-4, 0.1]),
        "c2": st.sampled_from([0.2, 0.9]),
        "backtracking": st.sampled_from([0.3, 0.8]),
        "growth": st.sampled_from([1.5, 4.0]),
        "memory": st.integers(1, 5),
        "initial": st.sampled_from([None, "growth", "barzilai_borwein"]),
        "max_evaluations": st.sampled_from([2, 20]),
        "weight_decay": decays,
    }
)
bases = st.sampled_from(
    [optimizers.SGD, partial(optimizers.SGD, momentum=0.9, weight_decay=0.1), torch.optim.Adam, optimizers.Adadelta]
)
BAD_BASES = {
    "lr": BAD_RATES["lr"],
    "base": [{"base": "SGD"}],
    "momentum": [{"base": partial(optimizers.SGD, momentum=-1.0)}],
}
