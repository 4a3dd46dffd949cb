"""The data sets of studies, defined once: which samples, which model, how often to look."""

from fbgd.errors import ConfigError

SMALL_DATA = {
    "mnist1d": ("data=mnist1d", "data.source.train=2000", "data.source.test=4000", "model=resnet"),
    "fashion_mnist": ("data=fashion_mnist", "data.train_size=2000", "model=resnet", "impl.channels_last=true"),
    "cifar10": ("data=cifar10", "model=resnet18"),
}
VALIDATION = {"mnist1d": 500, "fashion_mnist": 1000, "cifar10": 5000}
# All that a study does, on next to nothing. In the channels_last layout torch 2.13 has crashed with so few channels, on
# a CPU: "double free or corruption" in the backward pass of a convolution.
QUICK = (
    "impl.channels_last=false",
    "model=resnet",
    "model.width=2",
    "data.train_size=48",
    "data.validation_size=40",
    "record.evaluate_every=1",
)


def data_words(data: str, evaluate_every: float, validation: bool = True) -> tuple[str, ...]:
    """The words of a data set: samples, model, evaluations.

    Args:
        data: ``"mnist1d"``, ``"fashion_mnist"`` or ``"cifar10"``.
        evaluate_every: passes between two evaluations.
        validation: whether a part of the training set is held out for choices.
    """
    held_out = (f"data.validation_size={VALIDATION[data]}",) if validation else ()
    return (*SMALL_DATA[data], *held_out, f"record.evaluate_every={evaluate_every:g}")


def quick_words(data: str) -> tuple[str, ...]:
    """The words of ``--quick`` for a data set."""
    return (*QUICK, "data.source.train=100", "data.source.test=100") if data == "mnist1d" else QUICK


def ingredient_words(ingredients: tuple[str, ...], clip: float, strength: float) -> tuple[str, ...]:
    """The words for regularisers of a ladder, with the threshold of clipping and the strength of the penalty.

    >>> ingredient_words(("gradient_clipping",), clip=0.25, strength=1.0)
    ('regularizer=[gradient_clipping]', 'regularizer.gradient_clipping.max_norm=0.25')
    """
    options = {"gradient_clipping": f"max_norm={clip}", "gradient_penalty": f"strength={strength}"}
    own = (f"regularizer.{name}.{options[name]}" for name in ingredients)
    return (f"regularizer=[{','.join(ingredients)}]", *own)


def share_of(word: str) -> float:
    """A share of a budget.

    Raises:
        ConfigError: it is none.

    >>> share_of("0.05")
    0.05
    """
    try:
        share = float(word)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"--budget {word} must be a number above 0 and at most 1, as 0.05")
    return share
