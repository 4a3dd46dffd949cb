"""Edge of stability: where the sharpness goes while a network trains. One figure a call.

    python scripts/edge_of_stability.py sharpness     every optimizer, SGD, clipping, penalty; some twenty minutes
    python scripts/edge_of_stability.py flow          the distance of descent from the gradient flow; seven minutes
    python scripts/edge_of_stability.py central_flow  descent at its edge beside the central flow; some minutes
    python scripts/edge_of_stability.py flow --quick  under a minute, to see that everything runs
    python scripts/edge_of_stability.py sharpness --list

Descent with step size h is stable along an eigenvector of the Hessian while its eigenvalue is below 2 / h; momentum,
Adam's metric, clipping, penalties and blocks move that threshold. Results go to
results/edge_of_stability/<figure>_<data>/: table.md with the claims, table.csv, measurements.csv and figure.png.
"""
