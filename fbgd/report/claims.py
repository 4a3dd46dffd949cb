"""Claims: what a study is asked, as code: an estimate with its interval, a verdict by a fixed rule, a table row."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fbgd.report.claim_settings import asked_of
from fbgd.report.evidence import Evidence
from fbgd.report.statistics import Difference, t_interval

SUPPORTED, OPPOSITE, UNDECIDED = "supported", "opposite", "undecided"
CLAIMS = "claims.csv"
# What the sentence of a claim ends with that was asked after the page's verdicts had been read.
LATER = " (Asked later.)"


class Estimate(NamedTuple):
    """A number, its interval at the evidence's level, and which case of the claim it is of, where there are several."""

    value: float
    low: float
    high: float
    case: str = ""

    @property
    def uncertain(self) -> bool:
        """Whether it has an interval."""
        return self.low < self.high


Rule = Callable[[Estimate], str]


def higher(estimate: Estimate) -> str:
    """Supported where the interval lies above 0, opposite where it lies below.

    >>> higher(Estimate(1.0, 0.5, 1.5)), higher(Estimate(1.0, -0.5, 2.5))
    ('supported', 'undecided')
    """
    return above(0)(estimate)


def lower(estimate: Estimate) -> str:
    """Supported where the interval lies below 0, opposite where it lies above."""
    return below(0)(estimate)


def above(bound: float) -> Rule:
    """Supported where the interval lies above ``bound``, opposite where it lies below.

    >>> above(2)(Estimate(3.0, 2.5, 3.5)), above(2)(Estimate(3.0, 1.5, 4.5))
    ('supported', 'undecided')
    """

    def rule(estimate: Estimate) -> str:
        return SUPPORTED if estimate.low > bound else OPPOSITE if estimate.high < bound else UNDECIDED

    return rule


def below(bound: float) -> Rule:
    """Supported where the interval lies below ``bound``, opposite where it lies above.

    >>> below(1)(Estimate(-2, -3, 0.5)), below(1)(Estimate(0.5, 0.1, 1.2)), below(1)(Estimate(3, 2, 4))
    ('supported', 'undecided', 'opposite')
    """

    def rule(estimate: Estimate) -> str:
        return SUPPORTED if estimate.high < bound else OPPOSITE if estimate.low > bound else UNDECIDED

    return rule


def beyond(margin: float) -> Rule:
    """Supported where the interval lies above ``margin``, opposite where it lies below its negative."""

    def rule(estimate: Estimate) -> str:
        return SUPPORTED if estimate.low > margin else OPPOSITE if estimate.high < -margin else UNDECIDED

    return rule


def within(margin: float) -> Rule:
    """Supported where the interval lies within ``margin`` of 0, opposite where it lies outside of it.

    This is the test of equivalence by two one-sided tests (TOST, Schuirmann 1987), each at half of what the interval
    leaves out: 2.5 % for a single claim, less for several.

    >>> within(0.5)(Estimate(0.1, -0.2, 0.4)), within(0.5)(Estimate(0.1, -0.2, 0.6)), within(0.5)(Estimate(2, 1, 3))
    ('supported', 'undecided', 'opposite')
    """

    def rule(estimate: Estimate) -> str:
        if -margin < estimate.low and estimate.high < margin:
            return SUPPORTED
        return OPPOSITE if estimate.low > margin or estimate.high < -margin else UNDECIDED

    return rule


@dataclass(frozen=True)
class Claim:
    """A question to a study.

    Args:
        name: a short one, the same wherever the claim is spoken of.
        sentence: what is claimed.
        quantity: what is estimated, with its unit.
        estimates: from the evidence to the estimates, one a case; none where its runs are not there.
        rule: from an estimate to the verdict.
        published: what the literature says, with its source; empty where it says nothing.
        form: how numbers are written.
        family: claims of one family share its intervals' correction, see :func:`levels`. A claim that is asked at every
            place of a curve, beside others about the whole of it, is a family of its own; most pages have one family.
        later: asked after the page's verdicts had been read. Such claims share 5 % of their own, so that they change
            no verdict, and say so: what was thought of afterwards is weaker evidence.
    """

    name: str
    sentence: str
    quantity: str
    estimates: Callable[[Evidence], Iterable[Estimate]]
    rule: Rule = higher
    published: str = ""
    form: str = "+.2f"
    family: str = ""
    later: bool = False

    @property
    def group(self) -> tuple[bool, str]:
        """The claims whose intervals are corrected together."""
        return self.later, self.family


@dataclass(frozen=True)
class Finding:
    """A claim's verdict in one case."""

    claim: str
    case: str
    sentence: str
    quantity: str
    value: float
    low: float
    high: float
    verdict: str
    published: str
    form: str

    @property
    def estimate(self) -> str:
        """``+3.82 (1.93 to 5.71)``; without the interval where it is unknown, or nothing but the value."""
        plain = self.form.removeprefix("+")
        unknown = math.isnan(self.low) or self.low == self.high == self.value
        interval = "" if unknown else f" ({self.low:{plain}} to {self.high:{plain}})"
        return f"{self.value:{self.form}}{interval}"


def of_difference(change: Difference, case: str = "", scale: float = 100) -> Estimate:
    """A difference as an estimate, of fractions by default in percentage points."""
    return Estimate(scale * change.delta, scale * change.low, scale * change.high, case)


