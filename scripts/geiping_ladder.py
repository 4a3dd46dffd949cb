"""The ladder of Geiping et al. 2022: ``--help`` tells what it asks, how to run it and what to expect."""

import sys
from functools import partial

from fbgd.studies import built_in

main = partial(built_in.main, "geiping_ladder")

if __name__ == "__main__":
    sys.exit(main())
