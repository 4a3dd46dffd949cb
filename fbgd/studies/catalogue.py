"""Where the built-in studies are, and what their command lines must know of them before they are imported."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fbgd.studies.study import Study

FOLDER = Path(__file__).parent


class Flag(NamedTuple):
    """How an option of a study's own is called, without dashes, its value in the help, and a line about it."""

    name: str
    metavar: str
    help: str


AUGMENT = Flag(
    "augment",
    "none|random|10x|40x",
    "the paper's other tables: no augmentation, fresh draws, or a fixed set k times as large "
    "(default: random for cifar10, none for the others)",
)
BUDGET = Flag("budget", "SHARE", "so much of all passes, warm-ups and horizons, as 0.05 (default: all)")
PASSES = Flag("budget", "SHARE", "so much of all passes and warm-ups, as 0.05 (default: all)")
DECAY = Flag("decay", "none|tuned", "weight decay: none for anyone (the default), or chosen for each")
MODEL = Flag("model", "NAME", "another model than the data set's usual one")
DRAWS = Flag("draws", "shared|fresh", "whether all seeds share one draw of data and label noise, or have their own")


@dataclass(frozen=True)
class Entry:
    """A built-in study that need not be imported.

    Args:
        key: as in its ``study.json``: its name, after its family's where it has one.
        module: below ``fbgd.studies``, with the value ``STUDY``; its docstring is the study's help.
        options: of its own on the command line.
    """

    key: str
    module: str
    options: tuple[Flag, ...] = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self.key.rpartition("/")[2]

    @property
    def program(self) -> str:
        """The name of its script: its family's, or its own."""
        return self.key.partition("/")[0]

    @property
    def about(self) -> str:
        """What it asks, how to run it and what to expect."""
        return docstring(FOLDER / f"{self.module.replace('.', '/')}.py")

    def load(self) -> "Study":
        """The study; its module is imported here."""
        return import_module(f"fbgd.studies.{self.module}").STUDY


class Catalogue(Mapping[str, "Study"]):
    """Studies by key, each of which is imported when it is looked up.

    Args:
        entries: all of them, in their order in the documentation.
    """

    def __init__(self, entries: Iterable[Entry]):
        self.entries = {entry.key: entry for entry in entries}

    def __getitem__(self, key: str) -> "Study":
        return self.entries[key].load()

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def of_program(self, name: str) -> list[Entry]:
        """The studies that one script runs."""
        return [entry for entry in self.entries.values() if entry.program == name]


def docstring(path: Path) -> str:
    """What a module says of itself, read without importing it."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
