"""The findings as a file of numbers and as a page."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from fbgd.runs.directory import write_atomically
from fbgd.studies.gpu_check.check import Check

Sections = Mapping[str, Sequence[Check]]


def file_name(device: str) -> str:
    """A device's name as that of a file.

    >>> file_name("NVIDIA H100 80GB HBM3")
    'nvidia-h100-80gb-hbm3'
    """
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def verdict(check: Check) -> str:
    """What is said of a check in one word."""
    if not check.made:
        return "not made"
    if check.bound is None:
        return ""
    return "passed" if check.passed else "FAILED"


def told(value: float) -> str:
    """A number with four digits."""
    return "–" if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def page(device: str, about: Mapping[str, object], sections: Sections) -> str:
    """The page in Markdown: what was checked, a table a section.

    Args:
        device: its name.
        about: what the numbers were made with.
        sections: checks by heading.
    """
    every = [check for checks in sections.values() for check in checks]
    bounded = [check for check in every if check.bound is not None]
    passed = sum(check.passed for check in bounded)
    lines = [f"# {device}", "", f"{passed} of {len(bounded)} checks passed.", ""]
    lines += [f"- {key}: {value}" for key, value in about.items()]
    for heading, checks in sections.items():
        lines += ["", f"## {heading}", "", "| what | measured | bound | | |", "|---|---|---|---|---|"]
        lines += [f"| {check.name} | {told(check.value)} | {'' if check.bound is None else told(check.bound)} | "
                  f"{verdict(check)} | {check.note.replace('|', '/')} |" for check in checks]  # fmt: skip
        if not checks:
            lines.append("| nothing | | | | |")
    return "\n".join(lines) + "\n"


def write(folder: Path, device: str, about: Mapping[str, object], sections: Sections) -> list[Path]:
    """Write ``<device>.json`` and ``<device>.md``; their paths."""
    stem = folder / file_name(device)
    checks = {
        heading: [{**asdict(check), "value": None if math.isnan(check.value) else check.value, "passed": check.passed}
                  for check in own]
        for heading, own in sections.items()
    }  # fmt: skip
    files = {".json": json.dumps({"device": device, **about, "sections": checks}, indent=2) + "\n",
             ".md": page(device, about, sections)}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_suffix(ending) for ending in files]
    for path, text in zip(paths, files.values(), strict=True):
        write_atomically(path, text)
    return paths
