"""Numbers in prose: every one is quoted from the ``claims.csv`` of a study's folder, with the verdict it rests on.

    the fall is <!--claim geiping_ladder/mnist1d :: full batch falls short :: :: supported-->-52.41 (-66.67 to
    -38.14)<!--/--> points

is read by people as "the fall is -52.41 (-66.67 to -38.14) points". Folder below ``results/``, claim, case (empty where
there is one only), verdict. ``python tests/support/quotes.py`` writes the numbers and tables of all documents anew from
the files of results, and names the quotes whose verdict is another one now, since there the words have to change too.
"""

import re
from functools import lru_cache
from pathlib import Path

from files import ROOT

from fbgd.report.claims import Finding, read_findings

# No vertical bar: it would end a cell of a table.
QUOTE = re.compile(r"<!--claim (.+?) ::(.+?) ::(.*?) ::(.+?)-->(.*?)<!--/-->", re.DOTALL)
TABLE = re.compile(r"(<!-- (results/\S+/table\.md) -->\n)(.*?)(\n\n|\Z)", re.DOTALL)
# ``3.1 (0.4 to 5.8)`` and the like: a number with an interval.
INTERVAL = re.compile(r"\(-?[\d.]+ to -?[\d.]+[);,]")


def documents() -> list[Path]:
    """All documents with prose about results."""
    essays = (path for path in (ROOT / "results").rglob("README.md") if not {"runs", "quick"} & set(path.parts))
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(essays)]


@lru_cache
def findings(folder: str) -> tuple[Finding, ...]:
    """The findings of a study's folder below ``results/``."""
    return tuple(read_findings(ROOT / "results" / folder / "claims.csv"))


def finding(folder: str, claim: str, case: str) -> Finding:
    """A finding by its folder, its claim's name and its case.

    Raises:
        ValueError: there is none, with all that there are.
    """
    known = findings(folder)
    for own in known:
        if (own.claim, own.case) == (claim, case):
            return own
    raise ValueError(f"{folder} has no claim {claim!r} | {case!r}; {[(own.claim, own.case) for own in known]}")


def requoted(text: str) -> tuple[str, list[str]]:
    """The text with all numbers as the findings have them, and what is wrong with the verdicts."""
    wrong = []

    def renewed(match: re.Match) -> str:
        folder, claim, case, verdict = (part.strip() for part in match.groups()[:4])
        own = finding(folder, claim, case)
        if own.verdict != verdict:
            wrong.append(f"{folder} | {claim} | {case}: {own.estimate} is {own.verdict}, the words say {verdict}")
        start, end = match.span(5)
        # Lines may be broken anywhere in a number.
        said = match[5] if " ".join(match[5].split()) == own.estimate else own.estimate
        return match[0][: start - match.start()] + said + match[0][end - match.start() :]

    return QUOTE.sub(renewed, text), wrong


def first_table(page: Path) -> str:
    """The first table of a page: a second one may follow, of claims."""
    lines = page.read_text().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("|"))
    end = next((index for index in range(start, len(lines)) if not lines[index].startswith("|")), len(lines))
    return "\n".join(lines[start:end])


def with_tables(text: str) -> str:
    """The text with every table under a marker that names a page of results as that page has it."""
    return TABLE.sub(lambda match: f"{match[1]}{first_table(ROOT / match[2])}{match[4]}", text)


def unquoted(text: str) -> list[str]:
    """Intervals of a document's prose that are no quotes; tables, code and the rows of results are left out."""
    prose = "\n".join(line for line in QUOTE.sub("", text).splitlines() if not line.startswith("|"))
    prose = re.sub(r"```.*?```", "", prose, flags=re.DOTALL)
    return [prose[max(0, found.start() - 60) : found.end()] for found in INTERVAL.finditer(prose)]


if __name__ == "__main__":
    for path in documents():
        text, wrong = requoted(path.read_text())
        path.write_text(with_tables(text))
        for line in wrong:
            print(f"{path.relative_to(ROOT)}: {line}")
