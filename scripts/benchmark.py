"""Speed of the engine, as ratios measured side by side: ``--help`` tells how to run it."""

import sys

from fbgd.studies.benchmark.command import main

if __name__ == "__main__":
    sys.exit(main())
