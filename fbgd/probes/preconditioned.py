"""Where a run's edge of stability is: the sharpness in the optimizer's own metric, its threshold, and their ratio."""

import math

import torch

import optimizers
from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.lanczos import lanczos
from fbgd.probes.metric import InMetricProduct, own_recursion
from fbgd.probes.moments import gradient_moments
from fbgd.probes.products import hessian_product
from fbgd.probes.recursion import Recursion
from fbgd.probes.sharpness import check_iteration
from regularizers.tensor_lists import flatten


class PreconditionedSharpness:
    r"""The largest eigenvalue of :math:`P^{-1/2} H P^{-1/2}`, and the value up to which the optimizer is stable.

    H is the Hessian of the training objective as for :class:`fbgd.probes.Sharpness`; P is the optimizer's diagonal
    metric as it is now, and the threshold is that of its momentum and current learning rate h:

    ====================  ==========================================================  ==============================
    optimizer             P                                                           threshold
    ====================  ==========================================================  ==============================
    gradient descent      1                                                           :math:`2 / h`
    heavy ball            1                                                           :math:`2 (1+\mu) / h`
    Nesterov              1                                                           :math:`2 (1+\mu)/h (1+2\mu)`
    Adam, AdamW           :math:`(1-\beta_1^t)(\sqrt{v_t/(1-\beta_2^t)} + \epsilon)`  :math:`2(1+\beta_1)/h(1-\beta_1)`
    RMSprop               :math:`\sqrt{v_t} + \epsilon`                               as heavy ball
    Adagrad               :math:`\sqrt{s_t} + \epsilon`                               :math:`2 / h`
    SAM around descent    1                                                           see :func:`sam_threshold`
    ====================  ==========================================================  ==============================

    Weight decay inside the gradient adds :math:`\lambda / P` to the diagonal, decoupled decay
    :math:`\lambda (1 + \mu) / k`. Where groups have different learning rates, P has them, relative to the largest.
    Thresholds are those of a quadratic; clipping, penalties and noise that act beside the optimizer are not in them.

    Returns columns ``sharpness``, ``threshold``, ``ratio`` (of the two), ``error`` (a bound on the distance of the
    sharpness from an eigenvalue) and ``products``; with ``count=k`` also ``eigenvalue_2`` to ``eigenvalue_k``, which
    ``error`` is of then too. Trace and density in this metric: ``metric="optimizer"`` of
    :class:`fbgd.probes.HessianTrace` and :class:`fbgd.probes.HessianDensity`.

    Args:
        count: so many eigenvalues.
        steps: products with the Hessian, at most; each costs two gradients of every sample, SAM's threshold one more.
        tolerance: the iteration ends when ``error`` is at most this share of the sharpness.
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: a number that is out of range; at a look, an optimizer whose metric or threshold is not known.

    Source: Cohen et al. 2021, "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability",
    appendix B; Cohen et al. 2022, "Adaptive Gradient Methods at the Edge of Stability"; SAM: Long & Bartlett 2024,
    "Sharpness-Aware Minimization and the Edge of Stability". Derivations: :mod:`fbgd.probes.recursion`.
    """

    def __init__(self, steps: int = 30, tolerance: float = 0.01, precision: str = "as trained", count: int = 1):
        check_iteration(count, steps, tolerance, precision)
        self.count, self.steps, self.tolerance, self.precision = count, steps, tolerance, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        sam = state.optimizer if type(state.optimizer) is optimizers.SAM else None
        recursion = own_recursion(state)
        radius = 0.0 if sam is None else sam_radius(sam, recursion)
        product = InMetricProduct(hessian_product(state, self.precision), recursion)
        start = torch.randn(product.size, generator=state.generator(), dtype=torch.float64).to(product.root)
        found = lanczos(product, start, self.steps, self.count, self.tolerance)
        (sharpness, *others), _, errors = found.top(self.count)
        threshold = recursion.threshold
        if radius:
            norm = math.sqrt(gradient_moments(state.block_gradients()).squared_mean)
            decay = float(product.shift.max())
            threshold = decay + sam_threshold(threshold - decay, radius, norm)
        return {
            "sharpness": float(sharpness),
            "threshold": threshold,
            "ratio": float(sharpness) / threshold,
            **{f"eigenvalue_{place}": float(value) for place, value in enumerate(others, start=2)},
            "error": float(errors.max()),
            "products": len(found.diagonal),
        }


def sam_threshold(threshold: float, radius: float, norm: float) -> float:
    r"""The sharpness at which SAM's step is as long as its base's at ``threshold``.

    Along an eigenvector that the gradient points to, the gradient at :math:`\theta + \rho g / |g|` is
    :math:`(1 + \rho \lambda / |g|) g`, so the recursion is the base's with curvature
    :math:`\lambda + \rho \lambda^2 / |g|`. Set equal to T it gives

    .. math:: \lambda = \frac{|g|}{2 \rho} \Big( \sqrt{1 + 4 \rho T / |g|} - 1 \Big)

    Args:
        threshold: T of the base.
        radius: ρ.
        norm: |g| of the full objective.

    >>> round(sam_threshold(4.0, 0.5, 1.0), 6)  # 2 + 0.5 * 4 = 4
    2.0
    >>> sam_threshold(4.0, 0.5, 0.0)
    0.0
    """
    # In this form it is exact for small and for large ratios.
    return 2 * threshold / (1 + math.sqrt(1 + 4 * radius * threshold / norm)) if norm else 0.0


def sam_radius(sam: optimizers.SAM, recursion: Recursion) -> float:
    """SAM's radius; a :class:`ConfigError` where its threshold is not known."""
    radii = {(group["sam_rho"], group["sam_adaptive"]) for group in sam.param_groups}
    flat = flatten(recursion.scales)
    even = all(bool((entries == entries[0]).all()) for entries in (flat, flatten(recursion.shifts)))
    if len(radii) > 1 or next(iter(radii))[1] or not even:
        base = type(sam.base).__name__
        raise ConfigError(
            f"the threshold of the optimizer SAM is known for one radius, not adaptive, around descent with one rate "
            f"and decay; here it is around {base}, with (rho, adaptive) = {sorted(radii)}"
        )
    return next(iter(radii))[0]
