"""Small runs of networks that a test writes itself."""

from problems import parameters

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train

SMALL = [
    "data.source.train=40",
    "data.source.test=10",
    "regime.block_size=7",
    "budget.passes=2",
    "precision=fp64",
    "impl.device=cpu",
    "schedule=constant",
    "optimizer.lr=0.05",
]


def trained(words, regime="full_batch", count=1):
    """Rows, final weights, and the facts of a run of two passes."""
    rows = []
    built = build(compose([*SMALL, *words, f"regime={regime}", "regime.block_size=7", f"impl.blocks_per_call={count}"]))
    train(built.experiment, Progress(), lambda row, _: rows.append(row))
    return rows, parameters(built.experiment.model), built.facts
