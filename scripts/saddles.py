"""Saddles, one figure a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import command, saddles

main = partial(command.main, saddles.STUDIES, about=saddles.__doc__)

if __name__ == "__main__":
    sys.exit(main())
