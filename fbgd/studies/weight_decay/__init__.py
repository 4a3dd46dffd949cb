"""What weight decay is: a prior, and a partner of the training dynamics. One figure a call.

    python scripts/weight_decay.py map                  digits, 5 seeds, 5 minutes
    python scripts/weight_decay.py overparameterised    MNIST-1D, a ResNet that fits every label, 10 seeds, 20 minutes
    python scripts/weight_decay.py schedule             a small GPT on Python's own source, one pass, 3 seeds
    python scripts/weight_decay.py map --quick          under a minute, to see that everything runs
    python scripts/weight_decay.py map --list           every setting

Figures share their runs, and a finished run is never computed again. Results go to
results/weight_decay/<figure>_<data>/: table.md with the claims, table.csv, measurements.csv, runs.csv and figure.png.
Words like data.source.seed=1 change all runs, and get a folder of their own.
"""
