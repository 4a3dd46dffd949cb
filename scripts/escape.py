"""Escape from a minimum: ``--help`` says what is measured."""

import sys
from functools import partial

from fbgd.studies import command, escape

main = partial(command.main, escape.STUDY)

if __name__ == "__main__":
    sys.exit(main())
