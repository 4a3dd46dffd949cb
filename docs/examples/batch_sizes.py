"""Does a smaller batch generalise better at equal passes, or does it only take more steps?

    python docs/examples/batch_sizes.py             MNIST-1D, 4 batch sizes x {equal passes, equal steps} x 5 seeds
    python docs/examples/batch_sizes.py --quick     under a minute, to see that everything runs
    python docs/examples/batch_sizes.py --list      every setting

A study of one's own in one file: it has the options, checks, progress, resume, page and claims of the built-in ones.
"""

import sys
from dataclasses import dataclass, replace

from fbgd.report.claims import Claim, lower, within
from fbgd.report.group_plots import panels_figure
from fbgd.runs.plan import Rung
from fbgd.studies.command import main
from fbgd.studies.differences import accuracy_difference
from fbgd.studies.presets import data_words, quick_words
from fbgd.studies.study import Preset, Study

PASSES, STEPS = "equal passes", "equal steps"


@dataclass(frozen=True, kw_only=True)
class BatchPreset(Preset):
    """Batch sizes, the smallest first, and the passes that the smallest one makes."""

    sizes: tuple[int, ...] = (25, 50, 100, 500)
    passes: float = 30


def rungs(preset: BatchPreset) -> list[Rung]:
    """Every batch size, with as many passes, and with as many steps, as the smallest one takes."""
    made = []
    for budget in (PASSES, STEPS):
        for size in preset.sizes:
            longer = size / preset.sizes[0] if budget == STEPS else 1
            words = (*preset.words, f"regime.block_size={size}", f"budget.passes={preset.passes * longer:g}")
            made.append(Rung(f"{size}, {budget}", words, labels={"budget": budget, "batch": str(size)}))
    return made


def quick(preset: BatchPreset, data: str) -> BatchPreset:
    """The preset on next to nothing."""
    return replace(preset, words=(*preset.words, *quick_words(data)), seeds=2, sizes=(25, 40), passes=2)


def largest_minus_smallest(budget: str):
    """The largest batch's accuracy minus the smallest one's, in points."""
    smallest, *_, largest = (str(size) for size in BatchPreset().sizes)
    return accuracy_difference({"budget": budget, "batch": largest}, {"budget": budget, "batch": smallest})


QUANTITY = "test accuracy of batch 500 minus 25, points"
SHARED = ("regime=sgd", "optimizer=sgd", "schedule=cosine", "impl.blocks_per_call=1")
STUDY = Study(
    name="batch_sizes",
    title="Batch sizes",
    about=__doc__,
    presets={
        data: BatchPreset(words=(*data_words(data, 5), *SHARED), seeds=5) for data in ("mnist1d", "fashion_mnist")
    },
    rungs=rungs,
    quick=quick,
    baseline={"batch": "25"},
    held=("regime.block_size", "budget"),
    figures={"accuracy.png": lambda found: panels_figure(found.runs, found.table, "batch", "budget", found.title)},
    claims=(
        Claim("worse at equal passes", "At equal passes the largest batch is worse.", QUANTITY,
              largest_minus_smallest(PASSES), lower),
        Claim("level at equal steps", "At equal steps it is level with the smallest, to two points.", QUANTITY,
              largest_minus_smallest(STEPS), within(2)),
    ),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(STUDY))
