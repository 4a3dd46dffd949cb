"""The probed ladder: ``--help`` tells what it asks, how to run it and what to expect."""

import sys
from functools import partial

from fbgd.studies import command
from fbgd.studies.ladder_probed import STUDY

main = partial(command.main, STUDY)

if __name__ == "__main__":
    sys.exit(main())
