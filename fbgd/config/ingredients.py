"""The configured regularisers, sorted by where in training they act."""

from dataclasses import dataclass

from fbgd.config.facts import CLIPPED_OFF, PENALTY_SHARE
from fbgd.engine.gradient import measured
from fbgd.errors import ConfigError
from regularizers import (
    BlockGradientPenalty,
    BlockNoise,
    BlockTransform,
    EarlyStopping,
    GradientTransform,
    LossPenalty,
    ParameterNoise,
    WeightAverage,
)


@dataclass(frozen=True)
class Ingredients:
    """What is added to plain descent; see :mod:`regularizers.roles`.

    ``share_names`` is what the shares of its penalties on gradients and of its clippings are called.
    """

    block_transforms: tuple[BlockTransform, ...] = ()
    noises: tuple[ParameterNoise, ...] = ()
    loss_penalties: tuple[LossPenalty, ...] = ()
    gradient_penalties: tuple[BlockGradientPenalty, ...] = ()
    block_clipping: tuple[GradientTransform, ...] = ()
    block_noises: tuple[BlockNoise, ...] = ()
    transforms: tuple[GradientTransform, ...] = ()
    average: WeightAverage | None = None
    stopping: EarlyStopping | None = None
    share_names: tuple[str, ...] = ()


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
        BlockNoise,
        GradientTransform,
        WeightAverage,
        EarlyStopping,
    )
    for name, ingredient in built.items():
        if not isinstance(ingredient, roles):
            known = ", ".join(role.__name__ for role in roles)
            kind = type(ingredient).__name__
            raise ConfigError(f"regularizer.{name}: {kind} is none of {known} (regularizers/roles.py)")

    def of(role: type) -> tuple:
        return tuple(ingredient for ingredient in built.values() if isinstance(ingredient, role))

    def only(role: type):
        names = [name for name, ingredient in built.items() if isinstance(ingredient, role)]
        if len(names) > 1:
            raise ConfigError(f"regularizer=[{','.join(names)}]: only one of them at a time")
        return built[names[0]] if names else None

    penalties, transforms = of(BlockGradientPenalty), of(GradientTransform)
    block_clipping = tuple(transform for transform in transforms if transform.of == "block")
    of_steps = tuple(transform for transform in transforms if transform.of == "step")
    names = {id(ingredient): name for name, ingredient in built.items()}
    return Ingredients(
        block_transforms=of(BlockTransform),
        noises=of(ParameterNoise),
        loss_penalties=of(LossPenalty),
        gradient_penalties=penalties,
        block_clipping=block_clipping,
        block_noises=of(BlockNoise),
        transforms=of_steps,
        average=only(WeightAverage),
        stopping=only(EarlyStopping),
        share_names=tuple(
            f"{PENALTY_SHARE if isinstance(ingredient, BlockGradientPenalty) else CLIPPED_OFF}/{names[id(ingredient)]}"
            for ingredient in (*measured(penalties, block_clipping), *(clip for clip in of_steps if clip.clips))
        ),
    )
