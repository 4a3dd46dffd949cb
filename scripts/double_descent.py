"""Deep double descent, one figure a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import command, double_descent

main = partial(command.main, double_descent.STUDIES, about=double_descent.__doc__)

if __name__ == "__main__":
    sys.exit(main())
