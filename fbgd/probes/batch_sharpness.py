"""Batch sharpness: the curvature of every block's own loss along its own gradient."""

from fbgd.engine.kernels import autograd_gradient
from fbgd.engine.probe import ProbeState
from fbgd.probes.products import check_precision, hessian_product, single_blocks
from regularizers.tensor_lists import flatten


class BatchSharpness:
    r"""The mean over the blocks of a pass of the curvature that SGD's steps meet.

    .. math:: \sum_B \frac{|B|}{N} \frac{g_B^T H_B g_B}{\lVert g_B \rVert^2}

    with gradient and Hessian of the block's own objective. Its authors see SGD without momentum hover where it is
    2 / h, and the sharpness of the full objective stay below. With a single block it is the curvature along the
    gradient. A block without a gradient counts as 0.

    Returns columns ``batch_sharpness``; ``largest``, that of the steepest block. It costs three gradients of every
    sample.

    Args:
        precision: ``"as trained"``, or ``"fp64"`` for a network that can be evaluated in it.

    Raises:
        ConfigError: an unknown precision.

    Source: Andreyev & Beneventano 2024, "Edge of Stochastic Stability" (arXiv 2412.20553), definition of Batch
    Sharpness.
    """

    def __init__(self, precision: str = "as trained"):
        check_precision(precision)
        self.precision = precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        product = hessian_product(state, self.precision)
        gradient_of = autograd_gradient(state.objective)
        mean, largest = 0.0, -float("inf")
        for block in single_blocks(product.blocks, product.params[0].dtype):
            size = len(block[0])
            gradient = flatten(gradient_of(product.params, *block)[0])
            product.spend(size)
            square = float(gradient.double().square().sum())
            curvature = float(gradient.double() @ product.of_block(block, gradient).double()) / square if square else 0
            mean, largest = mean + size / product.blocks.samples * curvature, max(largest, curvature)
        return {"batch_sharpness": mean, "largest": largest}
