"""Words of a command line, valid and damaged: a configuration that can be written down and read, or one line."""

from fuzzing import VALUES, Refused, attempt
from hypothesis import example, given
from hypothesis import strategies as st

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.config.groups import GROUPS, choices
from fbgd.config.schema import from_dict, to_dict
from fbgd.errors import ConfigError, MissingPackageError
from fbgd.runs.provenance import identity
from fbgd.runs.rows import flatten

# Sizes that a mutated word may multiply stay small, and nothing is loaded from elsewhere.
CHOICES = [
    f"{group}={name}"
    for group in GROUPS
    for name in choices(group)
    if name not in ("gpt2_124m", "huggingface", "torch_dataset")
]
KEYS = sorted(flatten(to_dict(compose(["regularizer=[gradient_clipping,mixup,early_stopping]"]))))
OWN = [
    "regularizer.mixup.alpha",
    "optimizer.groups",
    "model._target_",
    "data.source.path",
    "schedule.warmup",
    "a.b",
    "",
]
pairs = st.builds("{}={}".format, st.sampled_from(KEYS + OWN), VALUES)
valid = st.sampled_from(CHOICES) | st.sampled_from(
    [f"{key}={value}" for key, value in flatten(to_dict(compose())).items()]
)


@st.composite
def typos(draw):
    """A word with some characters changed, missing, twice or foreign."""
    word = draw(valid | pairs)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(word)))
        word = word[:at] + draw(st.text(max_size=2)) + word[at + draw(st.integers(0, 2)) :]
    return word


words = st.lists(st.one_of(valid, pairs, typos()), min_size=1, max_size=4)


@given(words)
@example(["model.width=100000000000"])
@example(["data.train_size=10000000000000000000000"])
def test_words(words):
    def checked():
        config = compose(words)
        check(config)
        return config

    config = attempt("words", checked, (ConfigError, MissingPackageError))
    if isinstance(config, Refused):
        return
    again = from_dict(to_dict(config))
    assert identity(again) == identity(config)
    assert to_dict(again) == to_dict(config)
