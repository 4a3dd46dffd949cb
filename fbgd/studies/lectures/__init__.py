"""Lecture figures: what a textbook says of optimizers, measured with this repository's. One figure a call.

    python scripts/lectures.py surfaces      paths of all optimizers on four classical surfaces; seconds
    python scripts/lectures.py valley        momentum and Nesterov against their closed-form rates; seconds
    python scripts/lectures.py adagrad       a learning rate that dies, and what it costs; seconds
    python scripts/lectures.py epsilon       Adam's epsilon, from signs to gradients; seconds

Results go to results/lectures/<figure>_<functions>/: table.md with the claims, table.csv, measurements.csv, figure.png.
"""
