"""The groups of the configuration and their built-in choices, as the files in ``conf/`` have them."""

from pathlib import Path

FOLDER = Path(__file__).parent / "conf"
GROUPS = tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))


def choices(group: str) -> list[str]:
    """The names that ``group=NAME`` may take."""
    return sorted(path.stem for path in (FOLDER / group).glob("*.yaml"))
