"""What optimizers around another optimizer share."""

from collections.abc import Callable

from torch import Tensor
from torch.optim import Optimizer


class Wrapper(Optimizer):
    """An optimizer whose parameter groups and state are those of a base optimizer, the same objects.

    So a learning rate set in ``param_groups`` reaches the base, and the base's state_dict is the whole state.

    Args:
        params: parameters or parameter groups.
        lr: the base's learning rate.
        base: makes the base optimizer from ``params`` and ``lr``: a class, or a ``functools.partial`` of one.
        options: the wrapper's own options by their keys in every group; a prefix keeps them apart from the base's.

    Raises:
        ValueError: ``base`` cannot be called, or the base refuses an argument.
    """

    def __init__(self, params, lr: float | Tensor, base: Callable[..., Optimizer], options: dict[str, object]):
        if not callable(base):
            raise ValueError(f"base = {base!r} must be a class of optimizers, or functools.partial of one")
        self.base = base(params, lr=lr)
        super().__init__(self.base.param_groups, {**self.base.defaults, **options})
        self._share()

    def _share(self) -> None:
        self.param_groups, self.state = self.base.param_groups, self.base.state

    def __getattr__(self, name: str):
        # Optimizers with a mode for evaluation, schedule-free ones, keep it when they are wrapped.
        if name in ("train", "eval") and "base" in self.__dict__:
            return getattr(self.base, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "base": self.base}

    def state_dict(self) -> dict:
        """The base's state, with the wrapper's options in its groups."""
        return self.base.state_dict()

    def load_state_dict(self, state_dict: dict) -> None:
        """Load into the base, and share its groups and state again."""
        self.base.load_state_dict(state_dict)
        self._share()
