"""The edge of stability, one figure a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import command, edge_of_stability

main = partial(command.main, edge_of_stability.STUDIES, about=edge_of_stability.__doc__)

if __name__ == "__main__":
    sys.exit(main())
