"""The penalty that explains the drift of GD, SGD, momentum, clipped GD and Adam from the gradient flow.

python scripts/implicit_bias.py meter
"""

import math
from collections.abc import Callable, Sequence

import pandas as pd
from torch import Tensor

from fbgd.data import Dataset
from fbgd.probes.block_losses import Whole
from fbgd.probes.modified_flow import descend
from fbgd.report.cells import UNKNOWN, mean_of
from fbgd.report.claims import Claim, Estimate, of_mean, within
from fbgd.report.evidence import Evidence
from fbgd.report.pages import Summary, measured
from fbgd.studies.implicit_bias.closed import PRESETS, FlowSizes, quick, rungs, tabulated
from fbgd.studies.implicit_bias.meter_drawing import draw
from fbgd.studies.implicit_bias.optimizers import NAMES, PLAIN, THEORY, reading
from fbgd.studies.implicit_bias.problems import NETWORK, PROBLEMS, QUADRATIC, Problem
from fbgd.studies.study import Study

# Shares of a problem's own step size at which the meter looks: of a closed form, and of a network.
SHARES = {NETWORK: (1.0, 0.25)}
CLOSED_SHARES = (1.0, 0.25, 1 / 16)
# Of the flows of a network, whose drifts are far above it; those of a closed form cost nothing.
NETWORK_TOLERANCE, CLOSED_TOLERANCE = 1e-9, 1e-12
# The rate of the gradient descent that leads to the points at which a network is looked at.
PATH_RATE = 0.2
MARGIN = 0.1


def points_of(name: str, problem: Problem, sizes: FlowSizes) -> dict[int, Tensor]:
    """Where the meter looks, by the steps of gradient descent that led there."""
    if name != NETWORK:
        return {0: problem.start}
    whole, at, found, before = Whole(problem.losses), problem.start, {}, 0
    for point in sizes.points:
        at = descend(whole, at, PATH_RATE, [0] * (point - before))
        found[point], before = at, point
    return found


def rows_of_seed(data: Dataset, sizes: FlowSizes, seed: int) -> list[dict]:
    """What the meter says of every optimizer on every problem.

    Of a network, optimizers with a state are looked at from the first and the last point, at the smallest step size.
    """
    rows = []
    for name in sizes.problems:
        problem = PROBLEMS[name](data, sizes.width, seed)
        shares = SHARES.get(name, CLOSED_SHARES)
        tolerance = NETWORK_TOLERANCE if name == NETWORK else CLOSED_TOLERANCE
        for point, start in points_of(name, problem, sizes).items():
            for optimizer in NAMES:
                dear = name == NETWORK and optimizer not in PLAIN
                if dear and point not in (sizes.points[0], sizes.points[-1]):
                    continue
                for share in shares[-1:] if dear else shares:
                    rate = share * problem.rate
                    bias = reading(optimizer, problem.losses, start, rate, sizes.warm_up, tolerance)
                    rows.append({"problem": name, "point": point, "optimizer": optimizer, "rate": rate, "seed": seed,
                                 **bias._asdict()})  # fmt: skip
    return rows


