"""From a source's token arrays to the data of an experiment: subset and split, and nothing else."""

from fbgd.data.dataset import Arrays, Dataset, Samples, TrainingSet, content_hash
from fbgd.data.splits import split_indices


def prepare_tokens(
    arrays: Arrays,
    train_size: int | None = None,
    validation_size: int = 0,
    seed: int = 0,
    part: int = 0,
    does_not_apply: dict[str, object] | None = None,
) -> Dataset:
    """Make the data set of an experiment on tokens, which are neither normalised nor augmented.

    Args:
        arrays: what the source gave.
        train_size: size of the random training subset; smaller ones lie within larger ones. ``None``: everything.
        validation_size: samples held out of the training set.
        seed: decides subset and split.
        part: which one of the subsets of ``train_size`` samples that have none in common, from 0.
        does_not_apply: options of the other data sets, which must be 0 or "none".

    Raises:
        ValueError: a size is outside its range, or an option is given that means nothing for tokens.
    """
    for name, value in (does_not_apply or {}).items():
        neutral = "none" if isinstance(value, str) else 0.0
        if value != neutral:
            raise ValueError(f"data.{name} = {value!r} does not apply to text; the valid value is {neutral!r}")
    targets = arrays.train_targets
    # Sequences have no class that a subset could hold in proportion.
    strata = targets if targets.dim() == 1 else targets.new_zeros(len(targets))
    chosen, held_out = split_indices(strata, train_size, validation_size, seed, part)
    train, validation = (Samples(arrays.train_inputs[some], targets[some]) for some in (chosen, held_out))
    test = Samples(arrays.test_inputs, arrays.test_targets)
    kept = validation if len(held_out) else None
    return Dataset(TrainingSet(train), kept, test, arrays.classes, content_hash(train, kept, test), arrays.facts)
