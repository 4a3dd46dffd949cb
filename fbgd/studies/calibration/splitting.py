"""Splitting many real seeds into small studies: how often do the intervals of these hold what the other seeds say?"""

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pandas as pd

from fbgd.report.tables import summarise

CONSECUTIVE, RANDOM = "consecutive", "random"
DIFFERENCE = "difference"


def partitions(total: int, size: int, random: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Ways to split ``total`` places into disjoint parts ``(parts, size)``: the consecutive one, then random ones.

    >>> next(partitions(5, 2, 0, np.random.default_rng(0)))
    ('consecutive', array([[0, 1],
           [2, 3]]))
    """
    kept = total // size * size
    yield CONSECUTIVE, np.arange(kept).reshape(-1, size)
    for _ in range(random):
        yield RANDOM, rng.permutation(total)[:kept].reshape(-1, size)


def widening(size: int, others: int) -> float:
    r"""How many times wider an interval of a mean is that predicts the mean of other values: :math:`\sqrt{1 + n/m}`.

    Args:
        size: n, of the mean with the interval.
        others: m, of the mean that it should hold.

    >>> widening(5, 15)
    1.1547005383792515
    """
    return math.sqrt(1 + size / others)


def split(runs: pd.DataFrame, label: str, baseline: str, sizes: Sequence[int], random: int) -> pd.DataFrame:
    """The tidy table: what small studies of ``runs`` say, made by the code of a page, and what the other seeds say.

    Args:
        runs: a row a run of two groups that have the same seeds.
        label: the column that tells them apart.
        baseline: its value that the other is compared with.
        sizes: seeds of a small study, each at most half of all.
        random: so many random splits beside the consecutive one.

    Returns:
        A row a small study and quantity: size, split, partition, part, quantity, whether the interval holds the mean
        of all seeds, and whether the widened one holds that of the others; empty where the seeds are too few, or a run
        is not done.
    """
    done = runs.pivot(index="seed", columns=label, values="test_accuracy").dropna()
    if (runs["status"] != "done").any():
        return pd.DataFrame()
    seeds = done.index.to_numpy()
    rows = []
    for size in (size for size in sizes if 2 <= size <= len(seeds) / 2):
        splits = partitions(len(seeds), size, random, np.random.default_rng(size))
        for number, (name, parts) in enumerate(splits):
            for part, places in enumerate(parts):
                mine = runs[runs["seed"].isin(seeds[places])]
                page = summarise(mine, by=[label], baseline={label: baseline})
                others = done.drop(index=seeds[places])
                wider = widening(size, len(others))
                place = {"size": size, "split": name, "partition": number, "part": part}
                rows += [place | row for row in held(page, label, baseline, done, others, wider)]
    return pd.DataFrame(rows)


def held(
    page: pd.DataFrame, label: str, baseline: str, everything: pd.DataFrame, others: pd.DataFrame, wider: float
) -> list[dict[str, object]]:
    """Whether a small study's intervals hold the means of all seeds, and widened ones those of the others."""
    rows: list[dict[str, object]] = []
    for row in page.to_dict("records"):
        name = row[label]
        means = [100 * frame[name].mean() for frame in (everything, others)]
        rows.append({"quantity": name, **holds(row["ci_low"], row["ci_high"], row["mean"], means, wider)})
        if name == baseline:
            continue
        if math.isnan(row["ratio"]):
            low, high, centre = row["delta_low"], row["delta_high"], row["delta"]
            means = [100 * (frame[name] - frame[baseline]).mean() for frame in (everything, others)]
        else:
            # The page compares logarithms of errors.
            low, high, centre = (math.log(row[key]) for key in ("ratio_low", "ratio_high", "ratio"))
            means = [
                float((np.log1p(-frame[name]) - np.log1p(-frame[baseline])).mean()) for frame in (everything, others)
            ]
        rows.append({"quantity": DIFFERENCE, **holds(low, high, centre, means, wider)})
    return rows


def holds(low: float, high: float, centre: float, means: Sequence[float], wider: float) -> dict[str, object]:
    """Whether an interval holds the mean of all, and widened about its centre that of the others."""
    everything, others = means
    wide = centre - wider * (centre - low), centre + wider * (high - centre)
    return {"holds_all": int(low <= everything <= high), "holds_others": int(wide[0] <= others <= wide[1])}


@cache
def under_normality(
    total: int, size: int, random: int, groups: int, repetitions: int = 400
) -> tuple[float, float, float]:
    """What normal values would give in the same design of ``groups`` independent groups.

    Args:
        total: seeds.
        size: of a small study.
        random: splits beside the consecutive one.
        groups: whose intervals of means are counted together.
        repetitions: of the whole design.

    Returns:
        The share of t-intervals that hold the mean of all ``total`` values; the share of widened ones that hold the
        mean of the others; and so many independent studies would make the latter vary as much.
    """
    from scipy import stats

    rng = np.random.default_rng([total, size])
    quantile, wider = stats.t.ppf(0.975, size - 1), widening(size, total - size)
    plain, wide = np.zeros((2, repetitions))
    for repetition in range(repetitions):
        values = rng.standard_normal((groups, total))
        parts = np.stack([parts for _, parts in partitions(total, size, random, rng)])
        own = values[:, parts]
        half = quantile * own.std(-1, ddof=1) / math.sqrt(size)
        means, everything = own.mean(-1), values.mean(-1)[:, None, None]
        others = (total * everything - size * means) / (total - size)
        plain[repetition] = (abs(means - everything) <= half).mean()
        wide[repetition] = (abs(means - others) <= wider * half).mean()
    share = float(wide.mean())
    return float(plain.mean()), share, share * (1 - share) / float(wide.var(ddof=1))
