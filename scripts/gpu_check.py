"""What a GPU does with this code: ``--help`` tells how to run it."""

import sys

from fbgd.studies.gpu_check.command import main

if __name__ == "__main__":
    sys.exit(main())
