"""Figures of the ways to the minima: over the loss in their plane, and the curvature where they begin and end."""

from typing import TYPE_CHECKING

import numpy as np

from fbgd.probes.spectral_density import SpectralDensity
from fbgd.report.evidence import Evidence
from fbgd.report.plots import make_figure
from fbgd.studies.minima.drawing import COLOURS, of_kind
from fbgd.studies.minima.paths import START

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A Gaussian around every node, of so much of the range of all eigenvalues; densities below the floor are not drawn.
WIDTH, FLOOR = 0.01, 1e-5


def draw_plane(evidence: Evidence) -> "Figure | None":
    """Training and test loss over the plane through three minima, with the ways of the three runs in it."""
    rows, marks, ways = (of_kind(evidence, kind) for kind in ("plane", "minimum", "trajectory"))
    if not len(rows):
        return None
    figure, panels = make_figure((14, 5.6), 1, 2, sharey=True)
    for axes, column in zip(panels, ("train_loss", "test_loss"), strict=True):
        mesh = rows.pivot(index="y", columns="x", values=column)
        logs = np.log10(mesh.to_numpy())
        levels = np.linspace(logs.min(), logs.max(), 22)
        drawn = axes.contourf(mesh.columns, mesh.index, logs, levels=levels, cmap="viridis")
        axes.contour(mesh.columns, mesh.index, logs, levels=levels[::2], colors="white", linewidths=0.4)
        for name, way in ways.groupby("name", sort=False):
            axes.plot(way["x"], way["y"], color="white", lw=5)
            axes.plot(way["x"], way["y"], ".-", color=COLOURS[str(name)], lw=2.4, ms=7, mew=0)
        if len(ways):
            axes.plot(*ways[["x", "y"]].iloc[0], "X", ms=10, mec="white", color="black", label="start")
        for mark in marks.to_dict("records"):
            axes.plot(mark["x"], mark["y"], "o", ms=10, mec="white", color=COLOURS[mark["name"]], label=mark["name"])
        axes.set(title=column.replace("_", " "), xlabel="distance in the plane", ylabel="distance in the plane")
        axes.grid(visible=False)
        figure.colorbar(drawn, ax=axes, label="log10 of the loss", format="%.2f")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    about = "the plane through three minima of one seed" + ", ways projected onto it" * bool(len(ways))
    figure.suptitle(f"{evidence.title}: {about}")
    return figure


def draw_densities(evidence: Evidence) -> "Figure | None":
    """The density of the Hessian's eigenvalues at the start and at each minimum; a line marks the largest."""
    rows = of_kind(evidence, "density")
    if not len(rows):
        return None
    names = list(dict.fromkeys(rows["name"]))
    figure, panels = make_figure((15, 4.6), 1, len(names), sharex=True, sharey=True)
    low, high = rows["x"].min(), rows["x"].max()
    margin = 0.05 * (high - low)
    grid = np.linspace(low - margin, high + margin, 1200)
    for axes, name in zip(panels, names, strict=True):
        own = rows[rows["name"] == name].sort_values("x")
        density = SpectralDensity(own["x"].to_numpy(), own["weight"].to_numpy())
        heights = density.on_grid(grid, WIDTH * (high - low))
        colour = COLOURS.get(name, "black")
        axes.fill_between(grid, FLOOR, np.maximum(heights, FLOOR), color=colour, alpha=0.35, lw=0)
        axes.plot(grid, np.maximum(heights, FLOOR), color=colour, lw=1.4)
        axes.axvline(0, color="0.4", lw=0.8)
        axes.axvline(own["x"].max(), color=colour, ls="--", lw=1.6, label=f"largest: {own['x'].max():.3g}")
        title = "start of all three" if name == START else name.replace(", linear", ",\nlinear")
        axes.set(yscale="log", ylim=(FLOOR, None), xlabel="eigenvalue", title=title)
        axes.legend(fontsize="small", loc="upper right")
    panels[0].set_ylabel("density")
    figure.suptitle(f"{evidence.title}: eigenvalues of the Hessian, by stochastic Lanczos quadrature, one seed")
    return figure
