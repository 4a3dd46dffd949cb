"""Lanczos iteration: a symmetric matrix that is known by its products only, as a small tridiagonal one."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from fbgd.probes.products import Product

# Below this share of the largest coefficient the Krylov space is exhausted.
EXHAUSTED = 1e-12


@dataclass(frozen=True)
class Tridiagonal:
    r"""What so many steps leave of a matrix H: :math:`Q^T H Q` with the orthonormal Krylov basis Q.

    Args:
        diagonal: K entries.
        beside: the K - 1 entries beside it.
        rest: the coefficient of the step after the last, 0 where the space is exhausted.
        basis: Q, transposed (K, D).
    """

    diagonal: np.ndarray
    beside: np.ndarray
    rest: float
    basis: Tensor

    def ritz(self) -> tuple[np.ndarray, np.ndarray]:
        """Ritz values, ascending, and their vectors in the basis, columns of (K, K)."""
        return eigh_tridiagonal(self.diagonal, self.beside)

    def top(self, count: int = 1) -> tuple[np.ndarray, Tensor, np.ndarray]:
        """The ``count`` largest Ritz values, descending, their vectors (count, D), and bounds on their errors.

        Some eigenvalue lies within :math:`|\\beta_K s_{Kj}|` of every Ritz value.
        """
        values, vectors = self.ritz()
        order = np.argsort(values)[::-1][:count]
        chosen = torch.from_numpy(vectors[:, order].T.copy()).to(self.basis)
        return values[order], chosen @ self.basis, np.abs(self.rest * vectors[-1, order])


def lanczos(product: Product, start: Tensor, steps: int, count: int = 0, tolerance: float = 0.0) -> Tridiagonal:
    """At most ``steps`` steps of Lanczos iteration, every new vector made orthogonal to all before it.

    Args:
        product: of the symmetric matrix with a vector (D).
        start: the first vector (D), of any length; sums are in its type.
        steps: products, at most; never more than D.
        count: the iteration ends when so many of the largest Ritz values have converged; 0: it goes on to the end.
        tolerance: they have when the bounds on their errors are at most this share of the largest.

    Raises:
        ValueError: ``start`` is zero or not finite.

    Source: Golub & Van Loan, "Matrix Computations", section 10.3, with full reorthogonalisation.

    >>> matrix = torch.diag(torch.tensor([4.0, 1.0, -2.0]))
    >>> values, _, _ = lanczos(lambda vector: matrix @ vector, torch.ones(3), steps=3).top(2)
    >>> values.round(4).tolist()
    [4.0, 1.0]
    """
    length = start.norm()
    if not 0 < float(length) < float("inf"):
        raise ValueError(f"Lanczos iteration cannot start from a vector of length {float(length)}")
    basis = [start / length]
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(steps, len(start))):
        vector = product(basis[-1])
        diagonal.append(float(vector @ basis[-1]))
        # Twice: once leaves errors of rounding times the largest eigenvalue.
        known = torch.stack(basis)
        for _ in range(2):
            vector = vector - known.T @ (known @ vector)
        rest = float(vector.norm())
        made = Tridiagonal(np.array(diagonal), np.array(beside), rest, known)
        scale = max(map(abs, [*diagonal, *beside]))
        if not rest > EXHAUSTED * scale or not np.isfinite(rest):
            break
        if count and len(diagonal) > count:
            values, _, bounds = made.top(count)
            if bounds.max() <= tolerance * abs(values[0]):
                break
        beside.append(rest)
        basis.append(vector / rest)
    return made
