"""Losses of outputs against targets: labels, class probabilities, or those of sequences."""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from fbgd.data.dataset import IGNORED
from fbgd.errors import ConfigError


class Loss:
    """A loss as a sum over predictions; subclasses define :meth:`total`."""

    #: Whether it may be evaluated under ``vmap``, so for several blocks or networks at a time.
    vectorises: ClassVar[bool] = False

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum over all predictions.

        Args:
            outputs: (B, classes), or (B, T, classes) of sequences.
            targets: labels (B) or (B, T), :data:`fbgd.data.dataset.IGNORED` where nothing is predicted; or class
                probabilities of the outputs' shape, there all 0.
        """
        raise NotImplementedError

    def __call__(self, outputs: Tensor, targets: Tensor, tokens_per_sample: float | None = None) -> Tensor:
        """The mean over samples, or of sequences over the predictions of an average block.

        Args:
            outputs: as for :meth:`total`.
            targets: as for :meth:`total`.
            tokens_per_sample: mean number of target tokens of a sample of the training set; ``None``: no sequences.
        """
        return self.total(outputs, targets) / (len(targets) * (tokens_per_sample or 1.0))


class CrossEntropy(Loss):
    r"""Mean cross-entropy of the softmax of the outputs.

    .. math:: L = -\frac{1}{B} \sum_i \sum_c y_{ic} \log \operatorname{softmax}(f_i)_c

    >>> CrossEntropy()(torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    tensor(1.3863)
    """

    vectorises: ClassVar[bool] = True

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        outputs, targets = outputs.flatten(0, -2), targets.flatten(0, outputs.dim() - 2)
        return F.cross_entropy(outputs, targets, ignore_index=IGNORED, reduction="sum")

    def __call__(self, outputs: Tensor, targets: Tensor, tokens_per_sample: float | None = None) -> Tensor:
        if tokens_per_sample is None:
            return F.cross_entropy(outputs, targets)
        return super().__call__(outputs, targets, tokens_per_sample)


class MSE(Loss):
    r"""Squared distance of the outputs to the one-hot target, summed over classes, with a factor.

    .. math:: L = \frac{s}{B} \sum_i \lVert f_i - y_i \rVert^2

    Args:
        scale: :math:`s > 0`; 0.5, the default, makes the gradient in the outputs :math:`f - y`, as in the source.

    Raises:
        ValueError: ``scale`` is not positive and finite.

    >>> MSE()(torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    tensor(0.5000)

    Source: Cohen et al. 2021, "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability".
    """

    vectorises: ClassVar[bool] = True

    def __init__(self, scale: float = 0.5):
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < float("inf"):
            raise ValueError(f"scale = {scale!r} is outside the valid range (0, inf)")
        self.scale = scale

    def predictions(self, outputs: Tensor) -> Tensor:
        """What is compared with the targets."""
        return outputs

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if targets.is_floating_point():
            expected, predicted = targets, targets.any(-1)
        else:
            # Not F.one_hot, which vmap has no rule for; an ignored position equals no class.
            classes = torch.arange(outputs.shape[-1], device=targets.device)
            expected, predicted = (targets.unsqueeze(-1) == classes).to(outputs.dtype), targets != IGNORED
        distances = (self.predictions(outputs) - expected).square().sum(-1)
        return self.scale * distances.where(predicted, 0.0).sum()


class MSEProbabilities(MSE):
    r"""Squared distance of the softmax of the outputs to the one-hot target (the Brier score), with a factor.

    .. math:: L = \frac{s}{B} \sum_i \lVert \operatorname{softmax}(f_i) - y_i \rVert^2

    Args:
        scale: :math:`s > 0`, default 0.5.

    Raises:
        ValueError: ``scale`` is not positive and finite.

    >>> MSEProbabilities()(torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    tensor(0.3750)

    Source: Brier 1950, "Verification of Forecasts Expressed in Terms of Probability"; with scale 0.5, half of it.
    """

    vectorises: ClassVar[bool] = True

    def predictions(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(-1)


class PlainLoss(Loss):
    """A function ``(outputs, targets) -> mean loss`` with the interface of a loss; sequences are refused.

    Args:
        function: of outputs (B, classes) and labels (B) or class probabilities (B, classes).
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]):
        self.function = function

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return len(targets) * self(outputs, targets)

    def __call__(self, outputs: Tensor, targets: Tensor, tokens_per_sample: float | None = None) -> Tensor:
        if tokens_per_sample is not None:
            raise ValueError("objective: a plain function takes no sequences; derive it from fbgd.engine.losses.Loss")
        return self.function(outputs, targets)


def as_loss(loss: Loss | Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """A :class:`Loss` as it is, and any other function of outputs and targets with its interface.

    Raises:
        ConfigError: it cannot be called.
    """
    if isinstance(loss, Loss):
        return loss
    if not callable(loss):
        raise ConfigError(f"objective = {loss!r} is no function (outputs, targets) -> mean loss")
    return PlainLoss(loss)
