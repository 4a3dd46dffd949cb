"""From recorded rows to the tidy table of the figure ``sharpness``, and what a run settled at."""

import numpy as np
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
    first_rows = {key: place for place, key in enumerate(table.groupby(KEYS, sort=False).groups)}
    # Claims ask this dozens of times: arrays, since a thousand small frames take seconds.
    table = table.sort_values("passes", kind="stable")
    columns = {name: table[name].to_numpy(float) for name in ("passes", "ratio", "plain", "loss")}
    rows = []
    for key, places in sorted(table.groupby(KEYS, sort=False).indices.items(), key=lambda item: first_rows[item[0]]):
        passes, ratio, plain, loss = (column[places] for column in columns.values())
        above = np.flatnonzero(ratio >= 1)
        start = above[0] if len(above) else len(ratio) // 2
        since = len(ratio) - start
        late = len(ratio) - (max(1, int(SETTLED * since)) if len(above) else since)
        rows.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                "reached": passes[start] if len(above) else np.nan,
                "since": np.nanmean(ratio[start:]),
                "settled": np.nanmean(ratio[late:]),
                "plain": np.nanmean(plain[late:]),
                "highest": np.nanmax(plain),
                "loss": loss[~np.isnan(loss)][-1],
            }
        )
    return pd.DataFrame(rows)
