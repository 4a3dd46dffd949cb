"""Performance profiles: which share of a group's runs is better than a score, for every score at once."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fbgd.report.aggregate import performance_profile, stratified_bootstrap
from fbgd.report.aggregate_table import lower_is_better, named, score
from fbgd.report.cells import label
from fbgd.report.evidence import Evidence
from fbgd.report.multiples import OTHERS, multiples
from fbgd.report.paper import points
from fbgd.report.plots import DASHES, MOST_COLOURS, make_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 0.03


def profile_figure(evidence: Evidence) -> "Figure":
    """A step line a group, with the 95 % band of the stratified bootstrap where all its runs have a value.

    The lines are exact: they change at the runs' own scores and nowhere else. Of a loss, the share below it is shown.
    """
    import seaborn as sns

    metric = evidence.description.metric
    groups = {group: own for group, own in score(evidence).items() if own.known}
    if not groups:
        raise ValueError(f"no group has a {metric} on all studies: there is nothing to draw")
    sign = -1 if lower_is_better(metric) else 1
    signed = {group: {study: sign * own.scores[study] for study in own.scores} for group, own in groups.items()}
    found = np.unique(np.concatenate([values for own in signed.values() for values in own.values()]))
    margin = MARGIN * (found[-1] - found[0]) or MARGIN * max(1.0, abs(found[0]))
    thresholds = np.array([found[0] - margin, *found, found[-1] + margin])
    shares = {group: performance_profile(own, thresholds) for group, own in signed.items()}
    figure, panels = make_figure((9, 5), 1, 1) if len(groups) <= MOST_COLOURS else multiples(len(groups))
    colours = sns.color_palette("colorblind")
    for index, group in enumerate(signed):
        axes, together = panels[index % len(panels)], len(panels) == 1
        colour = colours[index if together else 0]
        dashes = DASHES[index % len(DASHES)] if together else ""
        options = {"color": colour, "label": named(group), "linestyle": (0, dashes) if dashes else "-"}
        for other in [] if together else signed:
            axes.step(sign * thresholds, shares[other], where="post", color=OTHERS, lw=points(0.8))
        axes.step(sign * thresholds, shares[group], where="post", **options)
        if groups[group].complete:
            low, high = stratified_bootstrap(signed[group], partial(performance_profile, thresholds=thresholds))
            axes.fill_between(sign * thresholds, low, high, step="post", color=colour, alpha=0.15, lw=0)
        axes.set(ylim=(-0.02, 1.02), title="" if together else named(group))
    shown, share = label(metric), f"share of runs {'below' if sign < 0 else 'above'}"
    figure.suptitle(evidence.title)
    if len(panels) == 1:
        panels[0].set(xlabel=shown, ylabel=share)
        panels[0].legend(bbox_to_anchor=(1, 1), loc="upper left", fontsize="small")
    else:
        figure.supxlabel(shown)
        figure.supylabel(share)
    return figure
