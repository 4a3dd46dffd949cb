"""What optimizers with arithmetic of their own share: which options they refuse, and what state they load."""

from typing import Any, ClassVar

from torch import Tensor
from torch.optim import Optimizer

from optimizers._common import check_scalar

REFUSED = {
    "capturable": "steps are counted in Python, where no CUDA graph sees them",
    "differentiable": "steps overwrite parameters and state, and nothing is recorded for autograd",
    "fused": "there is no fused kernel, only lists of tensors",
}


class Base(Optimizer):
    """An optimizer that checks the options of its groups, and what it is given to load.

    A state dict of the optimizer of the same name in ``torch.optim`` loads, and goes on as there; what is no state of
    this optimizer is refused before anything changes.

    Attributes:
        later: options that were added after the first release, with what they are where a state dict lacks them.

    Raises:
        ValueError: a group asks for what :data:`REFUSED` says is not there, or an option is a tensor that is no number.
    """

    later: ClassVar[dict[str, object]] = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "fused": None,
        "decoupled_weight_decay": False,
    }

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The state that a parameter of ``group`` must have if it has any."""
        return ()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; its options are the defaults where it has none of its own."""
        if isinstance(param_group, dict):
            self._check_options({**self.defaults, **param_group})
        super().add_param_group(param_group)
        make_plain(self.param_groups[-1])

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Loading comes here too, before it changes anything, and with copies of the groups.
        defaults = state.get("defaults", self.__dict__.get("defaults", {}))
        for index, group in enumerate(state["param_groups"]):
            for name in defaults.keys() & self.later.keys():
                group.setdefault(name, self.later[name])
            where = f"{type(self).__name__} cannot load this state: group {index}"
            require_names(where, defaults, group)
            self._check_options(group)
            make_plain(group)
            for place, param in enumerate(group["params"]):
                own = state["state"].get(param)
                if own:
                    require_names(f"{where}, parameter {place},", self.state_names(group), own)
                    if "step" in own:
                        own["step"] = int(own["step"])
        super().__setstate__(state)

    def _check_options(self, options: dict[str, Any]) -> None:
        check_scalar("lr", options["lr"])
        for name, reason in REFUSED.items():
            if options.get(name):
                kind = type(self).__name__
                raise ValueError(
                    f"{name} = {options[name]!r} is refused by {kind} of this package: {reason}; "
                    f"torch.optim.{kind} has it (_target_: torch.optim.{kind})"
                )


def require_names(where: str, names, held: dict[str, Any]) -> None:
    """Raise ``ValueError`` unless ``held`` has all ``names``."""
    missing = [name for name in names if name not in held]
    if missing:
        known = ", ".join(repr(name) for name in held if name != "params")
        raise ValueError(f"{where} lacks {', '.join(map(repr, missing))}; it has {known}")


def make_plain(group: dict[str, Any]) -> None:
    """Turn options that are tensors into numbers, in place; a learning rate stays, as schedulers fill it in place."""
    for name, value in group.items():
        if name in ("params", "lr", "param_names"):
            continue
        if isinstance(value, Tensor):
            group[name] = value.item()
        elif isinstance(value, tuple):
            group[name] = tuple(entry.item() if isinstance(entry, Tensor) else entry for entry in value)
