"""Are the conclusions of these studies right as often as they say? By simulated studies, and by splitting real seeds.

    python scripts/calibration.py simulations            null and planted studies, trains nothing; half an hour
    python scripts/calibration.py choices                rates chosen by one search or by every seed; 10 minutes
    python scripts/calibration.py seeds                  two rungs of the Geiping ladder with 60 seeds, split
    python scripts/calibration.py simulations --quick    under a minute, to see that everything runs
    python scripts/calibration.py simulations --list     every scenario

A null study has rows of equal truth, so whatever its page tells apart is false; at most 5 % of the studies may do so.
A planted one has a row that is a point better, which should be found. Results go to
results/calibration/<figure>_<data>/: table.md with the claims, table.csv, measurements.csv (a row a simulated study, or
a small one), figure.png.
"""
