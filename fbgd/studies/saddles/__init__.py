"""Saddles: what leaves them, how fast, and whether training is held up there. One figure a call.

    python scripts/saddles.py escape           a quadratic saddle: measured steps against closed forms; seconds
    python scripts/saddles.py octopus          a chain of saddles (Du et al. 2017); seconds
    python scripts/saddles.py network          the Hessian's index of a small network on MNIST-1D; minutes
    python scripts/saddles.py network --quick  under a minute, to see that everything runs

Results go to results/saddles/<figure>_<data>/: table.md with the claims, table.csv, measurements.csv, figure.png, and
runs.csv where networks are trained.
"""
