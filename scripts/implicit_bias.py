"""The implicit bias of descent, one figure a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import command, implicit_bias

main = partial(command.main, implicit_bias.STUDIES, about=implicit_bias.__doc__)

if __name__ == "__main__":
    sys.exit(main())
