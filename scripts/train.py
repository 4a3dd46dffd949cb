"""Train one network: ``--help`` tells how."""

import sys

from fbgd.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
