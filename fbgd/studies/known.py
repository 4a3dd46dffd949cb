"""The study that a ``study.json`` is of: a built-in one, or one that is defined there."""

from fbgd.errors import ConfigError, nearest
from fbgd.report.description import Description
from fbgd.report.pages import Recipe
from fbgd.studies import BUILT_IN
from fbgd.studies.study import Study
from fbgd.studies.study_content import make_study
from fbgd.studies.sweep.study import make_sweep


def study_of(description: Description) -> Study:
    """The study of a results folder.

    Raises:
        ConfigError: it is none of the built-in ones, and its definition is not there.
    """
    if "sweep" in description.definition:
        return make_sweep(description.definition)
    if description.definition:
        return make_study(description.study, description.definition)
    if description.study not in BUILT_IN:
        raise ConfigError(f"{description.study!r} is no built-in study; {nearest(description.study, BUILT_IN)}")
    return BUILT_IN[description.study]


def recipe_of(description: Description) -> Recipe | None:
    """What code adds to a ``study.json``; ``None`` for a study that some script of the user's defines."""
    known = description.definition or description.study in BUILT_IN
    return study_of(description).recipe if known else None
