"""Sharpness along the gradient: the curvature that a full-batch step meets."""

from fbgd.engine.probe import ProbeState
from fbgd.probes.products import check_precision, hessian_product, mean_gradient


class GradientSharpness:
    r"""The curvature of the training objective along its own gradient.

    .. math:: \frac{g^T H g}{\lVert g \rVert^2}, \qquad g = \sum_B \frac{|B|}{N} g_B, \quad H = \sum_B \frac{|B|}{N} H_B

    A step of plain descent changes a quadratic by :math:`-h \lVert g \rVert^2 (1 - \tfrac{h}{2}\, g^T H g / \lVert g
    \rVert^2)`, so it climbs where this is above 2 / h.

    Returns columns ``gradient_sharpness``, 0 where there is no gradient, and ``gradient_norm``. It costs three
    gradients of every sample.

    Args:
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: an unknown precision.

    Source: Li, Wang & Arora 2022, "Understanding Gradient Descent on Edge of Stability in Deep Learning".
    """

    def __init__(self, precision: str = "as trained"):
        check_precision(precision)
        self.precision = precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        product = hessian_product(state, self.precision)
        gradient = mean_gradient(state)
        square = float(gradient.square().sum())
        curvature = float(gradient @ product(gradient)) / square if square else 0.0
        return {"gradient_sharpness": curvature, "gradient_norm": square**0.5}
