"""One table of any runs: ``--help`` tells how."""

import sys

from fbgd.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
