"""One interactive page of any studies: ``--help`` tells how."""

import sys

from fbgd.commands.report import main

if __name__ == "__main__":
    sys.exit(main())
