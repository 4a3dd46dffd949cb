"""From a study's evidence to its folder, and the page printed: the one writer of all studies."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fbgd.report.claims import CLAIMS, claims_page, to_csv
from fbgd.report.description import Description, to_json
from fbgd.report.evidence import Evidence, read_evidence
from fbgd.report.formats import Page, render, show
from fbgd.report.pages import page_of
from fbgd.report.paper import Copies, on_paper
from fbgd.report.plots import save
from fbgd.runs.directory import remove_leftovers, write_atomically
from fbgd.runs.lock import held
from fbgd.runs.rows import with_result
from fbgd.studies.study import Study

# Enough digits for every statistic, and few enough that a file of a thousand evaluations stays readable.
DIGITS = "%.8g"
RESULTS = Path("results")
PNG = Copies()


def whole(page: Page) -> Page:
    """A page as it is."""
    return page


def write(
    study: Study,
    evidence: Evidence,
    out: Path,
    shown: Callable[[Page], Page] = whole,
    also: Copies = PNG,
    *,
    quiet: bool = False,
) -> bool:
    """Write and print everything that a study's evidence shows.

    Files that an earlier call wrote from more finished runs are kept: then the page is printed only.

    Args:
        study: how it is summarised, judged and drawn.
        evidence: what there is; with the recorded rows of its runs, for figures.
        out: the folder.
        shown: what of the page is printed; files have all of it.
        also: what figures are written as beside PNG.
        quiet: print nothing.

    Returns:
        Whether no run has failed.
    """
    succeeded = "status" not in evidence.runs or not (evidence.runs["status"] == "failed").any()
    before = results_in(out)
    if (now := results_of(evidence)) < before:
        note = f"Only printed: {out}/ holds the page of {before} results, and these are {now}."
        if not quiet:
            printed(shown(page_of(evidence, study.recipe)), note)
        return succeeded
    out.mkdir(parents=True, exist_ok=True)
    with held(out, "is writing this study's page"):
        remove_leftovers(out)
        page, names = write_files(study, evidence, out, also)
    if not quiet:
        printed(shown(page), f"Written to {out}/: {', '.join(names)}")
    return succeeded


def write_files(study: Study, evidence: Evidence, out: Path, also: Copies) -> tuple[Page, list[str]]:
    """Write all files of a study's folder; returns the page and the files' names."""
    names = write_numbers(evidence, out)
    # From the files, so that whoever reads them makes the same page.
    kept = replace(read_evidence(out, evidence.description), curves=evidence.curves)
    page = page_of(kept, study.recipe)
    names += write_page(study, page, out)
    if not kept.empty:
        kept = replace(kept, table=page.table)
        for name, draw in study.figures.items():
            for kind, columns in dict.fromkeys([PNG, also]):
                with on_paper(columns):
                    if (figure := draw(kept)) is not None:
                        names.append(f"{Path(name).stem}.{kind}")
                        save(figure, out / names[-1])
    return page, names


def results_of(evidence: Evidence) -> int:
    """How many results there are: finished runs, searched ones too, or measurements where nothing is trained."""
    tables = [table for table in (evidence.runs, evidence.searched) if "status" in table]
    return sum(map(with_result, tables)) if tables else len(evidence.measurements)


def results_in(out: Path) -> int:
    """How many results a study's folder holds; none where it is new or no reader understands it."""
    try:
        return results_of(read_evidence(out))
    except (ValueError, OSError):
        return 0


def write_numbers(evidence: Evidence, out: Path) -> list[str]:
    """Write what the page is made of; returns the files' names."""
    contents = {"study.json": to_json(evidence.description)}
    for name, table, digits in (
        ("runs.csv", evidence.runs, None),
        ("measurements.csv", evidence.measurements, DIGITS),
        ("search.csv", evidence.searched, None),
    ):
        if len(table):
            contents[name] = table.to_csv(index=False, float_format=digits)
    for name, content in contents.items():
        write_atomically(out / name, content)
    return list(contents)


def write_page(study: Study, page: Page, out: Path) -> list[str]:
    """Write a study's page and claims, and the claims of all studies anew; returns the files' names."""
    contents = {"table.csv": render(page, "csv"), "table.md": render(page, "md")}
    if study.claims:
        contents[CLAIMS] = to_csv(page.findings)
    for name, content in contents.items():
        write_atomically(out / name, content)
    update_claims(out)
    return list(contents)


def update_claims(out: Path) -> None:
    """Write ``results/claims.md`` anew when a study's folder lies below ``results/``, and is no ``--quick`` one."""
    inside = out.resolve().is_relative_to(RESULTS.resolve())
    if inside and out.resolve().relative_to(RESULTS.resolve()).parts[:1] != ("quick",):
        write_atomically(RESULTS / "claims.md", claims_page(RESULTS))


def printed(page: Page, note: str) -> None:
    """Print a page with a note at its end."""
    show(replace(page, paragraphs=[*page.paragraphs, note]))
    sys.stdout.flush()


def rewrite(study_of: Callable[[Description], Study], folder: Path) -> None:
    """Make the page of a study's folder anew from its files, without its runs; figures stay.

    Args:
        study_of: the study that a ``study.json`` is of.
        folder: of a study.

    Raises:
        ValueError: it is the folder of no study that is known.
    """
    evidence = read_evidence(folder)
    try:
        study = study_of(evidence.description)
    except ValueError as error:
        raise ValueError(f"{folder}/study.json: {error}") from None
    with held(folder, "is writing this study's page"):
        write_page(study, page_of(evidence, study.recipe), folder)
