"""The configured model: made, and, where it is the user's own, tried on a few samples before any training."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
import torch.nn as nn
from torch import Tensor

from fbgd.config.data import trial_shape
from fbgd.config.schema import Config
from fbgd.config.targets import build_target, find_target
from fbgd.data import Dataset
from fbgd.engine.blocks import BlockSource, StepBlocks
from fbgd.engine.functional import functional
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.kernels import Objective
from fbgd.errors import ConfigError, said
from fbgd.models.convert import convert, converted_layers, is_built_in
from fbgd.models.torch_layers import DRAW_KEY, SeededDraws, generator_states, set_generator_states
from fbgd.seeds import generator, seeded, unseeded
from regularizers import foreach_norm

TRIAL_SAMPLES = 4
# How far a vectorised gradient may be from that of single blocks: rounding, which small blocks amplify.
TOLERANCES = {"fp64": 1e-6, "fp32": 0.05, "tf32": 0.1, "bf16": 0.5}


def build_model(config: Config, dataset: Dataset) -> nn.Module:
    """The configured model, initialised from the run's seed and no other random state.

    Raises:
        ConfigError: it refuses an argument, or has a layer that cannot be trained block by block.
    """
    start = generator(config.seed, "initialisation").initial_seed()
    with seeded(start):
        sizes = {"input_shape": dataset.input_shape, "classes": output_width(config, dataset)}
        try:
            model = build_target("model", config.model, **sizes)
        except ConfigError as error:
            if any(f"unexpected keyword argument '{name}'" in str(error) for name in sizes):
                # A class of another package; to know by its signature is not possible, many take any arguments.
                hint = "name a function (input_shape, classes) that makes it, three lines, as docs/models.md has one"
                raise ConfigError(f"{error}; {hint}") from None
            raise
    try:
        return convert(model)
    except ValueError as error:
        raise ConfigError(f"{label(config)}: {error}") from None


def output_width(config: Config, dataset: Dataset) -> int:
    """How many outputs the model has: one a class, or a number of a regression, unless the objective wants others."""
    return getattr(find_target("objective", config.objective["_target_"]), "width", None) or dataset.classes


def check_model(config: Config) -> nn.Module | None:
    """Raise ``ValueError`` where a model refuses its options; needs no data, and gives a model without numbers.

    One of the user's is tried only if it says by ``trial_shape`` or ``token_shape`` which samples it takes.
    """
    target = find_target("model", config.model["_target_"])
    says = any(getattr(target, name, None) is not None for name in ("trial_shape", "token_shape"))
    if says or getattr(target, "__module__", "").startswith("fbgd."):
        with torch.device("meta"):
            return build_target("model", config.model, input_shape=trial_shape(config), classes=10)
    return None


def label(config: Config) -> str:
    """What messages call the model."""
    return f"model ({config.model['_target_']})"


def try_model(config: Config, model: nn.Module, source: BlockSource, dataset: Dataset) -> dict[str, object]:
    """Try a model of the user's on a few training samples, in training and in evaluation mode.

    One that draws random numbers by functions is given :class:`SeededDraws`.

    Args:
        config: for messages.
        model: in its place and type; the built-in ones are tried by this package's tests.
        source: of its samples.
        dataset: says how many classes there are.

    Returns:
        What there is to say of it in a run's summary.

    Raises:
        ConfigError: it fails, gives outputs of another shape than (samples, classes), changes its buffers, or gives
            other outputs for the same inputs.
    """
    if is_built_in(model):
        return {}
    samples = source.data.samples
    # Blocks differ in size by one: no more samples than the smallest has.
    count = min(TRIAL_SAMPLES, len(source.data) // source.order.blocks_per_pass)
    inputs, targets = samples.inputs[:count], samples.targets[:count]
    about = converted_layers(model)
    expected = (*(targets.shape[:-1] if dataset.regression else targets.shape), output_width(config, dataset))
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    with undisturbed(devices), torch.no_grad():
        check_outputs(config, check_purity(config, model.eval(), inputs), expected)
        model.train()
        start = generator_states(devices)
        check_purity(config, model, inputs)
        drawn = any(not torch.equal(*pair) for pair in zip(start, generator_states(devices), strict=True))
        if drawn:
            SeededDraws(model)
            about["seeded_draws"] = True
        first, second = (repeated(config, model, inputs, devices, start) for _ in range(2))
        if not torch.allclose(first, second, rtol=1e-3, atol=1e-5, equal_nan=True):
            raise ConfigError(
                f"{label(config)} gives other outputs for the same inputs: it keeps a state between forward passes, or "
                "draws from something else than torch's generators"
            )
        check_outputs(config, first, expected)
    check_reach(config, model, inputs, devices)
    return about


@contextmanager
def undisturbed(devices: list[torch.device]) -> Iterator[None]:
    """Put random states back afterwards, and keep warnings to the training itself."""
    with unseeded(devices), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def outputs_of(config: Config, model: nn.Module, inputs: Tensor) -> Tensor:
    """The outputs for a few samples; whatever goes wrong is one line with the samples' shape."""
    try:
        return model(inputs)
    except Exception as error:
        alone = " (regime.block_size leaves blocks of one sample)" if len(inputs) == 1 else ""
        what = f"with {len(inputs)} samples, inputs of shape {tuple(inputs.shape)}{alone}"
        raise failure(config, what, error) from error


def failure(config: Config, what: str, error: Exception) -> ConfigError:
    """The error for a trial that failed."""
    return ConfigError(f"{label(config)}: a trial {what} failed: {said(error)}")


