"""Early stopping on the validation split."""

from regularizers._checks import check_choice, check_range

METRICS = {"validation_loss": -1, "validation_accuracy": 1}


class EarlyStopping:
    """Keep the weights with the best validation metric, and stop when it has not improved for a while.

    Args:
        patience: passes without improvement after which training ends; infinity only keeps the best weights.
        metric: ``"validation_loss"`` or ``"validation_accuracy"``.

    Raises:
        ValueError: an argument is outside its range.

    Source: Prechelt 1998, "Early Stopping - But When?", criterion UP in the form with a patience.

    Examples:
        >>> stopping = EarlyStopping(patience=5, metric="validation_loss")
        >>> stopping.improves(0.8, best=0.9), stopping.improves(0.9, best=0.9)
        (True, False)
        >>> stopping.exhausted(passes=12, best_passes=8), stopping.exhausted(passes=13, best_passes=8)
        (False, True)
    """

    def __init__(self, patience: float = 10.0, metric: str = "validation_loss"):
        if patience != float("inf"):
            check_range("patience", patience, 0.0, ends="()")
        check_choice("metric", metric, tuple(METRICS))
        self.patience, self.metric = patience, metric

    def improves(self, value: float, best: float | None) -> bool:
        """Whether ``value`` is better than the best so far; NaN never is, and anything beats nothing."""
        return value == value and (best is None or METRICS[self.metric] * (value - best) > 0)

    def exhausted(self, passes: float, best_passes: float) -> bool:
        """Whether the patience is used up ``passes`` passes into training, when the best was at ``best_passes``."""
        return passes - best_passes >= self.patience
