"""Minima of small and large batches: ``--help`` says what is compared."""

import sys
from functools import partial

from fbgd.studies import command, minima

main = partial(command.main, minima.STUDY)

if __name__ == "__main__":
    sys.exit(main())
