"""Bias and variance: of networks, by training them on disjoint parts of the data, and of random features exactly.

    python scripts/bias_variance.py networks           MNIST-1D, a small MLP, 4 procedures, 7 widths, 10 repetitions
    python scripts/bias_variance.py networks data=digits
    python scripts/bias_variance.py random_features    the closed form, a minute or two
    python scripts/bias_variance.py networks --quick   under a minute, to see that everything runs

Results go to results/bias_variance/<figure>_<data>/: table.md with the claims, table.csv, measurements.csv (a row a
setting and repetition), runs.csv and figures.
"""
