"""Bias and variance of networks over their width, and of random features in closed form: ``--help`` says more."""

import sys
from functools import partial

from fbgd.studies import built_in

main = partial(built_in.main, "bias_variance")

if __name__ == "__main__":
    sys.exit(main())
