"""A table with its notes as a page: in the terminal, as Markdown, CSV or LaTeX."""

import io
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fbgd.errors import nearest
from fbgd.report import claims
from fbgd.report.claims import Finding
from fbgd.report.tables import COSTS, is_fraction

WIDTH = 160
UNKNOWN = "–"
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "Δ": r"$\Delta$",
    "–": "--",
    "…": r"\dots{}",
}


@dataclass(frozen=True)
class Page:
    """What is shown: a title, the table as numbers and as text for people, and the paragraphs under it.

    Args:
        title: above the table.
        table: the numbers.
        header: the column names for people; the first ``left`` of them are groups.
        rows: a text a cell.
        left: how many columns are groups.
        paragraphs: what a reader must know.
        findings: the claims' verdicts, a second table.
    """

    title: str
    table: pd.DataFrame
    header: list[str]
    rows: list[list[str]]
    left: int = 1
    paragraphs: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        return to_terminal(self)


def number(value: float, form: str) -> str:
    """A number in the format ``form``; a dash for an unknown one."""
    return UNKNOWN if value is None or math.isnan(value) else format(value, form)


def shown_value(value: object) -> str:
    """A group's value; a dash for an empty one."""
    return str(value) if value != "" else UNKNOWN


def shown_entry(key: str, row: dict) -> str:
    """A row's group value."""
    return shown_value(row[key])


def shown_number(key: str, form: str, row: dict) -> str:
    """A row's number, such as a cost."""
    return number(row[key], form)


def shown_side(digits: int, suffix: str, row: dict) -> str:
    """Mean, standard deviation and count of one of the groups side by side."""
    return f"{spread(row, digits, suffix)} ({count(row, suffix)})"


def count(row: dict, suffix: str = "") -> str:
    """``3``, ``2 of 3`` where runs have no value, ``3, 1 of 3 diverged``: the rates of what went wrong."""
    n, runs = (int(row[f"{key}{suffix}"]) for key in ("n", "runs"))
    wrong = {name: int(row[f"{name}{suffix}"]) for name in ("diverged", "failed")}
    rates = [f"{number} of {runs} {name}" for name, number in wrong.items() if number]
    return ", ".join([str(n) if n == runs else f"{n} of {runs}", *rates])


def decimals(means: pd.Series, percent: bool) -> int:
    """How many decimals a metric is shown with: two for percent, else four digits of a typical value."""
    known = means.abs()[lambda values: values > 0].dropna()
    if percent or known.empty:
        return 2
    return min(6, max(0, 3 - math.floor(math.log10(known.median()))))


def label(metric: str) -> str:
    """A metric's name for people."""
    return metric.replace("_", " ") + (" %" if is_fraction(metric) else "")


def interval(low: float, high: float, digits: int) -> str:
    """An interval; a dash for an unknown one."""
    return UNKNOWN if math.isnan(low) else f"{low:,.{digits}f} to {high:,.{digits}f}"


def spread(row: dict, digits: int, suffix: str = "") -> str:
    """Mean ± standard deviation."""
    deviation = row[f"std{suffix}"]
    return number(row[f"mean{suffix}"], f",.{digits}f") + (
        "" if math.isnan(deviation) else f" ± {deviation:,.{digits}f}"
    )


def change(row: dict, digits: int, suffix: str = "") -> str:
    """A difference and its interval, that with one digit less: ``-3.63 (-9.9 to 2.6)``.

    Of compared logarithms the quotient and its interval: ``+3.10, error x 0.52 (0.41 to 0.66)``.
    """
    low, high = row[f"delta_low{suffix}"], row[f"delta_high{suffix}"]
    fewer = max(0, digits - 1)
    interval = "" if math.isnan(low) else f" ({low:,.{fewer}f} to {high:,.{fewer}f})"
    if not math.isnan(row[f"ratio{suffix}"]):
        ratio, *limits = (row[f"ratio{end}{suffix}"] for end in ("", "_low", "_high"))
        interval = f", error × {ratio:.3g}" + ("" if math.isnan(limits[0]) else " ({:.2g} to {:.2g})".format(*limits))
    return number(row[f"delta{suffix}"], f"+,.{digits}f") + interval


def cells(table: pd.DataFrame, by: list[str], metric: str = "test_accuracy") -> tuple[list[str], list[list[str]]]:
    """Header and rows of a summarised table; columns about a baseline or the literature only where there is one."""
    percent = is_fraction(metric)
    digits = decimals(table["mean"], percent)
    columns: dict[str, Callable[[dict], str]] = {key: partial(shown_entry, key) for key in by}
    columns |= {
        "n": count,
        label(metric): lambda row: spread(row, digits),
        "95 % interval": lambda row: interval(row["ci_low"], row["ci_high"], digits),
    }
    if table["delta"].notna().any():
        columns["Δ baseline (95 %)"] = lambda row: change(row, digits)
        columns["p"] = lambda row: number(row["p_value"], ".2g")
    if table["published"].notna().any():
        columns["published %"] = lambda row: number(row["published"], ".2f")
    forms = {"passes": "g", "gradient_evaluations": ",.0f", "seconds": ".0f"}
    names = {"gradient_evaluations": "gradient evals"}
    columns |= {names.get(cost, cost): partial(shown_number, cost, forms[cost]) for cost in COSTS if cost != metric}
    return list(columns), [[show(row) for show in columns.values()] for row in table.to_dict("records")]


