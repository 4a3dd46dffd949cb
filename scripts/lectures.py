"""Lecture figures, one a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import built_in

main = partial(built_in.main, "lectures")

if __name__ == "__main__":
    sys.exit(main())
