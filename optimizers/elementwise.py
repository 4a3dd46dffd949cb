"""Which optimizers treat every entry of every parameter alike, so that a stack of parameters is as good as one."""

import torch

# Those of torch.optim, on which no attribute can be set. Not among them: Adafactor, LBFGS and Muon, which look at whole
# parameters or at all of them, and SparseAdam, which takes no dense gradients.
TORCH = frozenset(
    {
        torch.optim.ASGD,
        torch.optim.Adadelta,
        torch.optim.Adagrad,
        torch.optim.Adam,
        torch.optim.AdamW,
        torch.optim.Adamax,
        torch.optim.NAdam,
        torch.optim.RAdam,
        torch.optim.RMSprop,
        torch.optim.Rprop,
        torch.optim.SGD,
    }
)


def is_elementwise(cls: object) -> bool:
    """Whether an optimizer's class says ``elementwise = True`` itself, or is one of torch.optim's that are.

    A subclass may do anything, so it inherits nothing and has to say so again.

    >>> from optimizers import SGD
    >>> is_elementwise(SGD), is_elementwise(type("Mine", (SGD,), {}))
    (True, False)
    """
    return cls in TORCH or getattr(cls, "__dict__", {}).get("elementwise") is True
