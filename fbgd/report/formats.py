"""A table with its notes as a page: in the terminal, as Markdown, CSV, LaTeX or HTML."""

import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fbgd.errors import nearest
from fbgd.report import claims
from fbgd.report.claims import Finding
from fbgd.report.web_page import document
from fbgd.report.width import Grid, fit

WIDTH = 160
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


def to_terminal(page: Page, width: int = WIDTH) -> str:
    """A table drawn with lines, its claims and its paragraphs under it."""
    grid, sentence = fit(Grid(page.header, page.rows, page.left), width)
    notes = Text("\n".join([*page.paragraphs, *filter(None, [sentence])]))
    shown = Table(title=Text(page.title), caption=notes, caption_justify="left", title_justify="left")
    for index, name in enumerate(grid.header):
        group = index < grid.left
        shown.add_column(Text(name), justify="left" if group else "right", no_wrap=not group, overflow="fold")
    for row in grid.rows:
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


def to_html(page: Page) -> str:
    """A single HTML file without scripts."""
    tables = [("", page.header, page.rows, page.left)]
    if page.findings:
        tables.append(("Claims", claims.HEADER, claims.cells(page.findings), len(claims.HEADER)))
    return document(page.title, tables, page.paragraphs)


FORMATS: dict[str, Callable[[Page], str]] = {
    "terminal": to_terminal,
    "md": to_markdown,
    "csv": to_csv,
    "latex": to_latex,
    "html": to_html,
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
