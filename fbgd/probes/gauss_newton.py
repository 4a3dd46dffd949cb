"""The Gauss-Newton matrix: the part of the Hessian that the loss's own curvature makes."""

from typing import ClassVar

import torch
from torch import Tensor

from fbgd.engine.objective import NetworkObjective
from fbgd.errors import ConfigError
from fbgd.probes.products import GRADIENTS_PER_PRODUCT, HessianProduct
from fbgd.probes.sharpness import Sharpness
from regularizers.tensor_lists import flatten, unflatten


class GaussNewtonProduct(HessianProduct):
    r"""The generalised Gauss-Newton matrix of the mean loss over blocks, as a function of a vector.

    .. math:: G v = \sum_B \frac{|B|}{N} J_B^T \, \nabla_f^2 \ell_B \, J_B v

    with the outputs f of a block, their Jacobian :math:`J_B` and the loss :math:`\ell_B` as a function of them. What is
    missing of the Hessian is :math:`\sum_i \partial_{f_i} \ell \, \nabla^2 f_i`; penalties on parameters are left out.
    The arguments are those of :class:`fbgd.probes.products.HessianProduct`.

    Raises:
        ConfigError: the objective is not a network's loss of its outputs.
    """

    def __init__(self, objective, *arguments, **options):
        if not isinstance(objective, NetworkObjective):
            raise ConfigError("the Gauss-Newton matrix needs an objective of the network's outputs")
        super().__init__(objective, *arguments, **options)
        self.network = objective

    def of_block(self, block: tuple[Tensor, Tensor, Tensor], vector: Tensor) -> Tensor:
        """The product of ``vector`` (D) with the matrix of one block, ``(inputs, targets, key)``."""
        inputs, targets, key = block
        tangent = unflatten(vector.to(self.params[0]), self.params)

        def outputs(params):
            return self.network.outputs(params, inputs, key)

        def slope(at):
            return torch.func.grad(lambda outputs: self.network.loss(outputs, targets))(at)

        at, moved = torch.func.jvp(outputs, (self.params,), (tangent,))[:2]
        curved = torch.func.jvp(slope, (at,), (moved,))[1]
        product = torch.func.vjp(outputs, self.params)[1](curved)[0]
        self.spend(GRADIENTS_PER_PRODUCT * len(inputs))
        return flatten(product)


class GaussNewton(Sharpness):
    r"""The largest eigenvalues of the generalised Gauss-Newton matrix, by Lanczos iteration.

    Of a convex loss the matrix has no negative eigenvalues, and where the loss is small it is close to the Hessian.
    Options and cost are those of :class:`fbgd.probes.sharpness.Sharpness`; the first column is called ``eigenvalue``.

    Source: Schraudolph 2002, "Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent".
    """

    matrix: ClassVar[type[HessianProduct]] = GaussNewtonProduct
    first: ClassVar[str] = "eigenvalue"
