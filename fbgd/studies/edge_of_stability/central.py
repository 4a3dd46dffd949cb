r"""The central flow of gradient descent: the gradient flow, held where no eigenvalue of the Hessian is above 2 / h.

.. math::
    \frac{d\theta}{dt} = -\nabla L(\theta) - \tfrac12 \nabla_\theta \langle H(\theta), \Sigma \rangle, \qquad
    t = k h

with :math:`\Sigma(t)` the smallest covariance of oscillations that lets no eigenvalue rise above 2 / h: it lies in the
eigenspace of those that are there. Then :math:`\theta(t)` is where descent is in the mean over its oscillations, and
:math:`L + \tfrac12 \langle H, \Sigma \rangle = L + \operatorname{tr} \Sigma / h` its mean loss.

Source: Cohen, Damian, Talwalkar, Kolter & Lee 2024, "Understanding Optimization in Deep Learning with Central Flows".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fbgd.config.schema import Config
from fbgd.engine.kernels import autograd_gradient
from fbgd.probes import flatten, unflatten
from fbgd.probes.dense import dense_hessian
from fbgd.studies.edge_of_stability.complementarity import covariance
from fbgd.studies.edge_of_stability.trajectories import problem_of, runge_kutta

# Eigenvalues from this share of the bound on are held under it.
NEAR = 0.9
# So many of the largest ones at most.
MOST = 8


@dataclass(frozen=True)
class CurvedLandscape:
    """An objective as a function of a vector, with derivatives up to the third.

    Args:
        start: the initial parameters (D).
        loss: the objective.
        gradient: of the objective (D).
        hessian: of the objective (D, D).
        slopes: from a place and vectors u (D, k) to the gradients of u_i' H u_j, (k, k, D).
    """

    start: Tensor
    loss: Callable[[Tensor], float]
    gradient: Callable[[Tensor], Tensor]
    hessian: Callable[[Tensor], Tensor]
    slopes: Callable[[Tensor, Tensor], Tensor]


def curved_landscape(config: Config) -> CurvedLandscape:
    """That of a full-batch run with a single block, at the initial parameters of its seed.

    Raises:
        ValueError: the configuration is invalid.
    """
    params, blocks, block, objective = problem_of(config)
    evaluate = autograd_gradient(objective)

    def value(at: Tensor) -> Tensor:
        return objective(unflatten(at, params), *block)[0]

    return CurvedLandscape(
        start=flatten(params),
        loss=lambda at: float(evaluate(unflatten(at, params), *block)[1][0]),
        gradient=lambda at: flatten(evaluate(unflatten(at, params), *block)[0]),
        hessian=lambda at: dense_hessian(objective, unflatten(at, params), blocks, lambda count: None),
        slopes=lambda at, vectors: curvature_slopes(value, at, vectors),
    )


def curvature_slopes(function: Callable[[Tensor], Tensor], at: Tensor, vectors: Tensor) -> Tensor:
    """The gradients (k, k, D) of u_i' H u_j with the Hessian H of a function, by differentiating three times.

    Args:
        function: of a vector (D), scalar.
        at: where (D).
        vectors: u, as columns (D, k).

    >>> at, u = torch.tensor([1.0, 2.0]), torch.tensor([[1.0], [0.0]])
    >>> curvature_slopes(lambda at: at[0] ** 2 * at[1], at, u).tolist()  # the curvature along the first is 2 y
    [[[0.0, 2.0]]]
    """
    size = vectors.shape[1]
    point = at.detach().requires_grad_()
    found = at.new_zeros(size, size, len(at))
    options: dict = {"allow_unused": True, "materialize_grads": True}
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(function(point), point, create_graph=True)
        for first in range(size):
            (product,) = torch.autograd.grad(gradient @ vectors[:, first], point, create_graph=True)
            for second in range(first, size):
                curvature = product @ vectors[:, second]
                if curvature.requires_grad:
                    (slope,) = torch.autograd.grad(curvature, point, retain_graph=True, **options)
                    found[first, second] = found[second, first] = slope
    return found


@dataclass(frozen=True)
class Held:
    """A place that was brought back to where no eigenvalue is above a bound.

    Args:
        at: the place (D).
        spread: vectors (D, r) whose products with their own transposes sum to the covariance that it took.
    """

    at: Tensor
    spread: Tensor


def hold(place: CurvedLandscape, at: Tensor, bound: float, time: float) -> Held:
    r"""The nearest place to ``at`` where, to first order, no eigenvalue of the Hessian is above a bound.

    With U the eigenvectors of the eigenvalues :math:`\Lambda` near the bound or above, it is

    .. math:: \theta - \tfrac{\tau}{2} \nabla \langle H, U S U' \rangle

    with the smallest S for which :math:`\Lambda - \tau \beta[S]` has no eigenvalue above the bound. A place without
    one above stays.

    Args:
        place: where.
        at: from here (D).
        bound: of the eigenvalues.
        time: tau, over which the covariance acts.

    Raises:
        ValueError: more eigenvalues are near the bound than are held.
    """
    values, vectors = torch.linalg.eigh(place.hessian(at))
    near = int((values > NEAR * bound).sum())
    if values[-1] <= bound:
        return Held(at, at.new_zeros(len(at), 0))
    if near > MOST:
        raise ValueError(f"{near} eigenvalues of the Hessian are near {bound:g}; at most {MOST} are held")
    chosen = vectors[:, -near:]
    slopes = place.slopes(at, chosen)
    found = torch.from_numpy(covariance(np.diag((bound - values[-near:].numpy()) / time), slopes.numpy()))
    sizes, axes = torch.linalg.eigh(found)
    return Held(at - time / 2 * torch.einsum("ij,ijd->d", found, slopes), chosen @ axes * sizes.clamp(min=0).sqrt())


def central_step(place: CurvedLandscape, at: Tensor, rate: float, steps: int) -> Held:
    """The central flow over the time of so many steps of descent: the gradient flow, then back to at most 2 / h.

    This is Moreau's catching-up for a flow with a constraint: of first order in the time, and the gradient flow itself
    as long as all eigenvalues are below.

    Args:
        place: where.
        at: from here (D).
        rate: h.
        steps: of descent, few: its time is theirs times h.

    Raises:
        ValueError: more eigenvalues are near 2 / h than are held.
    """
    time = steps * rate
    # Two steps of Runge-Kutta for one of descent are no longer than one over the sharpness.
    return hold(place, runge_kutta(place.gradient, at, time, 2 * steps), 2 / rate, time)
