"""Figures that any study of one or two labels can have, by the names of their files."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fbgd.report.evidence import Evidence
from fbgd.report.group_plots import ladder_figure, pairs_figure, panels_figure
from fbgd.report.multiples import multiples_figure
from fbgd.report.plots import ALONE, MOST_COLOURS, curves_figure, panel_curves_figure, search_figure, with_few_hues
from fbgd.studies.nested import chosen_counts
from fbgd.studies.tuning import by_setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def results(evidence: Evidence) -> "Figure | None":
    """The metric of every rung, side by side where the table is; nothing for more than two labels."""
    description = evidence.description
    by, metric, runs = description.by, description.metric, evidence.runs
    if description.across:
        return pairs_figure(runs, by[0], description.across, evidence.title, metric) if len(by) == 1 else None
    if len(by) == 1:
        return ladder_figure(runs, evidence.table, evidence.title, by[0], metric)
    return panels_figure(runs, evidence.table, by[1], by[0], evidence.title, metric) if len(by) == 2 else None


def curves(evidence: Evidence) -> "Figure | None":
    """Loss, accuracy, gradient norm and learning rate over passes; of two labels, loss and accuracy by the other."""
    description = evidence.description
    labels = [*description.by, *filter(None, [description.across])]
    if len(labels) > 2:
        return None
    return curves_of(evidence, *labels)


def curves_of(evidence: Evidence, by: str, other: str = "") -> "Figure":
    """Curves with a colour for each value of ``by``; of more than can be told apart, small multiples."""
    curves, title = evidence.curves, evidence.title
    order = list(dict.fromkeys(evidence.runs[by]))
    if other and max(len(order), evidence.runs[other].nunique()) > MOST_COLOURS:
        curves, _, by, other = with_few_hues((curves, curves), by, other)
        order = list(dict.fromkeys(curves[by]))
    if len(order) > MOST_COLOURS:
        return multiples_figure(curves, order, title, by, other)
    if not other:
        return curves_figure(curves, order, title, hue=by)
    return panel_curves_figure(curves, order, title, hue=by, panel=other)


def search(key: str) -> "Callable[[Evidence], Figure | None]":
    """What draws the validation accuracy over the values of a tuned setting, the chosen ones ringed."""

    def draw(evidence: Evidence) -> "Figure | None":
        description = evidence.description
        labels = [*description.by, *filter(None, [description.across])]
        searched = by_setting(evidence.searched, key).get(key)
        if searched is None or not len(searched) or len(labels) > 2:
            return None
        chosen = chosen_counts(searched, labels)
        if len(labels) == 1:
            # One line a panel: the legend says what it is.
            labels = [*labels, "line"]
            searched, chosen = (table.assign(line=ALONE) for table in (searched, chosen))
        by, hue = labels
        title = f"{evidence.title}\nvalidation accuracy by {key}\na ring's area is its share of the seeds' choices"
        return search_figure(searched, chosen, by, hue, key, title)

    return draw


def figures(tuned: tuple[str, ...] = ()) -> "Mapping[str, Callable[[Evidence], Figure | None]]":
    """What can be drawn of a study, by the names of the files.

    Args:
        tuned: the settings that the study chooses; of several the figures are numbered.
    """
    searches = {
        f"search{f'_{place}' if place > 1 else ''}.png": search(key) for place, key in enumerate(tuned, start=1)
    }
    return {"ladder.png": results, "curves.png": curves} | searches
