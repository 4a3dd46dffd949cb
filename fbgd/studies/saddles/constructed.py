"""What the studies on constructed functions share: no networks, so no words about them."""

import pandas as pd

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
from fbgd.runs.provenance import git_revision
from fbgd.studies.execution import Execution, Outcome
from fbgd.studies.request import science_words


def check_words(execution: Execution) -> None:
    """Refuse words that change an experiment, of which there is none.

    Raises:
        ConfigError: there are any.
    """
    compose(list(execution.overrides))
    if words := science_words(execution.overrides):
        raise ConfigError(f"{words[0]}: these functions are no networks, so there is no such setting")


def constructed(table: pd.DataFrame) -> Outcome:
    """The outcome of a study without runs."""
    return Outcome([], measurements=table.assign(git_revision=git_revision()), rungs=[])
