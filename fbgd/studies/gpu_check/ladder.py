"""A short ladder on real images of the size of CIFAR-10, as large as the time that is left allows."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from fbgd.config.data import read_arrays
from fbgd.runs.plan import Rung, collect
from fbgd.studies.estimate import cost_of
from fbgd.studies.execution import Execution
from fbgd.studies.geiping_ladder import PRESETS, PUBLISHED_SETTINGS, LadderPreset, rungs, shortened
from fbgd.studies.gpu_check.check import Check

DATA = ("data=fashion_mnist_32",)
SHARE = "0.05"
# Below so many images a rung says nothing.
FEWEST = 500
# What data augmentation, evaluation and the start of a run take on top of the timed steps.
MARGIN = 1.5


def ladder_of(data: Sequence[str], words: Sequence[str] = (), share: str = SHARE) -> LadderPreset:
    """The published ladder on other data, and shorter.

    Args:
        data: the words of the data set, of images of 32 x 32 in three colours.
        words: further ones, of what the rungs do not set.
        share: of the published passes.
    """
    preset = shortened("cifar10", PRESETS["cifar10"], share)
    own = (*data, "model=resnet18", *PUBLISHED_SETTINGS, "record.evaluate_every=1000", *words)
    # Nothing is chosen by timing, so that an interrupted check resumes.
    return replace(preset, words=own, calls=(1, 1))


def fitting_size(settings: list[Rung], limit: float, execution: Execution) -> int:
    """So many training images that one run of every setting takes about ``limit`` seconds, by timed steps.

    Args:
        settings: the rungs, with all images.
        limit: seconds.
        execution: that plans them.
    """
    few = 2048
    planned = execution.plan(sized(settings, few))
    seconds = MARGIN * sum(cost_of(run.config).seconds for run in planned)
    return int(few * limit / seconds)


def sized(settings: list[Rung], number: int) -> list[Rung]:
    """The settings with so many training images."""
    return [replace(rung, overrides=(*rung.overrides, f"data.train_size={number}")) for rung in settings]


def short_ladder(
    device: str, data: Sequence[str], limit: float, size: int = 0, words: Sequence[str] = (), share: str = SHARE
) -> list[Check]:
    """Test accuracies in percent, a rung each; one run with seed 0, which says that it trains, and not more.

    Args:
        device: to run on.
        data: the words of the data set.
        limit: seconds that it may take.
        size: training images; 0: as many as fit into ``limit``.
        words: further ones for all runs.
        share: of the published passes.

    Raises:
        ValueError: the data are not there, or a word is wrong.
    """
    with TemporaryDirectory() as folder:
        settings = rungs(ladder_of(data, (f"impl.device={device}", *words), share))
        execution = Execution(PRESETS["cifar10"], 1, [], Path(folder), 1)
        start = time.monotonic()
        available = len(read_arrays(execution.plan(settings[:1])[0].config).train_targets)
        number = min(available, size or fitting_size(settings, limit, execution))
        if number < FEWEST and not size:
            reason = f"only {number} images would fit into {limit:.0f} s: give it more --minutes"
            return [Check("short ladder", float("nan"), note=reason, made=False)]
        planned = execution.run(sized(settings, number))
        table = collect(planned)
        seconds = time.monotonic() - start
    made = []
    for row in table.to_dict("records"):
        if known := row["status"] == "done":
            value = 100 * float(row["test_accuracy"])
            note = f"{row['train_size']} images, {row['passes']:g} passes, {float(row['seconds']):.0f} s"
        else:
            value, note = float("nan"), "diverged" if row["status"] == "diverged" else str(row["error"])
        made.append(Check(f"short ladder: {row['rung']}, test accuracy %", value, note=note, made=known))
    return [*made, Check("short ladder, seconds", seconds)]
