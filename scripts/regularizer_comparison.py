"""Every regulariser in both regimes: ``--help`` tells what it asks, how to run it and what to expect."""

import sys
from functools import partial

from fbgd.studies import built_in

main = partial(built_in.main, "regularizer_comparison")

if __name__ == "__main__":
    sys.exit(main())
