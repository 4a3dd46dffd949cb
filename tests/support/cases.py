"""The registry of optimizers, regularisers and models: one row each brings all contract tests.

Every field is drawn or used by tests/optimizers/test_optimizers.py, tests/regularizers/test_regularizers.py, and, of
models, by tests/models/test_models.py, tests/models/test_random_layers.py, tests/engine/test_gradient.py and
tests/runs/test_together.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from hypothesis import strategies as st
from strategies import (
    BAD_BASES,
    BAD_BETAS,
    BAD_RATES,
    adam_options,
    bases,
    decays,
    lars_options,
    line_search_options,
    lion_options,
    rates,
    sgd_options,
)

import optimizers
import regularizers
from fbgd import models


@dataclass(frozen=True)
class OptimizerCase:
    """One optimizer.

    Args:
        make: the class.
        options: strategy for its keyword arguments, all valid.
        invalid: keyword arguments that must be refused, by the argument that the message must name.
        twin: torch.optim's class with the same arguments, an independent oracle; ``None``: it has none.
        converging: arguments with which it lowers the small problems.
        apart: arguments, beside ``converging``, with which two groups are independent of each other; ``None``: never.
        needs_closure: ``step`` evaluates the loss itself.
        of_complex: arguments, beside ``converging``, with which complex parameters are trained.
    """

    make: Callable[..., torch.optim.Optimizer]
    options: st.SearchStrategy[dict]
    invalid: dict[str, list[dict]]
    twin: type[torch.optim.Optimizer] | None
    converging: dict = field(default_factory=dict)
    apart: dict | None = field(default_factory=dict)
    needs_closure: bool = False
    of_complex: dict = field(default_factory=dict)


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
        apart={"max_norm": None},
    ),
    "Adagrad": OptimizerCase(
        optimizers.Adagrad,
        st.fixed_dictionaries(
            {
                "lr": rates,
                "lr_decay": st.sampled_from([0.0, 0.1]),
                "weight_decay": decays,
                "initial_accumulator_value": st.sampled_from([0.0, 0.5]),
                "eps": st.sampled_from([1e-10, 1e-3]),
            }
        ),
        {
            **BAD_RATES,
            "lr_decay": [{"lr_decay": -0.1}],
            "initial_accumulator_value": [{"initial_accumulator_value": -1.0}],
            "eps": [{"eps": -1.0}],
        },
        torch.optim.Adagrad,
        {"lr": 0.2},
    ),
    "Adadelta": OptimizerCase(
        optimizers.Adadelta,
        st.fixed_dictionaries(
            {
                "lr": st.floats(0.01, 2.0),
                "rho": st.floats(0.5, 0.99),
                "eps": st.sampled_from([1e-6, 1e-3]),
                "weight_decay": decays,
            }
        ),
        {**BAD_RATES, "rho": [{"rho": 1.0}], "eps": [{"eps": 0.0}]},
        torch.optim.Adadelta,
        {"lr": 1.0, "eps": 1e-4},
    ),
    "Lion": OptimizerCase(
        optimizers.Lion,
        lion_options,
        {key: BAD_RATES.get(key) or BAD_BETAS[key] for key in ("lr", "weight_decay", "betas[0]", "betas[1]")},
        None,
        {"lr": 0.01},
    ),
    "LARS": OptimizerCase(
        optimizers.LARS,
        lars_options,
        {
            **BAD_RATES,
            "momentum": [{"momentum": -0.5}],
            "nesterov": [{"nesterov": True, "momentum": 0.0}],
            "trust_coefficient": [{"trust_coefficient": 0.0}],
            "eps": [{"eps": -1.0}],
        },
        None,
        {"lr": 0.1, "momentum": 0.8, "trust_coefficient": 0.1},
    ),
    "SAM": OptimizerCase(
        optimizers.SAM,
        st.fixed_dictionaries(
            {
                "lr": rates,
                "base": bases,
                "rho": st.sampled_from([0.0, 0.05, 0.5]),
                "adaptive": st.booleans(),
                "eta": st.sampled_from([0.0, 0.01]),
            }
        ),
        {
            **BAD_BASES,
            "rho": [{"rho": -0.1}, {"rho": float("nan")}],
            "eta": [{"eta": -0.1}],
        },
        None,
        {"lr": 0.1, "base": partial(optimizers.SGD, momentum=0.8)},
        apart=None,
        needs_closure=True,
        of_complex={"adaptive": True, "rho": 0.3},
    ),
    "AGC": OptimizerCase(
        optimizers.AGC,
        st.fixed_dictionaries(
            {
                "lr": rates,
                "base": bases,
                "clipping": st.sampled_from([0.01, 0.5]),
                "eps": st.sampled_from([1e-3, 0.1]),
            }
        ),
        {
            **BAD_BASES,
            "clipping": [{"clipping": 0.0}],
            "eps": [{"eps": 0.0}],
        },
        None,
        {"lr": 0.1, "base": partial(optimizers.SGD, momentum=0.8), "clipping": 0.5},
    ),
    "ByShape": OptimizerCase(
        optimizers.ByShape,
        st.fixed_dictionaries(
            {
                "lr": rates,
                "others_lr": rates,
                "matrices": st.sampled_from([torch.optim.Muon, optimizers.LARS, partial(optimizers.SGD, momentum=0.9)]),
                "others": bases,
            }
        ),
        {
            "lr": BAD_RATES["lr"],
            "others_lr": [{"others_lr": -0.1}],
            "momentum": [{"matrices": partial(optimizers.SGD, momentum=-0.5)}],
            "eps": [{"others": partial(optimizers.Adam, eps=-0.5)}],
        },
        None,
        {"lr": 0.02, "others_lr": 0.02},
        apart={"others_lr": 0.01},
        of_complex={"matrices": optimizers.SGD},
    ),
    "LineSearchGD": OptimizerCase(
        optimizers.LineSearchGD,
        line_search_options,
        {
            **BAD_RATES,
            "method": [{"method": "wolfe"}],
            "c1": [{"c1": 0.0}, {"c1": 1.0}],
            "c2": [{"c2": 1.0}, {"c1": 0.5, "c2": 0.4}],
            "backtracking": [{"backtracking": 0.0}, {"backtracking": 1.0}],
            "growth": [{"growth": 1.0}],
            "memory": [{"memory": 0}],
            "initial": [{"initial": "spectral"}],
            "max_evaluations": [{"max_evaluations": 0}],
        },
        None,
        {"lr": 1.0},
        apart=None,
        needs_closure=True,
    ),
    "AcceleratedGD": OptimizerCase(
        optimizers.AcceleratedGD,
        st.fixed_dictionaries(
            {"lr": rates, "weight_decay": decays, "restart": st.sampled_from(["gradient", "function", "none"])}
        ),
        {**BAD_RATES, "restart": [{"restart": "always"}]},
        None,
        {"lr": 0.1},
        apart={"restart": "none"},
    ),
}


@dataclass(frozen=True)
class RegularizerCase:
    """One regulariser: its class, valid arguments, and those it must refuse by the argument to be named."""

    make: Callable
    valid: list[dict]
    invalid: dict[str, list[dict]]


POSITIVE = (0.0, -1.0, float("nan"), float("inf"))
NOT_NEGATIVE = (-1.0, float("nan"), float("inf"))


def refused(name, values):
    """``name`` set to each of ``values``."""
    return {name: [{name: value} for value in values]}


REGULARIZERS = {
    "GradientPenalty": RegularizerCase(
        regularizers.GradientPenalty,
        [{}, {"strength": 0.0}, {"of": "full_gradient"}, {"method": "central", "radius": 0.1}, {"method": "exact"}],
        {
            **refused("strength", NOT_NEGATIVE),
            **refused("of", ["batch"]),
            **refused("method", ["backward"]),
            **refused("radius", POSITIVE),
        },
    ),
    "GradientNormPenalty": RegularizerCase(
        regularizers.GradientNormPenalty,
        [{}, {"alpha": 0.0}, {"alpha": 2.5, "radius": 0.5, "of": "full_gradient"}],
        {**refused("alpha", NOT_NEGATIVE), **refused("radius", POSITIVE), **refused("of", ["step"])},
    ),
    "GradientClipping": RegularizerCase(
        regularizers.GradientClipping,
        [{}, {"max_norm": 3.0}, {"of": "block"}],
        {**refused("max_norm", POSITIVE), **refused("of", ["full_gradient"])},
    ),
    "GradientValueClipping": RegularizerCase(
        regularizers.GradientValueClipping, [{}, {"max_value": 3.0}], refused("max_value", POSITIVE)
    ),
    "GradientNoise": RegularizerCase(
        regularizers.GradientNoise,
        [{}, {"std": 0.0}, {"kind": "multiplicative", "decay": 0.55}],
        {**refused("std", NOT_NEGATIVE), **refused("kind", ["uniform"]), **refused("decay", NOT_NEGATIVE)},
    ),
    "SGDNoise": RegularizerCase(
        regularizers.SGDNoise,
        [{}, {"structure": "leading", "products": 3}, {"scale": 0.0, "start": 2.0}],
        {
            **refused("structure", ["white"]),
            **refused("scale", NOT_NEGATIVE),
            **refused("start", NOT_NEGATIVE),
            **refused("products", [0, -1]),
        },
    ),
    "WeightNoise": RegularizerCase(regularizers.WeightNoise, [{}, {"std": 0.0}], refused("std", NOT_NEGATIVE)),
    "InputNoise": RegularizerCase(regularizers.InputNoise, [{}, {"std": 0.0}], refused("std", NOT_NEGATIVE)),
    "Mixup": RegularizerCase(regularizers.Mixup, [{}, {"alpha": 2.0}], refused("alpha", POSITIVE)),
    "CutMix": RegularizerCase(regularizers.CutMix, [{}, {"alpha": 0.5}], refused("alpha", POSITIVE)),
    "LabelSmoothing": RegularizerCase(
        regularizers.LabelSmoothing,
        [{}, {"smoothing": 0.0}, {"smoothing": 1.0}],
        refused("smoothing", [-0.1, 1.1, float("nan")]),
    ),
    "L2": RegularizerCase(
        regularizers.L2,
        [{}, {"of": "matrices"}],
        {**refused("strength", NOT_NEGATIVE), **refused("of", ["weights"])},
    ),
    "L1": RegularizerCase(
        regularizers.L1,
        [{}, {"of": "matrices"}],
        {**refused("strength", NOT_NEGATIVE), **refused("of", ["weights"])},
    ),
    "GaussianPrior": RegularizerCase(
        regularizers.GaussianPrior,
        [{}, {"of": "matrices"}],
        {**refused("sigma", POSITIVE), **refused("of", ["weights"])},
    ),
    "NormBias": RegularizerCase(
        regularizers.NormBias,
        [{}, {"norm": 0.0, "power": 2}],
        {**refused("strength", NOT_NEGATIVE), **refused("norm", NOT_NEGATIVE), **refused("power", [0, 3])},
    ),
    "EMA": RegularizerCase(regularizers.EMA, [{}, {"half_life": 0.1}], refused("half_life", POSITIVE)),
    "SWA": RegularizerCase(
        regularizers.SWA,
        [{}, {"start": 0.0, "every": 0.5}],
        {**refused("start", [-0.1, 1.0, float("nan")]), **refused("every", POSITIVE)},
    ),
    "EarlyStopping": RegularizerCase(
        regularizers.EarlyStopping,
        [{}, {"patience": float("inf")}, {"metric": "validation_accuracy"}],
        {**refused("patience", [0.0, -1.0, float("nan")]), **refused("metric", ["test_accuracy"])},
    ),
}


@dataclass(frozen=True)
class ModelCase:
    """One architecture for signals.

    Args:
        make: the class.
        choice: its ``model=``.
        small: options of a small network.
        shape: of a sample that a small network takes.
        norms: what its option ``norm`` may be; none where it has no such option.
        random: options with which layers drop something.
        invalid: options that must be refused, by what the message must say.
    """

    make: Callable[..., torch.nn.Module]
    choice: str
    small: dict
    shape: tuple[int, ...] = (1, 12)
    norms: tuple[str, ...] = models.NORMS
    random: dict = field(default_factory=lambda: {"dropout": 0.3})
    invalid: dict[str, dict] = field(default_factory=dict)

    def network(self, norm: str | None = None, **options) -> torch.nn.Module:
        """A small network with the norm ``norm``, if it has a choice, and its class's own for ``None``."""
        chosen = {"norm": norm} if self.norms and norm is not None else {}
        return self.make(**{"input_shape": self.shape, "classes": 5, **self.small, **chosen, **options})


