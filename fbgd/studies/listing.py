"""What ``--list`` prints of a study, and which rows of its table ``--only`` leaves in sight."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fbgd.config.compose import compose
from fbgd.config.groups import GROUPS
from fbgd.config.overrides import overlay, parse
from fbgd.report.formats import Page
from fbgd.runs.plan import Rung
from fbgd.studies.request import Request


def show_rungs(rungs: list[Rung], request: Request) -> None:
    """Print what all settings share, and a table of what distinguishes them, with what was published and what is tuned.

    Only the first setting is composed, which shows a user's typing errors; the rest is read off the words.
    """
    settings = [
        {word.key: word.value for word in overlay(parse(rung.overrides), request.overrides, GROUPS)} for rung in rungs
    ]
    compose([f"{key}={value}" for key, value in settings[0].items()])
    shared = {key: value for key, value in settings[0].items() if all(own.get(key) == value for own in settings)}
    differing = dict.fromkeys(key for own in settings for key in own if key not in shared)
    columns = [key for key in differing if sum(key in own for own in settings) > len(settings) / 4]
    # Above the table, not in its width, which is that of names alone where a study has no words.
    title = "\n".join([request.title, *([f"all: {' '.join(map('='.join, shared.items()))}"] if shared else [])])
    table = Table()
    names = ["name", *columns, *(["more"] if len(columns) < len(differing) else [])]
    published = any(rung.published for rung in rungs)
    grids = tuned(request)
    for name in [*names, *(["published %"] if published else []), *(f"{key} from" for key in grids)]:
        table.add_column(name, overflow="fold", no_wrap=name in ("name", "published %"))
    for rung, own in zip(rungs, settings, strict=True):
        cells = [rung.name, *(own.get(key, "–") for key in columns)]
        if len(names) > len(cells):
            cells.append(" ".join(f"{key}={own[key]}" for key in differing if key in own and key not in columns))
        if published:
            cells.append("–" if rung.published is None else str(rung.published))
        cells += [", ".join(f"{value:g}" for value in grid.get(rung.name, ())) or "–" for grid in grids.values()]
        # A list of regularisers is no markup.
        table.add_row(*map(escape, cells))
    console = Console()
    console.width = max(console.width, 200)
    console.print(title, markup=False, highlight=False)
    console.print(table)


def tuned(request: Request) -> dict[str, dict[str, tuple[float, ...]]]:
    """The values that settings are chosen from, by setting and rung name; grids may grow beyond them."""
    grids = {}
    # Those studies that choose settings say from what.
    search: Any = request.study.execute
    while search is not None and hasattr(search, "candidates"):
        grids[search.key] = search.candidates(request.preset)
        search = search.then(request.preset) if hasattr(search, "then") else None
    return grids


def wanted_rows(wanted: Iterable[Mapping[str, str]], page: Page) -> Page:
    """The page with the rows of the wanted settings, and a word about the others.

    Args:
        wanted: labels of the settings.
        page: of all settings. A table that is not about single ones stays whole.
    """
    table = page.table
    labels = [label for label in next(iter(wanted), {}) if label in table]
    if not labels or len(table) != len(page.rows):
        return page
    groups = {tuple(setting[label] for label in labels) for setting in wanted}
    kept = [index for index, row in enumerate(table[labels].astype(str).to_numpy()) if tuple(row) in groups]
    if len(kept) in (0, len(page.rows)):
        return page
    note = f"Shown are the {len(kept)} rows of --only; the files have all {len(page.rows)}."
    rows = [page.rows[index] for index in kept]
    return replace(page, table=table.iloc[kept], rows=rows, paragraphs=[note, *page.paragraphs])
