"""From recorded rows to the tidy table of the figure ``sharpness``, and what a run settled at."""

import pandas as pd

from fbgd.runs.plan import PlannedRun, curves
from fbgd.studies.edge_of_stability.settings import METHODS

KEYS = ["method", "rate", "seed"]
# The share of the looks since a run first reached its edge, from their end, over which it is called settled.
SETTLED = 0.5
BY_NAME = {method.name: method for method in METHODS}


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """A row a look of every finished run.

    ``ratio`` is what is measured over the method's own edge, ``plain`` the sharpness in the optimizer's metric over the
    threshold of the optimizer alone, without what acts beside it.
    """
    rows = curves(planned)
    if "preconditioned/ratio" not in rows:
        return pd.DataFrame()
    rows = rows.dropna(subset=["preconditioned/ratio"])
    parts = [
        part.assign(ratio=BY_NAME[name].ratio(part), plain=BY_NAME[name].plain(part))
        for name, part in rows.groupby("method", sort=False)
    ]
    table = pd.concat(parts, ignore_index=True).assign(figure="sharpness")
    table = table.rename(columns={f"preconditioned/{name}": name for name in ("sharpness", "threshold")})
    wanted = ["figure", *KEYS, "passes", "sharpness", "threshold", "plain", "ratio", "loss", "clipped"]
    return table[[name for name in wanted if name in table]].astype({"rate": float, "seed": int})


def settle(table: pd.DataFrame) -> pd.DataFrame:
    """A row a run: when it reached its edge, and the mean ratios since then and over the later half of that time.

    Of a run that never did, both are means over the later half of the run.

    Args:
        table: of :func:`measure`.
    """
    rows = []
    for key, part in table.groupby(KEYS, sort=False):
        part = part.sort_values("passes")
        above = part.index[part["ratio"] >= 1]
        since = part.loc[above[0] :] if len(above) else part.tail(-(-len(part) // 2))
        late = since.tail(max(1, int(SETTLED * len(since)))) if len(above) else since
        rows.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                "reached": part.loc[above[0], "passes"] if len(above) else float("nan"),
                "since": since["ratio"].mean(),
                "settled": late["ratio"].mean(),
                "plain": late["plain"].mean(),
                "highest": part["plain"].max(),
                "loss": part["loss"].dropna().iloc[-1],
            }
        )
    return pd.DataFrame(rows)
