"""``--metric`` of a study's command line: whether its runs will have the column, before any of them is made."""

from collections.abc import Sequence

from fbgd.config.compose import compose
from fbgd.config.overrides import Override
from fbgd.errors import ConfigError, nearest
from fbgd.report.gaps import GAPS
from fbgd.report.several import names_of
from fbgd.runs.plan import Rung, rung_words
from fbgd.runs.rows import MEASURED, REGRESSION, SCORE


def check_metric(metrics: str | None, rungs: Sequence[Rung], overrides: list[Override]) -> None:
    """Raise :class:`ConfigError` unless every run can have these columns.

    Args:
        metrics: ``a,b``; ``None``: the study's own page is asked for.
        rungs: all settings.
        overrides: the user's words for all of them.
    """
    for name in names_of(metrics):
        if name not in (*MEASURED, *REGRESSION, *GAPS) and not SCORE.fullmatch(name):
            raise ConfigError(f"--metric {name} is unknown; {nearest(name, (*MEASURED, *GAPS))}")
    for name in names_of(metrics):
        for rung in rungs if name in GAPS else ():
            if not compose(rung_words(rung, overrides)).record.train:
                raise ConfigError(
                    f"--metric {name}: {rung.name} does not evaluate its training set; add record.train=true, and "
                    "--out DIR where its runs are done already"
                )
