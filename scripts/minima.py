"""Minima of small and large batches: ``--help`` says what is compared."""

import sys
from functools import partial

from fbgd.studies import built_in

main = partial(built_in.main, "minima")

if __name__ == "__main__":
    sys.exit(main())
