r"""The smallest covariance that keeps curvatures under a bound: a semidefinite complementarity problem.

.. math:: S \succeq 0, \qquad A + \beta[S] \succeq 0, \qquad \langle S, A + \beta[S] \rangle = 0

These are the conditions of optimality of :math:`\min_{S \succeq 0} \tfrac12 \langle S, \beta[S] \rangle + \langle A, S
\rangle`, which is convex where :math:`\beta` is a Gram matrix.
"""

import numpy as np

# Of accelerated projected gradients, until a step changes the solution by less than this share.
TOLERANCE = 1e-10
STEPS = 20_000


def covariance(slack: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    r"""The symmetric matrix S (k, k) of the problem above with :math:`\beta[S]_{ij} = \tfrac12 \langle g_{ij},
    \sum_{kl} S_{kl} g_{kl} \rangle`.

    It is found by accelerated projected gradients that begin anew where they overshoot; a projection sets negative
    eigenvalues to 0.

    Args:
        slack: A (k, k), symmetric.
        slopes: the vectors g (k, k, D), symmetric in their first two axes.

    Source: Cohen et al. 2024, "Understanding Optimization in Deep Learning with Central Flows", for the problem;
    O'Donoghue & Candes 2015 for the restarts.

    >>> covariance(np.array([[-3.0]]), np.array([[[2.0, 0.0]]]))  # one direction: S = -A / (|g|^2 / 2)
    array([[1.5]])
    """
    size = len(slack)
    flat = slopes.reshape(size * size, -1)
    gram = flat @ flat.T / 2
    largest = float(np.linalg.eigvalsh(gram)[-1])
    if not largest:
        return np.zeros_like(slack)
    found = before = np.zeros_like(slack)
    momentum = 1.0
    for _ in range(STEPS):
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = found + (momentum - 1) / following * (found - before)
        downhill = slack + (gram @ ahead.ravel()).reshape(size, size)
        moved = positive_part(ahead - downhill / largest)
        change = moved - found
        # Where the step goes against the momentum, the momentum is let go.
        momentum = 1.0 if ((ahead - moved) * change).sum() > 0 else following
        before, found = found, moved
        if np.abs(change).max() <= TOLERANCE * np.abs(found).max():
            break
    return found


def positive_part(matrix: np.ndarray) -> np.ndarray:
    """The nearest positive semidefinite matrix to a symmetric one.

    >>> positive_part(np.diag([2.0, -1.0])).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    from scipy.linalg import eigh

    values, vectors = eigh((matrix + matrix.T) / 2)
    return (vectors * values.clip(min=0)) @ vectors.T
