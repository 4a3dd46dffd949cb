"""Measures by norms: of the weights, of the way from their start, of every layer, over the margin."""

import math

import torch
from torch import Tensor

from fbgd.data.dataset import IGNORED
from fbgd.engine.blocks import StepBlocks
from fbgd.engine.probe import ProbeState
from fbgd.errors import ConfigError
from regularizers.tensor_lists import flatten


class Norms:
    r"""Norms of the parameters, and the margin of the training set that they are to be seen against.

    The margin of a sample is :math:`f_y - \max_{j \ne y} f_j`, from the network in evaluation mode and samples as they
    are stored. A positively homogeneous network's outputs grow with the product of its layers' spectral norms, so

    .. math:: \frac{\gamma}{\prod_l \lVert W_l \rVert_2}

    stays what it is when layers are scaled; :math:`\gamma` is a quantile of the margins, since the smallest one is that
    of an outlier. Of a convolution :math:`W_l` is its kernel as a matrix, outputs by everything else.

    Returns columns ``l2``; ``distance``, that from the initial parameters; ``spectral``, the logarithm of the product;
    and of class labels ``margin``, :math:`\gamma`, and ``normalised_margin``, the ratio.

    Args:
        quantile: of the margins, in [0, 1].

    Raises:
        ConfigError: a number that is out of range, or the state has no initial point.

    Source: Bartlett, Foster & Telgarsky 2017, "Spectrally-normalized margin bounds"; Jiang, Neyshabur, Mobahi, Krishnan
    & Bengio 2020, "Fantastic Generalization Measures and Where to Find Them".
    """

    def __init__(self, quantile: float = 0.1):
        if not 0 <= quantile <= 1:
            raise ConfigError(f"quantile = {quantile!r} is outside the valid range [0, 1]")
        self.quantile = quantile

    def __call__(self, state: ProbeState) -> dict[str, float]:
        here, start = flatten(state.params).double(), flatten(state.start()).double()
        spectral = log_spectral_product(state.params)
        columns = {"l2": float(here.norm()), "distance": float((here - start).norm()), "spectral": spectral}
        own = margins(state)
        if len(own):
            margin = float(own.double().quantile(self.quantile))
            columns |= {"margin": margin, "normalised_margin": margin / math.exp(spectral)}
        return columns


def log_spectral_product(params: list[Tensor]) -> float:
    """The sum of the logarithms of the largest singular values of all matrices and kernels.

    >>> round(log_spectral_product([torch.diag(torch.tensor([2.0, 1.0])), torch.ones(3)]), 4)
    0.6931
    """
    matrices = [param.detach().flatten(1).double() for param in params if param.dim() > 1]
    return sum(math.log(max(float(torch.linalg.matrix_norm(matrix, 2)), 1e-300)) for matrix in matrices)


@torch.no_grad()
def margins(state: ProbeState) -> Tensor:
    """The margin of every prediction of the training set; none of a regression."""
    blocks = state.blocks()
    if blocks.data.samples.targets.is_floating_point():
        return torch.zeros(0)
    found = []
    with state.evaluation() as model:
        for stack in StepBlocks(blocks.data, blocks.indices, blocks.pass_index, blocks.first).stacks(1):
            outputs = model(stack.inputs[0])
            outputs, labels = outputs.flatten(0, -2), stack.targets[0].flatten()
            if outputs.shape[1] > 1:
                found.append(label_margins(outputs[labels != IGNORED], labels[labels != IGNORED]))
    return torch.cat(found) if found else torch.zeros(0)


def label_margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """How far the output of the label is above the largest other one.

    >>> label_margins(torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]]), torch.tensor([0, 2])).tolist()
    [1.0, -4.0]
    """
    own = outputs.gather(1, labels[:, None])
    others = outputs.scatter(1, labels[:, None], -math.inf)
    return own[:, 0] - others.amax(1)
