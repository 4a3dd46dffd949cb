"""The command line of built-in studies, which is read before the study that it asks for is imported."""

from collections.abc import Sequence

from fbgd.studies import BUILT_IN
from fbgd.studies.arguments import make_parser
from fbgd.studies.catalogue import FOLDER, docstring


def main(program: str, words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line of a built-in study, or of a family of studies of which the first word chooses one.

    Args:
        program: a study's name, or a family's.
        words: the command line; ``None``: the process's own.
        prog: what the program is called; ``None``: by its script.

    Returns:
        The exit status, as of :func:`fbgd.studies.command.main`.
    """
    entries = BUILT_IN.of_program(program)
    about = entries[0].about if entries[0].key == program else docstring(FOLDER / program / "__init__.py")
    arguments = make_parser(entries, about, prog).parse_intermixed_args(words)
    figure = getattr(arguments, "figure", entries[0].name)
    entry = next(entry for entry in entries if entry.name == figure)
    # What runs studies takes seconds to import, and the help needs none of it.
    from fbgd.studies.command import execute, reported

    return reported(lambda: execute(entry.load(), arguments))
