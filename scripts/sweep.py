"""Sweeps: ``--help`` tells their words, what is chosen and how, and where the results go."""

import sys

from fbgd.studies.sweep.command import main

if __name__ == "__main__":
    sys.exit(main())
