"""A study of your own, in a YAML file: ``--help`` tells what is in it and how to run it."""

import sys

from fbgd.studies.study_file import main

if __name__ == "__main__":
    sys.exit(main())
