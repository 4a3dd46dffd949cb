"""Bias and variance of networks over their width, and of random features in closed form: ``--help`` says more."""

import sys
from functools import partial

from fbgd.studies import bias_variance, command

main = partial(command.main, bias_variance.STUDIES, about=bias_variance.__doc__)

if __name__ == "__main__":
    sys.exit(main())
