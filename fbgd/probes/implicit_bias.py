r"""The implicit-bias meter: which penalty on squared gradients explains that descent leaves the gradient flow."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from fbgd.probes.block_losses import BlockLosses, Whole, network_losses
from fbgd.probes.modified_flow import BLOCKS, MEAN, flow, mean_pass, orders
from fbgd.probes.products import check_precision


class Bias(NamedTuple):
    r"""What a drift from the gradient flow says about a penalty, in units of the theory's h / 4.

    Args:
        coefficient: of the penalty :math:`\frac1m \sum_k \lVert \nabla L_k \rVert^2` alone.
        explained: share of the squared drift that it explains, in [0, 1]: the squared cosine of their angle.
        of_blocks: its coefficient beside the penalty on the mean gradient; not a number with a single block.
        of_mean: that of :math:`\lVert \frac1m \sum_k \nabla L_k \rVert^2` beside it; not a number with a single block.
        drift: length of the drift over that of the way that the flow goes.
    """

    coefficient: float
    explained: float
    of_blocks: float
    of_mean: float
    drift: float


def fit_bias(
    losses: BlockLosses, start: Tensor, end: Tensor, time: float, rate: float, tolerance: float = 1e-12
) -> Bias:
    r"""Fit the coefficient of a gradient penalty to the drift of an optimizer from the gradient flow.

    The drift is what lies between where the optimizer ends, in the mean over orders of the blocks, and the flow of the
    mean loss after the same time t. A penalty R of strength c moves the end of the flow by

    .. math:: \phi_t(L + c R) - \phi_t(L) = -c\, t\, \nabla R(\theta) + O(c\, t^2) + O(c^2)

    This response is taken as a whole, with c = h / 4, since over a pass the flow leaves the place where the gradient of
    R was taken; the drift is regressed on it by least squares. A coefficient of 1 says that the theory's penalty
    explains the drift along its direction, ``explained`` how much of the drift lies along it.

    Args:
        losses: of the blocks that the optimizer took; of all as one, see
            :class:`fbgd.probes.block_losses.Whole`, for a full-batch method.
        start: parameters (D), in float64.
        end: where the optimizer comes from there, in the mean over orders (D).
        time: that it took; h a step for gradient descent and SGD.
        rate: h, of the unit h / 4.
        tolerance: of the flow's integration.

    Source: the modified losses of Barrett & Dherin 2021 and of Smith, Dherin, Barrett & De 2021, read as a regression.

    Examples:
        >>> class Bowl:  # L = 3 theta^2 / 2, a single block
        ...     weights = torch.ones(1)
        ...     def gradients(self, at): return 3 * at[None]
        ...     def products(self, at, directions): return 3 * directions
        >>> start = torch.tensor([2.0], dtype=torch.float64)
        >>> bias = fit_bias(Bowl(), start, start - 0.01 * 3 * start, time=0.01, rate=0.01)
        >>> round(bias.coefficient, 2), round(bias.explained, 6)
        (1.02, 1.0)
    """
    plain = flow(losses, start, time, tolerance=tolerance)
    kinds = (BLOCKS, MEAN) if len(losses.weights) > 1 else (BLOCKS,)
    responses = [flow(losses, start, time, rate / 4, of, tolerance) - plain for of in kinds]
    return fitted(end - plain, responses, float((plain - start).norm()))


def fitted(drift: Tensor, responses: list[Tensor], way: float) -> Bias:
    """The regression of a drift on the responses to one or two penalties.

    Args:
        drift: (D).
        responses: to the penalty on blocks and, where there are several blocks, to that on the mean gradient, each (D).
        way: length of what the drift is compared with.
    """
    first = responses[0]
    squares = float(first @ first), float(drift @ drift)
    along = float(drift @ first)
    joint = (math.nan, math.nan)
    if len(responses) > 1:
        matrix, values = torch.stack(responses, 1).cpu(), drift[:, None].cpu()
        # The usual driver's last digit depends on where its work space happens to lie.
        joint = tuple(torch.linalg.lstsq(matrix, values, driver="gelsd").solution[:, 0].tolist())
    return Bias(
        coefficient=along / squares[0] if squares[0] else math.nan,
        explained=along**2 / (squares[0] * squares[1]) if all(squares) else math.nan,
        of_blocks=joint[0],
        of_mean=joint[1],
        drift=math.sqrt(squares[1]) / way if way else math.nan,
    )


class ImplicitBias:
    r"""The coefficient of the gradient penalty that plain descent from here would obey, in units of the theory's h / 4.

    From a copy of the parameters a pass of plain SGD is made, one block a step, in the mean over orders, or one step of
    gradient descent on all blocks; what it drifts from the gradient flow is regressed on the penalty
    :math:`\frac1m \sum_k \lVert \nabla L_k \rVert^2`, see :func:`fit_bias`. The theory says 1 while the step is
    small against the inverse curvature; how far from 1 it is tells how far the theory reaches at this learning rate. It
    is about the place, not about the run's own optimizer, whose momentum and state it does not use.

    Up to four blocks all orders are taken. Of more, some random ones are, each with its reverse: the mean of such a
    pair has the second order of the mean over all.

    Returns columns ``coefficient``, ``explained``, ``drift`` and, with several blocks a pass, ``of_blocks`` and
    ``of_mean``, as in :class:`Bias`. The flows are integrated to a tolerance, so the cost, which is counted, depends on
    the curvature: some fifty to some hundred gradients of every sample.

    Args:
        blocks_per_step: 1, a pass of SGD, or ``"all"``, a step of gradient descent.
        rate: the learning rate h; ``None``: the current one.
        pairs: random orders, each with its reverse.
        tolerance: of the flows, relative to the largest parameter; what ReLUs switch makes smaller ones dear.
        precision: ``"fp64"``, or ``"as trained"`` for a network that cannot be evaluated in it; drifts are small.

    Raises:
        ConfigError: a number that is out of range.

    Source: Barrett & Dherin 2021, "Implicit Gradient Regularization"; Smith, Dherin, Barrett & De 2021, "On the Origin
    of Implicit Regularization in Stochastic Gradient Descent".
    """

    def __init__(
        self,
        blocks_per_step: int | str = 1,
        rate: float | None = None,
        pairs: int = 1,
        tolerance: float = 1e-7,
        precision: str = "fp64",
    ):
        if blocks_per_step not in (1, "all"):
            raise ConfigError(f"blocks_per_step = {blocks_per_step!r} must be 1 or 'all'")
        if rate is not None and not 0 < rate < math.inf:
            raise ConfigError(f"rate = {rate!r} is outside the valid range (0, inf)")
        if pairs < 1:
            raise ConfigError(f"pairs = {pairs!r} must be at least 1")
        if not 0 < tolerance < 1:
            raise ConfigError(f"tolerance = {tolerance!r} is outside the valid range (0, 1)")
        check_precision(precision)
        self.whole, self.rate, self.pairs = blocks_per_step == "all", rate, pairs
        self.tolerance, self.precision = tolerance, precision

    def __call__(self, state: ProbeState) -> dict[str, float]:
        rate = state.lr if self.rate is None else self.rate
        losses, start = network_losses(state, self.precision)
        taken: BlockLosses = Whole(losses) if self.whole else losses
        count = len(taken.weights)
        end = mean_pass(taken, start, rate, orders(count, self.pairs, state.generator()))
        found = fit_bias(taken, start, end, count * rate, rate, self.tolerance)._asdict()
        return {name: value for name, value in found.items() if count > 1 or not name.startswith("of_")}
