"""Deep double descent, one figure a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import built_in

main = partial(built_in.main, "double_descent")

if __name__ == "__main__":
    sys.exit(main())
