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
    #: What outputs are judged by beside the loss: "accuracy" of labels, "r2" of a regression.
    metric: str = "accuracy"
    #: How many outputs a model has to have; ``None``: one for each class.
    width: ClassVar[int | None] = None

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum over all predictions.

        Args:
            outputs: (B, classes), or (B, T, classes) of sequences.
            targets: labels (B) or (B, T), :data:`fbgd.data.dataset.IGNORED` where nothing is predicted; or class
                probabilities of the outputs' shape, there all 0.
        """
        raise NotImplementedError

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Whether each prediction is right: the largest output is that of the label, or of the most probable one."""
        return outputs.argmax(-1) == most_probable(targets)

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        r"""The number of right predictions, or of a regression their share of explained variance, summed over samples.

        Targets of a regression are standardised over the training set, so there the mean score is the coefficient of
        determination :math:`R^2 = 1 - \frac{1}{NK} \sum_{ik} (f_{ik} - y_{ik})^2`.
        """
        if self.metric == "r2":
            return (1 - (outputs.double() - targets).square().mean(-1)).sum()
        return self.hits(outputs, targets).sum(dtype=torch.float64)

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
        check_scale(scale)
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


class Binary(Loss):
    r"""Mean cross-entropy of one output, the logit of the second of two classes.

    .. math:: L = -\frac{1}{B} \sum_i y_i \log \sigma(f_i) + (1 - y_i) \log (1 - \sigma(f_i))

    >>> Binary()(torch.zeros(3, 1), torch.tensor([0, 1, 1]))
    tensor(0.6931)
    """

    vectorises: ClassVar[bool] = True
    width: ClassVar[int | None] = 1

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        expected = targets[..., 1] if targets.is_floating_point() else targets
        return F.binary_cross_entropy_with_logits(outputs[..., 0], expected.to(outputs.dtype), reduction="sum")

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs[..., 0] > 0) == (most_probable(targets) == 1)


class SquaredError(Loss):
    r"""Squared distance of the outputs to the numbers of a regression, summed over them, with a factor.

    .. math:: L = \frac{s}{B} \sum_i \lVert f_i - y_i \rVert^2

    Targets are standardised by the training set, so a loss of :math:`s` an output is that of predicting the mean.

        Args:
            scale: :math:`s > 0`, default 0.5.

        Raises:
            ValueError: ``scale`` is not positive and finite.

        >>> SquaredError()(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]]))
        tensor(2.5000)
    """

    vectorises: ClassVar[bool] = True
    metric: str = "r2"

    def __init__(self, scale: float = 0.5):
        check_scale(scale)
        self.scale = scale

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.scale * (outputs - targets).square().sum()


class PlainLoss(Loss):
    """A function ``(outputs, targets) -> mean loss`` with the interface of a loss; sequences are refused.

    Args:
        function: of outputs (B, classes) and labels (B) or class probabilities (B, classes); of a regression, of
            outputs (B, K) and numbers (B, K).
        metric: what outputs are judged by, "accuracy" or "r2".
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], metric: str = "accuracy"):
        self.function, self.metric = function, metric

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return len(targets) * self(outputs, targets)

    def __call__(self, outputs: Tensor, targets: Tensor, tokens_per_sample: float | None = None) -> Tensor:
        if tokens_per_sample is not None:
            raise ValueError("objective: a plain function takes no sequences; derive it from fbgd.engine.losses.Loss")
        return self.function(outputs, targets)


def check_scale(scale: object) -> None:
    """Raise ``ValueError`` unless a factor is positive and finite."""
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < float("inf"):
        raise ValueError(f"scale = {scale!r} is outside the valid range (0, inf)")


def most_probable(targets: Tensor) -> Tensor:
    """Labels as they are, or the most probable ones; :data:`IGNORED` where all probabilities are 0."""
    if not targets.is_floating_point():
        return targets
    return targets.argmax(-1).where(targets.any(-1), IGNORED)


def as_loss(loss: Loss | Callable[[Tensor, Tensor], Tensor], metric: str = "accuracy") -> Loss:
    """A :class:`Loss` as it is, and any other function of outputs and targets with its interface.

    Args:
        loss: either.
        metric: what the outputs of a function's are judged by, "accuracy" or "r2".

    Raises:
        ConfigError: it cannot be called.
    """
    if isinstance(loss, Loss):
        return loss
    if not callable(loss):
        raise ConfigError(f"objective = {loss!r} is no function (outputs, targets) -> mean loss")
    return PlainLoss(loss, metric)