def of_mean(values: Collection[float], level: float, case: str = "", less: float = 0.0) -> Estimate:
    """The mean of values, a seed each, minus a number, with Student's interval.

    >>> [round(number, 3) for number in of_mean([1.0, 2.0, 3.0], level=0.95, less=2.0)[:3]]
    [0.0, -2.484, 2.484]
    """
    numbers = np.asarray(values, dtype=float)
    low, high = t_interval(numbers, level)
    return Estimate(float(numbers.mean() - less), float(low - less), float(high - less), case)


def exactly(value: float, case: str = "") -> Estimate:
    """A number without sampling error."""
    return Estimate(value, value, value, case)


def levels(claims: Sequence[Claim], evidence: Evidence) -> dict[tuple[bool, str], float]:
    r"""The level of the intervals of each family of claims, so that all of them together hold with 95 %.

    .. math:: 1 - \frac{0.05}{F \, m_f}

    (Bonferroni) with F families that have an interval and :math:`m_f` intervals in family f: a page that asks many
    questions finds something by chance no more often than one that asks a single one, and a question that is asked at
    thirty places leaves half of the 5 % to the others. Claims that were asked later share 5 % of their own.

    Args:
        claims: of a page.
        evidence: what they are estimated from.

    Returns:
        The level by :attr:`Claim.group`.
    """
    intervals: Counter[tuple[bool, str]] = Counter()
    for claim in claims:
        intervals[claim.group] += sum(estimate.uncertain for estimate in claim.estimates(evidence))
    families = Counter(later for (later, _), count in intervals.items() if count)
    return {
        (later, family): 1 - 0.05 / (max(1, families[later]) * max(1, count))
        for (later, family), count in intervals.items()
    }


def judge(claims: Iterable[Claim], evidence: Evidence) -> list[Finding]:
    """Every claim's verdict in each of its cases, by intervals that hold together; none from evidence without a result.

    Args:
        claims: of a page.
        evidence: what they are estimated from; its level becomes that of :func:`levels`.
    """
    if evidence.empty:
        return []
    claims = list(claims)
    level = levels(claims, evidence)
    return [
        Finding(
            claim.name, estimate.case, claim.sentence + LATER * claim.later, claim.quantity, estimate.value,
            estimate.low, estimate.high, claim.rule(estimate), claim.published, claim.form,
        )
        for claim in claims
        for estimate in map(rounded, claim.estimates(replace(evidence, level=level[claim.group])))
    ]  # fmt: skip


def rounded(estimate: Estimate) -> Estimate:
    """In fewer digits than a double has: machines agree about all of them, and a file holds what a page shows."""
    value, low, high = (float(f"{number:.8g}") for number in estimate[:3])
    return Estimate(value, low, high, estimate.case)


HEADER = ["claim", "estimate (95 % for all claims together)", "verdict", "published"]


def cells(findings: Iterable[Finding]) -> list[list[str]]:
    """Rows of texts under :data:`HEADER`."""
    return [
        [
            finding.sentence + (f" [{finding.case}]" if finding.case else ""),
            f"{finding.quantity}: {finding.estimate}",
            finding.verdict,
            finding.published or "–",
        ]
        for finding in findings
    ]


def to_csv(findings: Sequence[Finding]) -> str:
    """The findings of a study's folder, exactly."""
    names = list(Finding.__dataclass_fields__)
    return pd.DataFrame([asdict(finding) for finding in findings], columns=names).to_csv(index=False)


def read_findings(path: Path) -> list[Finding]:
    """The findings of a ``claims.csv``."""
    table = pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(("case", "published", "form"), str))
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "low", "high")}
    return [Finding(**{str(key): value for key, value in row.items()})
            for row in table.assign(**numbers).to_dict("records")]  # fmt: skip


def claims_page(results: Path) -> str:
    """All claims of all studies below ``results`` as one Markdown page, read from their ``claims.csv``."""
    lines = [
        "# Claims",
        "",
        "Every claim that a study of this folder was asked, with its estimate, interval and verdict. The intervals of "
        "a page hold together with 95 %: each is widened for the number of them. A claim at every width, beside claims "
        "about whole curves, is a family of its own: families share the 5 % equally, and each is widened for its own "
        "number. Claims that end with *(Asked later.)* were thought of after the page's verdicts had been read: they "
        "share 5 % of their own, and change no other interval. *Supported*: the interval lies on the claimed side of 0 "
        "(or within the margin of a claim of no difference, which is a test of equivalence, TOST); *opposite*: on the "
        "other; *undecided*: neither, these runs cannot tell. An estimate without an interval is a number of these "
        "runs' means, and its verdict is about them alone. Made from each study's `claims.csv`, which its own code "
        "made from `runs.csv` and `measurements.csv`.",
    ]
    for path in sorted(results.rglob(CLAIMS)):
        folder = path.parent.relative_to(results).as_posix()
        if not folder.startswith("quick/") and (findings := read_findings(path)):
            lines += [
                "",
                f"## [{folder}]({folder}/table.md)",
                *asked_of(path.parent),
                "",
                f"| {' | '.join(HEADER)} |",
                "|---|---|---|---|",
            ]
            lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in cells(findings)]
    return "\n".join(lines) + "\n"
