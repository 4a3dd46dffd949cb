"""The Hessian of the training objective as a matrix, for small networks."""

from collections.abc import Callable

import torch
from torch import Tensor

from fbgd.engine.blocks import StepBlocks
from fbgd.engine.kernels import Objective
from fbgd.probes.products import GRADIENTS_PER_PRODUCT, single_blocks, twice_differentiable
from regularizers.tensor_lists import flatten, unflatten

# Made at a time: a product alone is mostly Python.
COLUMNS = 64


def dense_hessian(
    objective: Objective, params: list[Tensor], blocks: StepBlocks, spend: Callable[[int], None]
) -> Tensor:
    """The Hessian (D, D) of the mean objective over blocks, symmetric, in double precision.

    The gradient is differentiated in reverse, several columns at a time; so this is no forward derivative of a
    vectorised gradient, which PyTorch 2.13 gets wrong through norm layers.

    Args:
        objective: of one block, pure.
        params: where the Hessian is taken, in the type that is evaluated in.
        blocks: of all samples.
        spend: told how many gradients of samples it took: a product a column.
    """
    origin = flatten([param.detach() for param in params])
    size = len(origin)
    units, total = torch.eye(size).to(origin), torch.zeros(size, size, dtype=torch.float64, device=origin.device)
    for block in single_blocks(blocks, origin.dtype):
        point = origin.clone().requires_grad_()
        with twice_differentiable():
            value, _ = objective(unflatten(point, params), *block)
            (gradient,) = torch.autograd.grad(value, point, create_graph=True)
        spend(GRADIENTS_PER_PRODUCT * size * len(block[0]))
        # A gradient that is constant has no graph, and no curvature.
        if gradient.requires_grad:
            rows = [
                torch.autograd.grad(gradient, point, chosen, retain_graph=True, is_grads_batched=True)[0]
                for chosen in units.split(COLUMNS)
            ]
            total += len(block[0]) / blocks.samples * torch.cat(rows).double()
    return (total + total.T) / 2
