r"""Hessian-vector products of a loss that is known through its gradient only.

Three forms of one function, ``hvp(grad_fn, params, vector)``, with the step
:math:`\epsilon = r / \lVert v \rVert` so that the perturbation has length :math:`r`:

.. math::
    \text{forward: } \frac{g(\theta + \epsilon v) - g(\theta)}{\epsilon}, \qquad
    \text{central: } \frac{g(\theta + \epsilon v) - g(\theta - \epsilon v)}{2\epsilon}, \qquad
    \text{exact: } \partial_t\, g(\theta + t v)|_{t=0}
"""

from collections.abc import Callable

import torch
from torch import Tensor

from regularizers.tensor_lists import add_scaled, global_norm

GradFn = Callable[[list[Tensor]], list[Tensor]]


def hvp(
    grad_fn: GradFn,
    params: list[Tensor],
    vector: list[Tensor],
    *,
    method: str = "forward",
    radius: float = 0.01,
    gradient: list[Tensor] | None = None,
) -> list[Tensor]:
    """The Hessian at ``params`` times ``vector``.

    Nothing is changed in place: ``grad_fn`` is evaluated at new tensors.

    Args:
        grad_fn: parameters to gradient, both lists of tensors of the same shapes. For ``"exact"`` it must be
            differentiable by ``torch.func`` (made with ``torch.func.grad``).
        params: where the Hessian is taken.
        vector: what it is multiplied with; a zero vector gives zeros.
        method: ``"forward"`` (error O(radius), one gradient beyond ``gradient``), ``"central"`` (error O(radius^2),
            two gradients) or ``"exact"`` (forward over reverse differentiation, about two gradients).
        radius: length of the perturbation in parameter space; differences only.
        gradient: ``grad_fn(params)`` if it is known already; saves the forward difference one evaluation.

    Raises:
        ValueError: an unknown method, or a radius that is not positive.

    Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian"; the differences as in Geiping et al. 2022.

    Examples:
        >>> import torch
        >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
        >>> def grad_fn(params):  # of the quadratic theta' matrix theta / 2
        ...     return [matrix @ params[0]]
        >>> at, vector = [torch.zeros(2)], [torch.tensor([1.0, -1.0])]
        >>> for method in HVP_METHODS:  # all the same on a quadratic
        ...     product = hvp(grad_fn, at, vector, method=method)[0]
        ...     print(method, [round(entry, 3) for entry in product.tolist()])
        forward [1.0, -2.0]
        central [1.0, -2.0]
        exact [1.0, -2.0]
    """
    check_hvp(method, radius)
    return HVP_METHODS[method](grad_fn, params, vector, radius, gradient)


def check_hvp(method: str, radius: float) -> None:
    """Raise ``ValueError`` for an unknown method or a radius that is not positive and finite."""
    if method not in HVP_METHODS:
        raise ValueError(f"hvp method = {method!r} is not one of {', '.join(map(repr, HVP_METHODS))}")
    if not 0 < radius < float("inf"):
        raise ValueError(f"radius = {radius!r} is outside the valid range (0, inf)")


def _forward(grad_fn, params, vector, radius, gradient):
    if gradient is None:
        gradient = grad_fn(params)
    epsilon = perturbation_step(vector, radius)
    return _quotient(grad_fn(add_scaled(params, vector, epsilon)), gradient, epsilon)


def _central(grad_fn, params, vector, radius, gradient):
    epsilon = perturbation_step(vector, radius)
    ahead, behind = (grad_fn(add_scaled(params, vector, sign * epsilon)) for sign in (1, -1))
    return _quotient(ahead, behind, 2 * epsilon)


def _exact(grad_fn, params, vector, radius, gradient):
    return torch.func.jvp(grad_fn, (params,), (vector,))[1]


def perturbation_step(vector: list[Tensor], radius: float) -> Tensor:
    """The factor that gives ``vector`` the length ``radius``."""
    norm = global_norm(vector)
    # Squares of entries below the root of the smallest number vanish, so a smaller norm is not to be relied on. The
    # bound keeps the perturbation within the radius, and epsilon finite for a zero vector.
    return radius / norm.clamp(min=torch.finfo(norm.dtype).tiny ** 0.5)


def _quotient(ahead: list[Tensor], behind: list[Tensor], step: Tensor) -> list[Tensor]:
    return [(a - b) / step for a, b in zip(ahead, behind, strict=True)]


HVP_METHODS = {"forward": _forward, "central": _central, "exact": _exact}
