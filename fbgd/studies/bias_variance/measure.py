"""From finished networks to the study's tidy table: a row a setting and repetition."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd
import torch
import torch.nn.functional as F

from fbgd.config.data import load_data
from fbgd.runs.directory import RunDirectory
from fbgd.runs.plan import PlannedRun
from fbgd.studies.bias_variance.estimators import entropy_parts, squared_parts
from fbgd.studies.bias_variance.settings import NetworkPreset, place
from fbgd.studies.trained import outputs_on_test

Networks = dict[tuple[int, int], PlannedRun]


def part_table(planned: Sequence[PlannedRun], preset: NetworkPreset) -> pd.DataFrame:
    """A row for every setting and repetition whose networks have all finished; ``seed`` is the repetition.

    ``risk``, ``bias`` (squared), ``variance``, ``optimisation`` and ``sampling`` are of squared errors of
    probabilities, those with ``entropy_`` of cross-entropies in nats, of the first network of every training set.
    """
    groups: dict[tuple[int, tuple[tuple[str, str], ...]], Networks] = defaultdict(dict)
    for run in planned:
        repetition, part, network = place(preset, run.seed)
        groups[repetition, tuple(run.labels.items())][part, network] = run
    # One repetition after the other, whose data are then made once.
    rows = [
        {**dict(labels), "seed": repetition, **measured(networks)}
        for (repetition, labels), networks in sorted(groups.items(), key=lambda entry: entry[0][0])
        if len({part for part, _ in networks}) == preset.parts and all(run.done for run in networks.values())
    ]
    table = pd.DataFrame(rows)
    if not len(table):
        return table
    order = {tuple(run.labels.values()): number for number, run in enumerate(planned)}
    labels = list(planned[0].labels)
    table["order"] = [order[tuple(row)] for row in table[labels].to_numpy()]
    table = table.sort_values(["order", "seed"], ignore_index=True).drop(columns="order")
    return table.astype({"width": int, "label_noise": float})


def measured(networks: Networks) -> dict[str, float]:
    """The numbers of one setting and repetition."""
    parts, draws = (sorted({key[axis] for key in networks}) for axis in (0, 1))
    outputs = {}
    for key, run in networks.items():
        dataset = load_data(run.config)
        outputs[key] = outputs_on_test(run, dataset).log_softmax(-1)
    labels = dataset.test.targets
    logs = torch.stack([torch.stack([outputs[part, draw] for draw in draws]) for part in parts])
    squared = squared_parts(logs.exp(), F.one_hot(labels, dataset.classes))
    entropy = entropy_parts(logs[:, 0], labels)
    return {
        "networks": len(networks),
        **means(networks.values()),
        **squared._asdict(),
        **{f"entropy_{name}": value for name, value in entropy._asdict().items()},
    }


def means(runs: Iterable[PlannedRun]) -> dict[str, float]:
    """Means over networks of what they recorded at their end."""
    ends = pd.DataFrame([RunDirectory(run.path).read_summary(run.identity) for run in runs]).astype(
        dict.fromkeys(("train_accuracy", "test_accuracy", "train_loss"), float)
    )
    errors = {name: 1 - ends[f"{name}_accuracy"] for name in ("train", "test")}
    return {
        "passes": ends["passes"].mean(),
        "train_loss": ends["train_loss"].mean(skipna=False),
        **{f"{name}_error": values.mean(skipna=False) for name, values in errors.items()},
    }
