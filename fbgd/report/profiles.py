"""Performance profiles: which share of a group's runs is better than a score, for every score at once."""

from functools import partial

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from fbgd.report.aggregate import performance_profile, stratified_bootstrap
from fbgd.report.aggregate_table import lower_is_better, named, score
from fbgd.report.cells import label
from fbgd.report.evidence import Evidence
from fbgd.report.plots import DASHES, make_figure

MARGIN = 0.03


def profile_figure(evidence: Evidence) -> Figure:
    """A step line a group, with the 95 % band of the stratified bootstrap where all its runs have a value.

    The lines are exact: they change at the runs' own scores and nowhere else. Of a loss, the share below it is shown.
    """
    metric = evidence.description.metric
    groups = {group: own for group, own in score(evidence).items() if own.known}
    if not groups:
        raise ValueError(f"no group has a {metric} on all studies: there is nothing to draw")
    sign = -1 if lower_is_better(metric) else 1
    signed = {group: {study: sign * own.scores[study] for study in own.scores} for group, own in groups.items()}
    found = np.unique(np.concatenate([values for own in signed.values() for values in own.values()]))
    margin = MARGIN * (found[-1] - found[0]) or MARGIN * max(1.0, abs(found[0]))
    thresholds = np.array([found[0] - margin, *found, found[-1] + margin])
    many = len(groups) > 10
    colours = sns.color_palette("husl" if many else "colorblind", len(groups))
    figure, (axes,) = make_figure((11 if many else 9, max(5, 0.25 * len(groups))), 1, 1)
    for index, (group, own) in enumerate(signed.items()):
        shares = performance_profile(own, thresholds)
        options = {"color": colours[index], "label": named(group)}
        dashes = DASHES[index % len(DASHES)]
        line = (0, dashes) if dashes else "-"
        axes.step(sign * thresholds, shares, where="post", linestyle=line, **options)
        if groups[group].complete:
            low, high = stratified_bootstrap(own, partial(performance_profile, thresholds=thresholds))
            axes.fill_between(sign * thresholds, low, high, step="post", color=colours[index], alpha=0.15, lw=0)
    axes.set(xlabel=label(metric), ylabel=f"share of runs {'below' if sign < 0 else 'above'}", ylim=(-0.02, 1.02))
    axes.set(title=evidence.title)
    axes.legend(bbox_to_anchor=(1, 1), loc="upper left", fontsize="small")
    return figure