MODELS = {
    "resnet": ModelCase(
        models.ResNet,
        "resnet",
        {"depth": 8, "width": 4},
        random={"dropout": 0.3, "stochastic_depth": 0.5},
        invalid={
            "depth = 19": {"depth": 19},
            "stem = 'tiny'": {"stem": "tiny"},
            "shortcut = 'identity' is not one of 'stride', 'pool'": {"shortcut": "identity"},
        },
    ),
    "pooled_resnet": ModelCase(models.ResNet, "resnet18", {"depth": 18, "width": 2, "shortcut": "pool"}),
    "bottlenecks": ModelCase(models.ResNet, "resnet", {"depth": 50, "width": 2}, shape=(1, 16)),
    "imagenet_resnet": ModelCase(models.ResNet, "resnet", {"depth": 18, "width": 2, "stem": "imagenet"}, shape=(1, 48)),
    "cnn": ModelCase(models.CNN, "cnn", {"width": 4, "layers": 2}, invalid={"layers = 0": {"layers": 0}}),
    "mlp": ModelCase(models.MLP, "mlp", {"width": 7, "layers": 2}, invalid={"width = 1.5": {"width": 1.5}}),
    "tanh_mlp": ModelCase(
        models.MLP,
        "mlp",
        {"width": 7, "layers": 2, "activation": "tanh"},
        invalid={"activation = 'sine' must be one of relu, tanh": {"activation": "sine"}},
    ),
    "preact_resnet": ModelCase(models.PreActResNet, "preact_resnet18", {"width": 2}),
    "cnn5": ModelCase(
        models.CNN5,
        "cnn5",
        {"width": 2},
        invalid={
            r"4 or more positions .* not \(1, 3\)": {"input_shape": (1, 3)},
            r"4 or more positions .* not \(3, 32, 3\)": {"input_shape": (3, 32, 3)},
        },
    ),
    "strided_cnn": ModelCase(
        models.StridedCNN,
        "strided_cnn",
        {"width": 8},
        invalid={r"3 or more positions .* not \(1, 2\)": {"input_shape": (1, 2)}},
    ),
    "vgg": ModelCase(
        models.VGG,
        "vgg16",
        {"width": 2},
        shape=(1, 16),
        invalid={
            "depth = 12 is not one of 11, 13, 16, 19": {"depth": 12},
            r"16 or more positions .* not \(3, 32, 15\)": {"input_shape": (3, 32, 15)},
        },
    ),
    "densenet": ModelCase(
        models.DenseNet,
        "densenet121",
        {"depth": 21, "width": 2},
        invalid={
            "depth = 12 is not one of 21, 121, 169, 201": {"depth": 12},
            r"8 or more positions .* not \(1, 7\)": {"input_shape": (1, 7)},
        },
    ),
    "vit": ModelCase(
        models.ViT,
        "vit",
        {"patch": 1, "width": 4, "layers": 2, "heads": 2},
        norms=(),
        invalid={
            "patch = 5 must divide the 12 positions": {"patch": 5},
            "patch = 4 must divide the 28 x 30 positions": {"patch": 4, "input_shape": (1, 28, 30)},
            "patch = 0 must be a positive integer": {"patch": 0},
            "width = 6 must be a multiple of model.heads = 4": {"width": 6, "heads": 4},
            "layers = 0": {"layers": 0},
            "heads = 0": {"heads": 0},
            "pooling = 'max' is not one of 'class', 'mean'": {"pooling": "max"},
        },
    ),
}
