"""Sharpness over passes against the threshold of every method, a tanh perceptron with squared error.

    python scripts/edge_of_stability.py sharpness               MNIST-1D, 500 samples, 10 seeds, some twenty minutes
    python scripts/edge_of_stability.py sharpness --only GD     one method alone
    python scripts/edge_of_stability.py sharpness data=cifar10  the published network and data; hours on a GPU

What to expect: with every method the sharpness rises until training is no longer stable, and stays there.
"""

import pandas as pd

from fbgd.report.cells import UNKNOWN, mean_of
from fbgd.report.pages import Summary, measured
from fbgd.runs.plan import Rung
from fbgd.studies.edge_of_stability.claims import CLAIMS
from fbgd.studies.edge_of_stability.drawing import draw
from fbgd.studies.edge_of_stability.measure import measure, settle
from fbgd.studies.edge_of_stability.settings import CLIP, PRESETS, STRENGTH, EdgePreset
from fbgd.studies.study import Study


def rungs(preset: EdgePreset) -> list[Rung]:
    """Every method at each of its rates."""
    return preset.rungs()


def summarise(table: pd.DataFrame) -> Summary:
    """A row a setting: when it reached its edge, and where it was since."""
    runs = settle(table)
    numbers, rows = [], []
    for (method, rate), part in runs.groupby(["method", "rate"], sort=False):
        reached = part["reached"].dropna()
        numbers.append({"method": method, "rate": rate, "n": len(part), "reached": len(reached),
                        **part[["since", "settled", "plain", "highest", "loss"]].mean()})  # fmt: skip
        rows.append(
            {
                "method": str(method),
                "rate": f"{rate:g}",
                "n": str(len(part)),
                "reached": f"{len(reached)} of {len(part)}",
                "at pass": f"{reached.mean():.0f}" if len(reached) else UNKNOWN,
                "since then / edge": mean_of(part["since"], ".3f"),
                "settled / edge": mean_of(part["settled"], ".3f"),
                "from the edge %": f"{100 * (part['settled'].mean() - 1):+.1f}",
                "sharpness / plain threshold": mean_of(part["plain"], ".3f"),
                "its highest": mean_of(part["highest"], ".3f"),
                "training loss": f"{part['loss'].mean():.2g}",
            }
        )
    return Summary(pd.DataFrame(numbers), rows, 2, [PARAGRAPH], metric="")


PARAGRAPH = (
    "Mean ± standard deviation over n seeds. Edge: 2 / h for GD, (2 + 2b) / h for the heavy ball, (2 + 2b) / (h (1 + "
    "2b)) for Nesterov, 38 / h for Adam and 2 / h for RMSprop in their own metrics, h the learning rate, b = 0.9; for "
    "SAM the sharpness at which its step, with the gradient's norm as it is, is that of GD at 2 / h; for SGD 2 / h, "
    f"which its batch sharpness is held against; for GD clipped at {CLIP:g}, 2 over the rate that clipping leaves, h "
    f"min(1, c / |g|); for GD with a gradient penalty of strength {STRENGTH:g}, the sharpness at which a penalised "
    "quadratic has the curvature 2 / h. Reached: the first look at or above the edge. Settled: the later half of the "
    "looks since then; of runs that never reached it, both are the later half of the run. Plain threshold: the "
    "optimizer's own without what acts beside it, 2 / h for GD, clipped, penalised, SAM and SGD; of SGD it is the "
    "full objective's sharpness that is held against it."
)
STUDY = Study(
    name="sharpness",
    family="edge_of_stability",
    title="Edge of stability",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=lambda preset, data: preset.quick(),
    held=("optimizer.lr", "optimizer=", "regime=", "regularizer=", "schedule=", "budget", "probe="),
    measure=measure,
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(evidence.measurements, evidence.title)},
    claims=CLAIMS,
)
