"""The critical batch size: ``--help`` says what is measured."""

import sys
from functools import partial

from fbgd.studies import built_in

main = partial(built_in.main, "critical_batch")

if __name__ == "__main__":
    sys.exit(main())
