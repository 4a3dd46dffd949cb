"""A step on several processes: measured, projected to more, told and drawn."""

import json
from pathlib import Path

import torch

from fbgd.errors import ConfigError
from fbgd.report.plots import UNDATED, save
from fbgd.runs.directory import write_atomically
from fbgd.runs.provenance import environment
from fbgd.studies.benchmark.ranks import measured_on
from fbgd.studies.benchmark.ranks_page import as_markdown, content, draw, rows


def scale(ranks: int, quick: bool, file: Path | None, figure: Path | None) -> int:
    """Measure a step on ``ranks`` processes, project it to more, print the table, and write what is asked for.

    Raises:
        ConfigError: a number or an ending is outside its range.
    """
    if ranks < 2:
        raise ConfigError(f"--ranks {ranks} is outside the valid range: 2 or more")
    if figure is not None and figure.suffix not in UNDATED:
        raise ConfigError(f"--figure {figure} does not end in one of {', '.join(UNDATED)}")
    torch.manual_seed(0)
    measured = measured_on(ranks, quick)
    print(as_markdown(rows(measured)), end="")
    if file is not None:
        write_atomically(file, json.dumps({**content(measured), **environment()}, indent=2) + "\n")
    if figure is not None:
        save(draw(measured), figure)
    return 0
