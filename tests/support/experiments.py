"""Small experiments, assembled by hand."""

from problems import objective

from fbgd.engine.experiment import Experiment
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.monitor import Monitor
from fbgd.schedules import Constant


def experiment(model, blocks, optimizer, **options):
    """An experiment with the plainest choice for everything not given."""
    penalties = options.pop("penalties", ())
    defaults = {
        "gradient": MeanGradient(objective(model), penalties, options.pop("blocks_per_call", 1)),
        "lr": optimizer.defaults["lr"],
        "schedule": Constant(),
        "passes": 4,
        "monitor": Monitor(model, optimizer, options.pop("measure", lambda pass_index: {})),
    }
    return Experiment(model=model, source=blocks, optimizer=optimizer, **{**defaults, **options})
