"""From a simulated study's page to what is right and wrong about it."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from fbgd.report.claims import SUPPORTED, UNDECIDED, Finding, Rule, exactly
from fbgd.report.formats import Page
from fbgd.studies.calibration.designs import KEY, Design, compared
from fbgd.studies.calibration.scenarios import Scenario, Simulated, simulate

# Digits of a true difference in points: what lies below is rounding, and no difference.
EXACT = 9


def sign(low: float, high: float, nothing: float = 0.0) -> int:
    """On which side of ``nothing`` an interval lies: 1 above, -1 below, 0 around it or unknown.

    >>> sign(0.1, 0.5), sign(0.5, 0.9, 1.0), sign(-1.0, 1.0), sign(math.nan, math.nan)
    (1, -1, 0, 0)
    """
    return int(low > nothing) - int(high < nothing)


def study_row(design: Design, scenario: Scenario, runs: pd.DataFrame, rng: np.random.Generator) -> dict[str, float]:
    """Simulate a study, make its page, and compare it with the truth: 0 or 1 a column, NaN where nothing was said.

    Args:
        design: which study.
        scenario: what is true.
        runs: of :meth:`Design.runs`.
        rng: of this study alone.

    Returns:
        ``false_table``, ``false_claims``: whether any is wrong about the true means at the chosen rates;
        ``false_best``: whether any is about those at the best candidates; ``mean_covered``: whether the t-interval of
        the last row holds its true mean; ``table_covered``, ``claims_covered``: whether all intervals do;
        ``survivors_judged``: verdicts on groups of which a run diverged; ``found``, ``claimed``: whether the table
        says that the lifted row is better, and a claim is supported that compares it with its baseline.
    """
    level = design.level if scenario.equivalence else None
    lifted = design.better if level is None else level
    seeds = len(runs) // len(design.labels)
    return study_page(design, simulate(scenario, design.baselines, lifted, seeds, rng), runs, lifted)


def study_page(design: Design, study: Simulated, runs: pd.DataFrame, lifted: int) -> dict[str, float]:
    """Make a simulated study's page, and compare it with the truth, see :func:`study_row`."""
    seeds = len(study.accuracies)
    status = np.where(study.diverged, "diverged", "done").ravel()
    rates = np.tile([f"{10**decades:.3g}" for decades in study.chosen], seeds)
    page = design.page(runs.assign(test_accuracy=study.accuracies.ravel(), status=status, **{KEY: rates}))
    return compare(design, study, page, lifted)


def compare(design: Design, study: Simulated, page: Page, lifted: int) -> dict[str, float]:
    """What is right and wrong about a page, see :func:`study_row`."""
    rows = page.table.to_dict("records")
    pairs = [(row, reference) for row, reference in enumerate(design.references) if reference is not None]
    table = [compare_row(rows[left], study.truth, study.best, left, right) for left, right in pairs]
    rules = {claim.name: claim.rule for claim in design.recipe.claims}
    claims = [
        compare_finding(finding, rules[finding.claim], study.truth, study.best, *pair)
        for finding, pair in zip(page.findings, compared(design.name), strict=True)
    ]
    wrong = set(np.flatnonzero(study.diverged.any(axis=0)))
    lost = [bool(wrong & set(pair)) for pair in [*pairs, *compared(design.name)]]
    last, reference = rows[-1], design.references[lifted]
    return {
        "false_table": any(entry["false"] for entry in table),
        "false_claims": any(entry["false"] for entry in claims),
        "false_best": any(entry["false_best"] for entry in [*table, *claims]),
        "mean_covered": within(last["ci_low"], last["ci_high"], 100 * study.truth[-1]),
        "table_covered": all_covered(table),
        "claims_covered": all_covered(claims),
        "survivors_judged": sum(
            bool(entry["said"]) for entry, was in zip([*table, *claims], lost, strict=True) if was
        ),
        "found": any(entry["said"] == 1 for pair, entry in zip(pairs, table, strict=True) if pair[0] == lifted),
        "claimed": any(
            finding.verdict == SUPPORTED
            for finding, pair in zip(page.findings, compared(design.name), strict=True)
            if pair == (lifted, reference)
        ),
    }  # fmt: skip


def compare_row(row: dict, truth: np.ndarray, best: np.ndarray, left: int, right: int) -> dict[str, float]:
    """What a row of the table says of the difference to its baseline."""
    logarithmic = not math.isnan(row["ratio"])
    if logarithmic:
        # An error's quotient below 1 is better.
        said, value = -sign(row["ratio_low"], row["ratio_high"], 1.0), (1 - truth[left]) / (1 - truth[right])
        covered = within(row["ratio_low"], row["ratio_high"], value)
    else:
        said, value = sign(row["delta_low"], row["delta_high"]), 100 * (truth[left] - truth[right])
        covered = within(row["delta_low"], row["delta_high"], value)
    signs = [np.sign(round(100 * (means[left] - means[right]), EXACT)) for means in (truth, best)]
    return {
        "said": said,
        "false": said != 0 and said != signs[0],
        "false_best": said != 0 and said != signs[1],
        "covered": covered,
    }


def compare_finding(
    finding: Finding, rule: Rule, truth: np.ndarray, best: np.ndarray, left: int, right: int
) -> dict[str, float]:
    """What a claim's verdict says: false where it is decided, and the true difference asks for another one."""
    relative = finding.case.endswith("% of the error")

    def value(means: np.ndarray) -> float:
        difference = 100 * (means[left] - means[right])
        return round(difference / (1 - means[right]) if relative else difference, EXACT)

    decided = finding.verdict != UNDECIDED
    deserved = [rule(exactly(value(means))) for means in (truth, best)]
    return {
        "said": int(decided),
        "false": decided and finding.verdict != deserved[0],
        "false_best": decided and finding.verdict != deserved[1],
        "covered": within(finding.low, finding.high, value(truth)),
    }


def within(low: float, high: float, value: float) -> float:
    """1 where an interval holds a value, 0 where it does not, NaN where there is none."""
    return math.nan if math.isnan(low) or math.isnan(high) else float(low <= value <= high)


def all_covered(entries: Sequence[dict[str, float]]) -> float:
    """Whether all intervals that there are hold their true values; NaN where there are none."""
    known = [entry["covered"] for entry in entries if not math.isnan(entry["covered"])]
    return float(all(known)) if known else math.nan
