"""ByShape: one optimizer for matrices, another one for all other parameters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Optimizer

from optimizers._common import check_range, evaluate_closure
from optimizers.adam import AdamW


class ByShape(Optimizer):
    r"""Hand parameters of two dimensions or more to one optimizer, as matrices, and all others to another one.

    A weight of shape (out, a, b, ...) is seen as the matrix (out, a b ...) in the same memory, so that
    ``torch.optim.Muon``, which takes matrices only, trains convolutional networks. Columns come in the order in which
    they lie in memory. Every given group becomes two in ``param_groups``, first all groups of matrices, then all
    others; both hold the parameters themselves, with the options of their optimizer.

    Args:
        params: parameters or parameter groups; a group's own ``lr`` and ``others_lr`` take the place of those below.
        lr: learning rate of the matrices.
        matrices: makes the optimizer of the matrices from groups and ``lr``; ``None``: ``torch.optim.Muon``.
        others: makes the optimizer of all other parameters likewise.
        others_lr: learning rate of all other parameters.

    Raises:
        ValueError: a learning rate is outside its range, one of the two optimizers refuses an argument, or Muon gets a
            complex parameter.
        RuntimeError: a parameter group is added later.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", whose advice is to flatten
    the last dimensions of convolutions. It leaves embeddings and the output layer to AdamW: to do so here, give
    them to an optimizer of their own.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(3, 2)
        >>> optimizer = ByShape(model.parameters(), lr=0.02, others_lr=0.001)
        >>> model(torch.ones(1, 3)).sum().backward()
        >>> optimizer.step()
        >>> [(type(part).__name__, part.param_groups[0]["lr"]) for part in (optimizer.matrices, optimizer.others)]
        [('Muon', 0.02), ('AdamW', 0.001)]
    """

    def __init__(
        self,
        params,
        lr: float | Tensor = 0.02,
        matrices: Callable[..., Optimizer] | None = None,
        others: Callable[..., Optimizer] = AdamW,
        others_lr: float | Tensor = 3e-4,
    ):
        check_range("lr", lr, 0.0)
        check_range("others_lr", others_lr, 0.0)
        super().__init__(params, {"lr": lr, "others_lr": others_lr})
        self.views: dict[Tensor, Tensor] = {}
        halves: tuple[list[dict], list[dict]] = ([], [])
        for group in self.param_groups:
            options = {key: group[key] for key in group.keys() - {"params", "param_names", "lr", "others_lr"}}
            large = [param for param in group["params"] if param.ndim >= 2]
            self.views.update((param, as_matrix(param.detach())) for param in large)
            small = [param for param in group["params"] if param.ndim < 2]
            halves[0].append({**options, "lr": group["lr"], "params": [self.views[param] for param in large]})
            halves[1].append({**options, "lr": group["others_lr"], "params": small})
        make_matrices: Callable[..., Optimizer] = matrices or torch.optim.Muon
        self.matrices = make_matrices(halves[0], lr=lr)
        if isinstance(self.matrices, torch.optim.Muon) and any(view.is_complex() for view in self.views.values()):
            raise ValueError(
                "torch.optim.Muon orthogonalises real matrices and drops imaginary parts, but a parameter is complex: "
                "give ByShape matrices=, an optimizer that takes complex parameters"
            )
        self.others = others(halves[1], lr=others_lr)
        originals = {view: param for param, view in self.views.items()}
        for group in self.matrices.param_groups:
            group["params"] = [originals[view] for view in group["params"]]
        self._share()

    def _share(self) -> None:
        self.param_groups = self.matrices.param_groups + self.others.param_groups

    @contextmanager
    def _as_matrices(self) -> Iterator[None]:
        """The groups of the matrices hold views while this lasts, current in data and gradient."""
        held = [group["params"] for group in self.matrices.param_groups]
        # Memory may have moved since the last time (Module.to), so the views follow.
        for param, view in self.views.items():
            view.data = as_matrix(param.detach())
            view.grad = None if param.grad is None else as_matrix(param.grad, like=param)
        for group in self.matrices.param_groups:
            group["params"] = [self.views[param] for param in group["params"]]
        try:
            yield
        finally:
            for group, params in zip(self.matrices.param_groups, held, strict=True):
                group["params"] = params
            for view in self.views.values():
                view.grad = None

    @torch.no_grad()
    def step(self, closure=None):
        """Take a step of both optimizers; returns the closure's loss, if there is a closure."""
        loss = evaluate_closure(closure)
        with self._as_matrices():
            self.matrices.step()
        self.others.step()
        return loss

    def add_param_group(self, param_group: dict) -> None:
        """Refused once both optimizers are made."""
        if hasattr(self, "others"):
            raise RuntimeError("ByShape takes all its parameter groups when it is made")
        super().add_param_group(param_group)

    def __getstate__(self) -> dict:
        own = {"views": self.views, "matrices": self.matrices, "others": self.others}
        return {**super().__getstate__(), **own}

    def state_dict(self) -> dict:
        """The state_dicts of both optimizers, by ``"matrices"`` and ``"others"``."""
        with self._as_matrices():
            return {"matrices": self.matrices.state_dict(), "others": self.others.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        """Load both optimizers and share their groups again."""
        with self._as_matrices():
            self.matrices.load_state_dict(state_dict["matrices"])
        self.others.load_state_dict(state_dict["others"])
        self._share()


def as_matrix(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """``tensor`` as (first dimension, the rest); without ``like`` a view, with it in the order of its columns."""
    model = tensor if like is None else like
    # With channels last the dimensions lie in another order, and only that order is a view.
    rest = sorted(range(1, tensor.ndim), key=model.stride, reverse=True)
    ordered = tensor.permute(0, *rest)
    shape = (len(tensor), -1)
    return ordered.view(shape) if like is None else ordered.reshape(shape)
