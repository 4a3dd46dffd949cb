"""The leading eigenvector of a symmetric matrix that is known by its products only."""

from collections.abc import Callable

import torch
from torch import Tensor


def leading_eigenvector(product: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> Tensor:
    """The unit vector in the Krylov space of ``start`` with the largest quadratic form, by Lanczos iteration.

    Args:
        product: of the matrix with a vector (D).
        start: (D), not zero: whatever it has no part in is not found.
        steps: products, at least 1.

    Source: Golub & Van Loan, "Matrix Computations", section 10.1, with full reorthogonalisation.

    Examples:
        >>> matrix = torch.diag(torch.tensor([4.0, 1.0, -9.0]))
        >>> leading_eigenvector(lambda vector: matrix @ vector, torch.ones(3), steps=3).abs().round(decimals=3).tolist()
        [1.0, 0.0, 0.0]
    """
    basis = [start / start.norm()]
    images: list[Tensor] = []
    for _ in range(steps):
        images.append(product(basis[-1]))
        rest, known = images[-1], torch.stack(basis)
        # Twice: once leaves errors of rounding times the largest eigenvalue.
        for _ in range(2):
            rest = rest - known.T @ (known @ rest)
        if not rest.norm() > 1e-6 * images[-1].norm():
            break
        basis.append(rest / rest.norm())
    known = torch.stack(basis[: len(images)])
    projected = known @ torch.stack(images).T
    vectors = torch.linalg.eigh((projected + projected.T) / 2).eigenvectors
    return vectors[:, -1] @ known
