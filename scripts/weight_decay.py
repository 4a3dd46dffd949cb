"""Weight decay, one figure a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import command, weight_decay

main = partial(command.main, weight_decay.STUDIES, about=weight_decay.__doc__)

if __name__ == "__main__":
    sys.exit(main())