def with_ratio(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the coefficient over the theory's, not a number where there is no theory."""
    return table.assign(ratio=table["coefficient"] / table["optimizer"].map(THEORY))


def ratios(problems: Sequence[str], optimizers: Sequence[str]) -> Callable[[Evidence], list[Estimate]]:
    """The coefficient over the theory's minus 1, at the smallest step size of every problem."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = with_ratio(evidence.measurements)
        return [
            of_mean(own["ratio"], evidence.level, case(str(problem), point, str(optimizer), rate), 1.0)
            for (problem, point, optimizer, rate), own in smallest(table).groupby(
                ["problem", "point", "optimizer", "rate"], sort=False
            )
            if problem in problems and optimizer in optimizers
        ]

    return estimates


def smallest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the smallest step size of every problem."""
    return table[table["rate"] == table.groupby("problem")["rate"].transform("min")]


def case(problem: str, point: int, optimizer: str, rate: float) -> str:
    """What an estimate is of."""
    after = f" after {point} steps" if problem == NETWORK else ""
    return f"{optimizer}, {problem}{after}, h = {rate:.3g}"


def beside(column: str, theory: float) -> Callable[[Evidence], list[Estimate]]:
    """A coefficient of the fit with both penalties, of SGD on the quadratic, minus what the theory says."""

    def estimates(evidence: Evidence) -> list[Estimate]:
        table = smallest(evidence.measurements)
        own = table[(table["problem"] == QUADRATIC) & (table["optimizer"] == "SGD")]
        return [of_mean(own[column], evidence.level, "", theory)] if len(own) else []

    return estimates


CLOSED = tuple(name for name in PROBLEMS if name != NETWORK)
RATIO = "fitted coefficient over the theory's, minus 1"
BARRETT, SMITH = "1 (Barrett & Dherin 2021)", "1 (Smith et al. 2021)"
CLAIMS = (
    Claim("GD obeys h/4", "The drift of GD from the gradient flow is that of the penalty h/4 ‖∇L‖².", RATIO,
          ratios(CLOSED, ["GD"]), within(MARGIN), BARRETT, "+.3f"),
    Claim("SGD obeys h/4m", "The mean drift of SGD over all orders is that of the penalty h/4m Σ‖∇L_k‖².", RATIO,
          ratios(CLOSED, ["SGD"]), within(MARGIN), SMITH, "+.3f"),
    Claim("blocks beside the mean", "Fitted beside a penalty on the mean gradient, that on blocks keeps its "
          "coefficient with SGD.", "coefficient of the blocks' penalty, minus 1", beside("of_blocks", 1.0),
          within(MARGIN), SMITH, "+.3f"),
    Claim("not of the mean", "The penalty on the mean gradient has no part in SGD's drift then.",
          "its coefficient beside the blocks' penalty", beside("of_mean", 0.0), within(MARGIN), "", "+.3f"),
    Claim("clipping shrinks the penalty", "A clipped step of GD obeys a quarter of its own effective rate.", RATIO,
          ratios(CLOSED, ["clipped GD"]), within(MARGIN), "", "+.3f"),
    Claim("momentum multiplies it", "Heavy ball obeys (1 + b)/(1 - b) quarters of its effective rate h/(1 - b).", RATIO,
          ratios(CLOSED, ["momentum 0.5", "momentum 0.9"]), within(MARGIN), "1 (Ghosh et al. 2023)", "+.3f"),
    Claim("in a network", "So do GD and SGD at points of a network's training.", RATIO,
          ratios([NETWORK], PLAIN), within(MARGIN), "", "+.3f"),
    Claim("in a network, further", "So do clipped GD and heavy ball there.", RATIO,
          ratios([NETWORK], ["clipped GD", "momentum 0.5", "momentum 0.9"]), within(MARGIN), "", "+.3f"),
)  # fmt: skip


def summarise(table: pd.DataFrame) -> Summary:
    """A row a problem, point, optimizer and step size."""
    numbers, rows = [], []
    for (problem, point, optimizer, rate), own in table.groupby(["problem", "point", "optimizer", "rate"], sort=False):
        theory = THEORY[str(optimizer)]
        rows.append(
            {
                "problem": str(problem),
                "after": str(point),
                "optimizer": str(optimizer),
                "h": f"{rate:.3g}",
                "n": str(len(own)),
                "theory": UNKNOWN if math.isnan(theory) else f"{theory:g}",
                "coefficient": mean_of(own["coefficient"], ".3f"),
                "explained": f"{own['explained'].mean():.3f}",
                "of blocks": mean_of(own["of_blocks"], ".3f"),
                "of the mean": mean_of(own["of_mean"], ".3f"),
                "drift": f"{own['drift'].mean():.1e}",
            }
        )
        numbers.append({"problem": problem, "point": point, "optimizer": optimizer, "rate": rate, "theory": theory,
                        "coefficient": own["coefficient"].mean(), "explained": own["explained"].mean()})  # fmt: skip
    return Summary(pd.DataFrame(numbers), rows, 4, [PARAGRAPH], metric="")


PARAGRAPH = (
    "Coefficient: of the penalty 1/m Σ‖∇L_k‖², in units of h/4, that explains the drift of an optimizer from the "
    "gradient flow, by least squares on how the flow answers to the penalty; h/4 of the mean over blocks is h/4m of "
    "the sum. Explained: the share of the squared drift along that answer. Of blocks, of the mean: the coefficients "
    "when a penalty on the squared mean gradient is fitted beside it; on two parameters both answers lie nearly along "
    "one line, so that only their sum means something. Drift: its length over that of the flow's way. GD: one step. "
    "SGD: a pass over four blocks of sizes 1 : 2 : 3 : 4, in the mean over all 24 orders. The others: ten steps on "
    "all blocks; h is their effective rate. Heavy ball: the effective rate is lr/(1 - b), and the state is that after "
    "a warm-up. Clipped GD: the threshold is half of the gradient's norm at the start, and a step takes the time of "
    "its own effective rate, in which the coefficient is given too. Adam: the flow is that in its own metric, frozen "
    "when the meter begins to look, a step takes the time lr, a tenth of the h shown, and the penalty is on gradients "
    "in that metric; no theory is claimed for it. Cells are means, ± standard deviation, over n draws of the problem; "
    "after: steps of gradient descent before the meter looked. Everything is in float64."
)

STUDY = Study(
    name="meter",
    family="implicit_bias",
    title="The implicit-bias meter",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    execute=tabulated(rows_of_seed),
    summarise=measured(summarise),
    figures={"figure.png": lambda evidence: draw(with_ratio(evidence.measurements), evidence.title)},
    claims=CLAIMS,
)
