"""Scaling over ranks: what was measured, and by its costs what more ranks would take, as a table and a figure."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from fbgd.report.plots import make_figure
from fbgd.studies.benchmark.projection import AllReduce, Projection, StepCost, fit_all_reduce, project
from fbgd.studies.benchmark.ranks import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROJECTED = (1, 2, 4, 8, 16, 32, 64)
# Those of the page.
SHOWN = (2, 8, 64)
# Blocks of a full-batch step of CIFAR-10, 50,000 samples, in blocks of 128 and of 32.
CIFAR = {"391 blocks": 391, "1563 blocks": 1563}
HEADER = ("step", "ranks", "blocks", "seconds", "speed-up", "efficiency", "idle", "all-reduce")


def costs_of(measured: Measured) -> tuple[StepCost, AllReduce]:
    """The cost of a block and of a step beside its blocks, by two sizes of a step, and that of an all-reduce."""
    few = measured.blocks // 5
    block = (measured.alone - measured.fewer) / (measured.blocks - few)
    # Noise may have made the larger step the faster one.
    block = max(block, 1e-9)
    overhead = max(measured.alone - measured.blocks * block, 0.0)
    return StepCost(block, overhead, measured.spread), fit_all_reduce(
        measured.sizes, measured.all_reduces, measured.ranks
    )


def projections(measured: Measured) -> dict[str, list[Projection]]:
    """By the name of a step, what it takes on more and more ranks."""
    cost, all_reduce = costs_of(measured)

    def on_all(blocks: int, *, a_rank: bool = False) -> list[Projection]:
        return [
            project(cost, all_reduce, measured.parameters, blocks * ranks if a_rank else blocks, ranks)
            for ranks in PROJECTED
        ]

    fixed = {name: on_all(blocks) for name, blocks in CIFAR.items()}
    return {"strong": on_all(measured.blocks), "weak": on_all(measured.blocks, a_rank=True), **fixed}


def rows(measured: Measured) -> list[tuple[str, ...]]:
    """The table: measured steps first, then projected ones."""
    strong, weak = measured.alone / measured.strong, measured.ranks * measured.alone / measured.weak
    found = [
        row("measured, strong", measured.ranks, measured.blocks, measured.strong, strong),
        row("measured, weak", measured.ranks, measured.blocks * measured.ranks, measured.weak, weak),
    ]
    for name, steps in projections(measured).items():
        for step in steps:
            if step.ranks in SHOWN:
                shares = (f"{100 * step.idle:.1f} %", f"{100 * step.all_reduce:.1f} %")
                found.append(row(f"projected, {name}", step.ranks, step.blocks, step.seconds, step.speedup, shares))
    return found


def row(
    name: str, ranks: int, blocks: int, seconds: float, speedup: float, shares: tuple[str, str] = ("", "")
) -> tuple[str, ...]:
    """A row of the table."""
    return (
        name,
        str(ranks),
        str(blocks),
        f"{seconds:.4g}",
        f"{speedup:.2f}",
        f"{100 * speedup / ranks:.1f} %",
        *shares,
    )


def as_markdown(table: Iterable[tuple[str, ...]]) -> str:
    """The table as Markdown."""
    lines = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *table]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def content(measured: Measured) -> dict[str, object]:
    """All numbers, as JSON holds them."""
    cost, all_reduce = costs_of(measured)
    steps = {name: [asdict(step) for step in found] for name, found in projections(measured).items()}
    return {
        "measured": asdict(measured),
        "cost": {**asdict(cost), **asdict(all_reduce)},
        "projected": steps,
        "table": rows(measured),
    }


def draw(measured: Measured) -> "Figure":
    """Seconds of a step over ranks: as many blocks on more ranks, and as many blocks a rank."""
    found = projections(measured)
    figure, (strong, weak) = make_figure((9.0, 3.8), 1, 2)
    for axes, name, seconds, ideal in (
        (strong, "strong", measured.strong, lambda ranks: measured.alone / ranks),
        (weak, "weak", measured.weak, lambda ranks: measured.alone),
    ):
        axes.plot(PROJECTED, [step.seconds for step in found[name]], color="#0072b2", label="projected")
        axes.plot(PROJECTED, [ideal(ranks) for ranks in PROJECTED], color="black", linestyle=":", label="ideal")
        axes.plot([1, measured.ranks], [measured.alone, seconds], "o", color="#d55e00", label="measured")
        axes.set_xscale("log", base=2)
        if name == "strong":
            axes.set_yscale("log", base=2)
            axes.yaxis.set_major_formatter("{x:.3g}")
        else:
            axes.set_ylim(0, 1.1 * max(seconds, *(step.seconds for step in found[name])))
        axes.set_xticks(PROJECTED, [str(ranks) for ranks in PROJECTED])
        blocks = f"{measured.blocks} blocks" if name == "strong" else f"{measured.blocks} blocks a rank"
        axes.set(xlabel="ranks", ylabel="seconds a step", title=f"{name} scaling: {blocks}")
        axes.legend()
    return figure