def side_cells(
    table: pd.DataFrame, by: list[str], values: list[str], metric: str = "test_accuracy"
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table side by side, ``values`` being the columns' values, the reference first."""
    means = pd.concat([table[f"mean {value}"] for value in values])
    digits = decimals(means, is_fraction(metric))
    columns: dict[str, Callable[[dict], str]] = {key: partial(shown_entry, key) for key in by}
    for value in values:
        suffix = f" {value}"
        columns[f"{value or UNKNOWN}: {label(metric)}"] = partial(shown_side, digits, suffix)
    for value in values[1:]:
        suffix = f" {value}"
        against = f"{value or UNKNOWN} - {values[0] or UNKNOWN}"
        columns[f"{against} (95 %)"] = partial(change, digits=digits, suffix=suffix)
        columns["p" if len(values) == 2 else f"p {value}"] = partial(shown_number, f"p_value{suffix}", ".2g")
    return list(columns), [[show(row) for show in columns.values()] for row in table.to_dict("records")]


def to_terminal(page: Page, width: int = WIDTH) -> str:
    """A table drawn with lines, its claims and its paragraphs under it."""
    notes = Text("\n".join(page.paragraphs))
    shown = Table(title=Text(page.title), caption=notes, caption_justify="left", title_justify="left")
    for index, name in enumerate(page.header):
        group = index < page.left
        shown.add_column(Text(name), justify="left" if group else "right", no_wrap=not group, overflow="fold")
    for row in page.rows:
        shown.add_row(*map(Text, row))
    judged = Table(title="Claims", title_justify="left")
    for name in claims.HEADER:
        judged.add_column(name, overflow="fold")
    for row in claims.cells(page.findings):
        judged.add_row(*map(Text, row))
    buffer = io.StringIO()
    console = Console(file=buffer, width=width)
    console.print(shown)
    if page.findings:
        console.print(judged)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def markdown_table(header: list[str], rows: list[list[str]], left: int) -> list[str]:
    """The lines of a Markdown table whose first ``left`` columns are aligned to the left."""

    def line(texts: list[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

    rule = "|" + "---|" * left + "---:|" * (len(header) - left)
    return [line(header), rule, *map(line, rows)]


def to_markdown(page: Page) -> str:
    """A Markdown page."""
    lines = [f"# {page.title}", "", *markdown_table(page.header, page.rows, page.left)]
    if page.findings:
        rows = claims.cells(page.findings)
        lines += ["", "## Claims", "", *markdown_table(claims.HEADER, rows, len(claims.HEADER)), "", "## Notes"]
    for paragraph in page.paragraphs:
        lines += ["", paragraph]
    return "\n".join(lines) + "\n"


def to_csv(page: Page) -> str:
    """The numbers, in as many digits as machines agree about; notes are left out."""
    return page.table.to_csv(index=False, lineterminator="\n", float_format="%.8g")


def escape(word: str) -> str:
    """A text with everything escaped that LaTeX would take for its own."""
    return "".join(LATEX.get(sign, sign) for sign in word)


def to_latex(page: Page) -> str:
    """A LaTeX table with booktabs rules; the paragraphs stand under it in small print."""

    def line(texts: list[str]) -> str:
        # A minus sign between words is a hyphen, before a number it is mathematics.
        return " & ".join(re.sub(r"(?<![\w-])-(?=\d)", "$-$", escape(text)) for text in texts) + r" \\"

    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(page.title)}}}",
        rf"\begin{{tabular}}{{{'l' * page.left}{'r' * (len(page.header) - page.left)}}}",
        r"\toprule",
        line(page.header),
        r"\midrule",
        *map(line, page.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    judged = [f"{sentence} {estimate}: {verdict}." for sentence, estimate, verdict, _ in claims.cells(page.findings)]
    if notes := [*judged, *page.paragraphs]:
        lines += ["", r"\medskip", r"\begin{minipage}{\linewidth}", r"\footnotesize"]
        lines += ["\n\n".join(map(escape, notes)), r"\end{minipage}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


FORMATS: dict[str, Callable[[Page], str]] = {
    "terminal": to_terminal,
    "md": to_markdown,
    "csv": to_csv,
    "latex": to_latex,
}


def check_format(form: str) -> None:
    """Raise ``ValueError`` unless ``form`` is one of :data:`FORMATS`."""
    if form not in FORMATS:
        raise ValueError(f"--format {form} is unknown; {nearest(form, FORMATS)}")


def render(page: Page, form: str) -> str:
    """The page in one of :data:`FORMATS`.

    Raises:
        ValueError: there is no such format.
    """
    check_format(form)
    return FORMATS[form](page)


def printable(text: str) -> str:
    """A text as the terminal can show it: what its encoding lacks becomes a question mark."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def show(page: Page, form: str = "terminal") -> None:
    """Print the page, as wide as the terminal is."""
    if form == "terminal" and sys.stdout.isatty():
        print(printable(to_terminal(page, Console().width)), end="")
    else:
        print(printable(render(page, form)), end="")
