"""The implicit bias of descent: the modified loss that it follows, measured. One figure a call.

    python scripts/implicit_bias.py order       errors of a pass against the flows over the step size
    python scripts/implicit_bias.py meter       the penalty that explains the drift, of GD, SGD and other optimizers
    python scripts/implicit_bias.py strength    a small rate with an explicit penalty against a large rate
    python scripts/implicit_bias.py order --quick    under a minute, to see that everything runs

The first two train nothing: they measure single passes in float64. Results go to
results/implicit_bias/<figure>_<data>/: table.md with the claims, table.csv, measurements.csv, runs.csv and figure.png.
"""
