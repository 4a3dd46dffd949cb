"""The configured regularisers, sorted by where in training they act."""

from dataclasses import dataclass

from fbgd.errors import ConfigError
from regularizers import (
    BlockGradientPenalty,
    BlockTransform,
    EarlyStopping,
    GradientTransform,
    LossPenalty,
    ParameterNoise,
    WeightAverage,
)


@dataclass(frozen=True)
class Ingredients:
    """What is added to plain descent; see :mod:`regularizers.roles`."""

    block_transforms: tuple[BlockTransform, ...] = ()
    noises: tuple[ParameterNoise, ...] = ()
    loss_penalties: tuple[LossPenalty, ...] = ()
    gradient_penalties: tuple[BlockGradientPenalty, ...] = ()
    block_clipping: tuple[GradientTransform, ...] = ()
    transforms: tuple[GradientTransform, ...] = ()
    average: WeightAverage | None = None
    stopping: EarlyStopping | None = None


def sort_ingredients(built: dict[str, object]) -> Ingredients:
    """Sort regularisers by their role, keeping their order within it.

    Args:
        built: configured name to object.

    Raises:
        ConfigError: one has no role, or two would decide which weights are averaged, or when to stop.
    """
    roles = (
        BlockTransform,
        ParameterNoise,
        LossPenalty,
        BlockGradientPenalty,
        GradientTransform,
        WeightAverage,
        EarlyStopping,
    )
    for name, one in built.items():
        if not isinstance(one, roles):
            known = ", ".join(role.__name__ for role in roles)
            raise ConfigError(f"regularizer.{name}: {type(one).__name__} is none of {known} (regularizers/roles.py)")

    def of(role: type) -> tuple:
        return tuple(one for one in built.values() if isinstance(one, role))

    def only(role: type):
        found = [name for name, one in built.items() if isinstance(one, role)]
        if len(found) > 1:
            raise ConfigError(f"regularizer=[{','.join(found)}]: only one of them at a time")
        return built[found[0]] if found else None

    return Ingredients(
        block_transforms=of(BlockTransform),
        noises=of(ParameterNoise),
        loss_penalties=of(LossPenalty),
        gradient_penalties=of(BlockGradientPenalty),
        block_clipping=tuple(one for one in of(GradientTransform) if one.of == "block"),
        transforms=tuple(one for one in of(GradientTransform) if one.of == "step"),
        average=only(WeightAverage),
        stopping=only(EarlyStopping),
    )
