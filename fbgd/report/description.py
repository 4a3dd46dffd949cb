"""``study.json``: what a study's table is made of beside its runs, so that any reader makes the same table."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_origin

from fbgd.errors import nearest

MEND = "run the study again, which makes it anew from its runs"


@dataclass(frozen=True)
class Description:
    """How a study's runs become its table.

    Args:
        title: of table and figures.
        by: the columns that the table groups by.
        study: the name of the built-in study whose code makes the page; empty for none.
        baseline: the row that differences are taken to, as values of some of these columns; empty for none.
        metric: the compared metric.
        across: the column whose values stand side by side, the baseline's first; empty for a row a group.
        shown: settings that stand in a column of their own, because each group has its own value.
        published: values from the literature; of a table by groups in percent: the group, ``mean``, ``std``,
            ``confirmed``.
        source: where they are from.
        overrides: what was changed about all rungs.
        paragraphs: what else a reader of the table must know.
        definition: of a study that no code defines: the content of its file, or of its sweep; empty for all others.
    """

    title: str
    by: list[str]
    study: str = ""
    baseline: dict[str, str] = field(default_factory=dict)
    metric: str = "test_accuracy"
    across: str = ""
    shown: list[str] = field(default_factory=list)
    published: list[dict] = field(default_factory=list)
    source: str = ""
    overrides: list[str] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    definition: dict = field(default_factory=dict)

    def published_means(self, by: list[str], metric: str) -> dict[tuple[str, ...], float]:
        """The published means by group; none where groups or metric are not the published ones."""
        if by != self.by or metric != self.metric:
            return {}
        return {tuple(entry["group"]): entry["mean"] for entry in self.published if "group" in entry}


def to_json(description: Description) -> str:
    """The content of ``study.json``."""
    content = asdict(description)
    if not description.definition:
        del content["definition"]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read_description(path: Path) -> Description | None:
    """Read ``study.json``; ``None`` where there is none.

    Raises:
        ValueError: the file is damaged, or has other keys.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}; {MEND}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it holds no keys and values; {MEND}")
    kinds: dict[str, Any] = {entry.name: get_origin(entry.type) or entry.type for entry in fields(Description)}
    for key, value in content.items():
        if key not in kinds:
            raise ValueError(f"{path}: {key!r} is unknown; {nearest(key, kinds)}")
        if not isinstance(value, kinds[key]):
            raise ValueError(f"{path} is damaged: {key} is {value!r}; {MEND}")
    if absent := [key for key in ("title", "by") if key not in content]:
        raise ValueError(f"{path} is damaged: it has no {absent[0]}; {MEND}")
    return Description(**content)
