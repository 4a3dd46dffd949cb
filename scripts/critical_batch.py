"""The critical batch size: ``--help`` says what is measured."""

import sys
from functools import partial

from fbgd.studies import command, critical_batch

main = partial(command.main, critical_batch.STUDY)

if __name__ == "__main__":
    sys.exit(main())
