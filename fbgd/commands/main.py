"""The command ``fbgd``, which knows all others and loads none of them but the one that is asked for."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from fbgd import __version__
from fbgd.errors import ConfigError, check_packages, nearest
from fbgd.programs import PROGRAMS, Program


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    words = list(sys.argv[1:] if words is None else words)
    if not words or words[0] in ("-h", "--help"):
        print(overview(), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        print(f"fbgd {__version__}")
        return 0
    name, *rest = words
    try:
        if name not in PROGRAMS:
            raise ConfigError(f"fbgd {name} is unknown; {nearest(name, PROGRAMS)}")
        check_packages()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return find_main(PROGRAMS[name])(rest, prog=f"fbgd {name}")


def overview() -> str:
    """What ``fbgd --help`` says."""
    lines = [f"  {name:<23}{program.about}" for name, program in PROGRAMS.items()]
    return "\n".join(
        [
            "usage: fbgd COMMAND [options] [key=value ...]",
            "",
            "What does stochastic training do that full-batch training does not, and what replaces it?",
            "",
            *lines,
            "",
            "fbgd COMMAND --help tells the words and options of a command, fbgd --version the version. Everything is",
            "written below the current folder, to runs/ and results/.",
        ]
    )


def find_main(program: Program) -> Callable[..., int]:
    """The function ``(words, prog) -> exit status`` of a command; its module is imported here."""
    if program.module:
        return import_module(program.module).main
    return partial(import_module("fbgd.studies.built_in").main, program.script)


if __name__ == "__main__":
    sys.exit(main())
