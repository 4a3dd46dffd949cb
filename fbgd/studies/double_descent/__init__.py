"""Deep double descent (Nakkiran et al. 2019), and whether it needs stochasticity: one figure a call.

    python scripts/double_descent.py model_wise             MNIST-1D, the MLP of its notebook, 5 seeds
    python scripts/double_descent.py model_wise --model strided_cnn
    python scripts/double_descent.py model_wise --draws fresh --seeds 10    every seed on data of its own
    python scripts/double_descent.py stochasticity --seeds 5
    python scripts/double_descent.py model_wise data=cifar10 --model cnn5 --list     the published settings, for a GPU
    python scripts/double_descent.py sample_wise --quick    under a minute, to see that everything runs

Figures share their runs: heatmap and epoch_wise need no run that model_wise has not made, and a finished run is never
computed again. Results go to results/double_descent/<figure>_<data>_<model>/: table.md with the claims, table.csv,
measurements.csv (a row a run, or an evaluation), runs.csv and figure.png. Words like optimizer.lr=0.02 change all runs,
and get a folder of their own.
"""