def repeated(
    config: Config, model: nn.Module, inputs: Tensor, devices: list[torch.device], start: list[Tensor]
) -> Tensor:
    """The outputs with torch's generators at ``start``."""
    set_generator_states(devices, start)
    return outputs_of(config, model, inputs)


def check_outputs(config: Config, outputs: Tensor, expected: tuple[int, ...]) -> None:
    """Raise :class:`ConfigError` unless the outputs have the shape that the objective needs."""
    if tuple(outputs.shape) != expected:
        raise ConfigError(
            f"{label(config)} gives outputs of shape {tuple(outputs.shape)} for {expected[0]} samples, and must give "
            f"{expected}: as many numbers a sample as the argument classes says"
        )


def check_purity(config: Config, model: nn.Module, inputs: Tensor) -> Tensor:
    """The outputs; raise :class:`ConfigError` where a forward pass changes buffers, parameters or its inputs."""
    places = [
        (path, module, kind, name)
        for path, module in model.named_modules()
        for kind in ("_buffers", "_parameters")
        for name in getattr(module, kind)
    ]
    before = [getattr(module, kind)[name] for _, module, kind, name in places]
    # By value: F.batch_norm writes to its buffers without a trace in their versions.
    values = [None if tensor is None else tensor.clone() for tensor in before]
    given = inputs.clone()
    outputs = outputs_of(config, model, given)
    if not torch.equal(given, inputs):
        raise ConfigError(
            f"{label(config)} writes to its inputs, which are the data: begin with inputs.clone(), or without "
            "inplace=True in its first layers"
        )
    for (path, module, kind, name), tensor, value in zip(places, before, values, strict=True):
        now = getattr(module, kind).get(name)
        if now is not tensor or (value is not None and not torch.equal(value.nan_to_num(), tensor.nan_to_num())):
            what = "buffer" if kind == "_buffers" else "parameter"
            raise ConfigError(
                f"{label(config)}: {path or 'the model'} ({type(module).__name__}) writes to its {what} {name!r} in a "
                "forward pass, so that gradients of blocks would depend on their order: leave the layer out, or keep "
                "it as it is in training mode"
            )
    return outputs


def check_reach(config: Config, model: nn.Module, inputs: Tensor, devices: list[torch.device]) -> None:
    """Raise :class:`ConfigError` where a parameter is used by another way than as its module's attribute.

    Gradients are taken at parameters that are put in the place of the model's own; a copy that a module keeps elsewhere
    would stay behind.
    """
    params = list(model.parameters())
    forward = functional(model)
    with undisturbed(devices):
        start = generator_states(devices)
        outputs = model(inputs)
        if not outputs.requires_grad:
            raise ConfigError(
                f"{label(config)} gives outputs that no parameter can be trained by: they come from .detach(), .data, "
                "torch.no_grad() or NumPy"
            )
        direct = gradients(outputs, params)
        set_generator_states(devices, start)
        leaves = [param.detach().requires_grad_() for param in params]
        handed = gradients(forward(leaves, inputs), leaves)
    for (name, _), own, other in zip(model.named_parameters(), direct, handed, strict=True):
        if own is not None and bool(own.any()) and (other is None or not bool(other.any())):
            raise ConfigError(
                f"{label(config)}: the parameter {name} is used by another way than as its module's attribute, so that "
                "it would not be trained: read it from the attribute in the forward pass"
            )


def gradients(outputs: Tensor, params: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of squares, ``None`` for parameters that do not take part."""
    return torch.autograd.grad(outputs.square().sum(), params, allow_unused=True)


def try_gradient(
    config: Config,
    model: nn.Module,
    source: BlockSource,
    objective: Objective,
    make: Callable[[int], MeanGradient],
    several: bool,
) -> str | None:
    """Try the gradient of two small blocks, one at a time and, where ``several``, both at once.

    Args:
        config: for messages, and for the precision.
        model: whose gradient.
        source: of the blocks.
        objective: of one block.
        make: the run's mean gradient by the number of blocks a call, with its penalties.
        several: whether the run may take more than one block a call.

    Returns:
        Why blocks must be evaluated one at a time; ``None``: they may be vectorised, or are not going to be.

    Raises:
        ConfigError: the gradient of single blocks fails.
    """
    params = [param.detach() for param in model.parameters()]
    blocks = trial_blocks(source)
    device = params[0].device
    with undisturbed([device] if device.type == "cuda" else []):
        try:
            single = MeanGradient(objective, ())(params, blocks, 0.1).gradient
            make(1)(params, blocks, 0.1)
        except Exception as error:
            raise failure(config, f"gradient with objective ({config.objective['_target_']})", error) from error
        if not several:
            return None
        if DRAW_KEY in model._buffers:
            return "it draws random numbers by functions"
        try:
            both = MeanGradient(objective, (), 2)(params, blocks, 0.1).gradient
            make(2)(params, blocks, 0.1)
        except Exception as error:  # noqa: BLE001 - whatever vmap cannot do, single blocks can
            return f"it does not vectorise: {said(error)}"
    distance = foreach_norm([left - right for left, right in zip(single, both, strict=True)]).item()
    if not distance <= TOLERANCES[config.precision] * foreach_norm(single).item():
        return "vectorised, it has another gradient"
    return None


def trial_blocks(source: BlockSource) -> StepBlocks:
    """Two blocks of equal size, of a few samples each."""
    available = len(source.data)
    size = max(1, min(TRIAL_SAMPLES, source.order.block_size, available // 2))
    numbers = torch.arange(2 * size) % available
    return replace(source.step(0), indices=list(numbers.view(2, size)), first=0, keys=torch.tensor([1, 2]))
