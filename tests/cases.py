"""The registry of optimizers and regularisers: one row each brings all contract tests.

Every field is drawn or used by tests/test_optimizers.py and tests/test_regularizers.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from hypothesis import strategies as st

import optimizers
import regularizers


@dataclass(frozen=True)
class OptimizerCase:
    """One optimizer.

    Args:
        make: the class.
        options: strategies for its keyword arguments, all valid.
        invalid: keyword arguments that must be refused, by the argument that the message must name.
        twin: torch.optim's class with the same arguments, an independent oracle; ``None``: it has none.
        converging: arguments with which it lowers the small problems.
    """

    make: type[torch.optim.Optimizer]
    options: dict[str, st.SearchStrategy]
    invalid: dict[str, list[dict]]
    twin: type[torch.optim.Optimizer] | None
    converging: dict = field(default_factory=dict)


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

OPTIMIZERS = {
    "SGD": OptimizerCase(
        optimizers.SGD,
        sgd_options(),
        {
            **BAD_RATES,
            "momentum": [{"momentum": -0.5}],
            "dampening": [{"momentum": 0.9, "dampening": 0.1, "nesterov": True}],
            "nesterov": [{"nesterov": True}],
        },
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.8},
    ),
    "Adam": OptimizerCase(optimizers.Adam, adam_options, {**BAD_RATES, **BAD_BETAS}, torch.optim.Adam, {"lr": 0.02}),
    "AdamW": OptimizerCase(optimizers.AdamW, adam_options, {**BAD_RATES, **BAD_BETAS}, torch.optim.AdamW, {"lr": 0.02}),
    "RMSprop": OptimizerCase(
        optimizers.RMSprop,
        st.fixed_dictionaries(
            {
                "lr": rates,
                "alpha": st.floats(0.5, 0.99),
                "eps": st.sampled_from([1e-8, 1e-3]),
                "weight_decay": decays,
                "momentum": st.sampled_from([0.0, 0.9]),
                "centered": st.booleans(),
            }
        ),
        {**BAD_RATES, "alpha": [{"alpha": 1.0}], "eps": [{"eps": -1.0}], "momentum": [{"momentum": -0.1}]},
        torch.optim.RMSprop,
        {"lr": 0.01},
    ),
    "FullBatchGD": OptimizerCase(
        optimizers.FullBatchGD,
        st.fixed_dictionaries(
            {
                "lr": rates,
                "weight_decay": decays,
                "momentum": st.floats(0.1, 0.9),
                "nesterov": st.booleans(),
                "warmup_steps": st.integers(0, 10),
                "max_norm": st.none() | st.floats(0.1, 1.0),
            }
        ),
        {
            **BAD_RATES,
            "momentum": [{"momentum": -0.5}],
            "nesterov": [{"nesterov": True, "momentum": 0.0}],
            "warmup_steps": [{"warmup_steps": -1}],
            "max_norm": [{"max_norm": 0.0}, {"max_norm": -1.0}],
        },
        None,
        {"lr": 0.1, "momentum": 0.8, "warmup_steps": 5, "max_norm": 1.0},
    ),
}


@dataclass(frozen=True)
class RegularizerCase:
    """One regulariser: its class, valid arguments, and those it must refuse by the argument to be named."""

    make: Callable
    valid: list[dict]
    invalid: dict[str, list[dict]]


REGULARIZERS = {
    "GradientPenalty": RegularizerCase(
        regularizers.GradientPenalty,
        [{}, {"strength": 0.0}, {"of": "full_gradient"}, {"method": "central", "radius": 0.1}, {"method": "exact"}],
        {
            "strength": [{"strength": -1.0}, {"strength": float("nan")}],
            "of": [{"of": "batch"}],
            "method": [{"method": "backward"}],
            "radius": [{"radius": 0.0}, {"radius": float("inf")}],
        },
    ),
    "GradientClipping": RegularizerCase(
        regularizers.GradientClipping,
        [{}, {"max_norm": 3.0}],
        {"max_norm": [{"max_norm": 0.0}, {"max_norm": -1.0}, {"max_norm": float("nan")}]},
    ),
}
