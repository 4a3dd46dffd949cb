"""Studies whose rungs are given one by one, in a user's file or sweep, and not made from the sizes of a preset."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fbgd.config.compose import compose
from fbgd.config.overrides import parse
from fbgd.config.schema import Config
from fbgd.runs.plan import Rung
from fbgd.studies.study import Preset

# The data set of a run whose words name none, by fbgd/config/conf/config.yaml.
DATA = "mnist1d"
# Of --quick: samples, passes, blocks, channels or hidden units.
SAMPLES, HELD_OUT, PASSES, BLOCK, WIDTH = 48, 40, 2.0, 12, 4
# Sizes that sources of data take: samples, lines, bytes.
SOURCES = {"train": 100, "test": 100, "train_lines": 200, "train_bytes": 30000, "test_bytes": 10000}


@dataclass(frozen=True, kw_only=True)
class GivenPreset(Preset):
    """A preset that holds the rungs themselves.

    Args:
        rungs: with all their words.
        grids: of every tuned setting its values by rung name, ascending; none where nothing is tuned.
    """

    rungs: tuple[Rung, ...]
    grids: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)


def given_rungs(preset: GivenPreset) -> list[Rung]:
    """The rungs of a preset that holds them."""
    return list(preset.rungs)


def data_of(rungs: Iterable[Rung]) -> str:
    """The data set of rungs, by their words; several are joined by ``+``."""
    names = [{word.key: word.value for word in parse(rung.overrides)}.get("data", DATA) for rung in rungs]
    return "+".join(dict.fromkeys(names))


def quick(preset: Any, data: str) -> Any:
    """The preset on next to nothing: every rung shrunk, two seeds, and one value of each tuned setting."""
    rungs = tuple(
        replace(rung, overrides=(*rung.overrides, *tiny_words(compose(rung.overrides)))) for rung in preset.rungs
    )
    grids = {
        key: {name: (values[len(values) // 2],) for name, values in own.items()} for key, own in preset.grids.items()
    }
    return replace(preset, rungs=rungs, grids=grids, seeds=min(2, preset.seeds))


def tiny_words(config: Config) -> tuple[str, ...]:
    """The words that leave next to nothing of any run: of its data, its network, its budget.

    A schedule keeps its shape; ingredients stay as they are.

    >>> tiny_words(compose(["schedule.warmup=5", "model=mlp"]))[-4:]
    ('model.width=4', 'budget.passes=2', 'schedule.warmup=0.5', 'schedule.horizon=2')
    """
    data, regime, budget = config.data, config.regime, config.budget
    samples = min(SAMPLES, data.train_size or SAMPLES)
    words = {"data.train_size": samples, "impl.channels_last": "false", "record.evaluate_every": 1}
    if data.validation_size:
        words["data.validation_size"] = min(HELD_OUT, data.validation_size)
    for name, size in SOURCES.items():
        given = data.source.get(name)
        if isinstance(given, int):
            words[f"data.source.{name}"] = min(size, given)
    words["regime.block_size"] = min(regime.block_size, max(1, samples // 4))
    if isinstance(regime.blocks_per_step, int):
        words["regime.blocks_per_step"] = min(2, regime.blocks_per_step)
    if "width" in config.model:
        # Attention shares the width among its heads.
        words["model.width"] = max(WIDTH, config.model.get("heads", 1))
    if "heads" in config.model:
        words["model.layers"] = min(2, config.model.get("layers", 2))
    share = min(1.0, PASSES / budget.passes)
    words["budget.passes"] = f"{share * budget.passes:g}"
    if budget.gradients_per_sample is not None:
        words["budget.gradients_per_sample"] = f"{share * budget.gradients_per_sample:g}"
    for name in ("warmup", "horizon"):
        if config.schedule.get(name):
            words[f"schedule.{name}"] = f"{share * config.schedule[name]:g}"
    return tuple(f"{key}={value}" for key, value in words.items())
