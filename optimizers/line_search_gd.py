"""Gradient descent whose step is found by a line search."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from optimizers._base import Base
from optimizers._common import (
    check_choice,
    check_range,
    inner,
    learning_rate,
    require_closure,
    value_and_gradient,
    with_gradients,
)
from optimizers.line_search import Point, armijo, barzilai_borwein, strong_wolfe

# Barzilai-Borwein lengths that are taken, in gradients.
SHORTEST, LONGEST = 1e-10, 1e10


class LineSearchGD(Base):
    r"""Gradient descent that searches along its own direction for a step that lowers the objective.

    .. math::
        d = -\eta\,(g + \lambda\theta), \qquad
        \varphi(t) = L(\theta + t\,d) + \tfrac{\lambda}{2}\lVert\theta + t\,d\rVert^2, \qquad
        \theta \leftarrow \theta + t\,d

    One t is found for all groups together; learning rate and weight decay may differ between them. With
    ``initial="growth"`` the Armijo searches begin at :math:`\min(1, \text{growth} \cdot t_{\text{last}})`, so
    :math:`\eta` is their longest step; strong Wolfe begins at the last t and may grow beyond 1. With
    ``initial="barzilai_borwein"`` a search begins at the length

    .. math:: t \eta = \frac{s^\top s}{s^\top y}, \qquad s = \theta_k - \theta_{k-1}, \qquad y = \nabla_k - \nabla_{k-1}

    where s and y are those of the last step, with both gradients on its own samples; where rates differ between
    groups, :math:`t = s^\top \eta^{-1} s / s^\top y`. So neither :math:`\eta` nor its schedule matter any more, but in
    the first step and where :math:`t\eta` is outside [1e-10, 1e10] or :math:`s^\top y \le 0`: those begin with growth.

    A step evaluates the closure once, and once more for every trial. If the evaluations run out, the lowest point is
    taken; the parameters stay if there is none, or where loss or slope are not finite. Afterwards ``.grad`` holds the
    gradient at the step's beginning.

    Where ``.grad`` is not the loss's gradient :math:`\nabla L` but a clipped or noisy :math:`g`, the direction is made
    of g and every slope is :math:`(\nabla L + \lambda\theta) \cdot d`. The closure has to say so: it has a method
    ``value_and_gradient()`` that does what calling it does and returns the loss and a dictionary, from parameters to
    :math:`\nabla L`, as the closure of a run has. A direction that does not lead downhill gives way to
    :math:`-\eta\,(\nabla L + \lambda\theta)`. In groups ``last_slope`` is the slope that the last search began with.

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`\eta \ge 0`, the length of the direction in gradients.
        method: ``"armijo"``, ``"nonmonotone"`` (Armijo against the largest of the last losses) or ``"strong_wolfe"``.
        c1: share of the linear decrease that is asked for, in (0, 1).
        c2: share of the slope that may remain, in (c1, 1); strong Wolfe only.
        backtracking: factor on t after a rejected step, in (0, 1); Armijo only.
        growth: factor > 1 by which t may grow from step to step, and within a strong Wolfe search.
        memory: number of last losses, this step's included; non-monotone only.
        max_evaluations: evaluations of the closure in one search, beside the one at its beginning.
        weight_decay: :math:`\lambda \ge 0`, part of the objective.
        initial: where a search begins, ``"growth"`` or ``"barzilai_borwein"``; ``None``: the latter for
            ``"nonmonotone"``, which is then Raydan's method, and the former for the others.

    Raises:
        ValueError: an argument is outside its range, or ``step`` gets no closure.

    Source: Nocedal & Wright 2006, "Numerical Optimization", chapter 3; Grippo, Lampariello & Lucidi 1986;
    Raydan 1997, "The Barzilai and Borwein Gradient Method for the Large Scale Unconstrained Minimization Problem".

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = LineSearchGD([weight], lr=4.0)
        >>> def closure():
        ...     weight.grad = weight.detach().clone()  # of weight^2 / 2
        ...     return weight.square().sum() / 2
        >>> optimizer.step(closure).item()  # the loss before the step
        0.5
        >>> weight.item(), optimizer.param_groups[0]["last_t"]  # steps 4 and 2 lower nothing, 4 / 4 does
        (0.0, 0.25)
    """

    later: ClassVar[dict[str, object]] = {"last_slope": 0.0, "initial": "growth", "bb_length": 0.0}

    def __init__(
        self,
        params,
        lr: float | Tensor = 1.0,
        method: str = "armijo",
        c1: float = 1e-4,
        c2: float = 0.9,
        backtracking: float = 0.5,
        growth: float = 2.0,
        memory: int = 10,
        max_evaluations: int = 20,
        weight_decay: float = 0.0,
        initial: str | None = None,
    ):
        check_range("lr", lr, 0.0)
        check_choice("method", method, ("armijo", "nonmonotone", "strong_wolfe"))
        check_range("c1", c1, 0.0, 1.0, open_low=True, open_high=True)
        check_range("c2", c2, c1, 1.0, open_low=True, open_high=True)
        check_range("backtracking", backtracking, 0.0, 1.0, open_low=True, open_high=True)
        check_range("growth", growth, 1.0, open_low=True)
        check_range("memory", memory, 1)
        check_range("max_evaluations", max_evaluations, 1)
        check_range("weight_decay", weight_decay, 0.0)
        initial = initial or ("barzilai_borwein" if method == "nonmonotone" else "growth")
        check_choice("initial", initial, ("growth", "barzilai_borwein"))
        defaults = {
            "lr": lr,
            "method": method,
            "c1": c1,
            "c2": c2,
            "backtracking": backtracking,
            "growth": growth,
            "memory": memory,
            "max_evaluations": max_evaluations,
            "weight_decay": weight_decay,
            "initial": initial,
            "last_t": 1.0,
            "bb_length": 0.0,
            "recent_losses": (),
            "last_slope": 0.0,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        """Search along the direction and move; returns the loss at the point before the step, without the decay."""
        require_closure("LineSearchGD", closure)
        loss, own = value_and_gradient(closure)
        line = Line(self.param_groups, closure)
        if not line.params:
            return loss
        start = Point(0.0, *line.measure(loss, own))
        if own is not None and start.slope >= 0:
            line.descend(own)
            start = Point(0.0, *line.measure(loss, own))
        for group in self.param_groups:
            group["last_slope"] = start.slope
        if not (math.isfinite(start.value) and -math.inf < start.slope < 0):
            return loss
        shared = self.param_groups[0]
        recent = (*shared["recent_losses"], start.value)[-shared["memory"] :]
        common = {"c1": shared["c1"], "max_evaluations": shared["max_evaluations"]}
        first, found = self._first_trial(), start
        try:
            if shared["method"] == "strong_wolfe":
                found = strong_wolfe(line, start, first, c2=shared["c2"], growth=shared["growth"], **common)
            else:
                reference = max(recent) if shared["method"] == "nonmonotone" else start.value
                found = armijo(line, start, first, backtracking=shared["backtracking"], reference=reference, **common)
        finally:
            line.move(found.t)
            line.restore_gradients()
        spectral = shared["initial"] == "barzilai_borwein"
        following = barzilai_borwein(start, found, line.squared_length()) if spectral else 0.0
        for group in self.param_groups:
            group["recent_losses"] = recent
            group["last_t"] = found.t or group["last_t"]
            group["bb_length"] = following * learning_rate(group)
        return loss

    def _first_trial(self) -> float:
        """Where the search begins, in units of the direction."""
        shared = self.param_groups[0]
        if shared["initial"] == "barzilai_borwein":
            for group in self.param_groups:
                rate = learning_rate(group)
                # A length is that of every group with a rate of its own, which a schedule may have changed since.
                if rate > 0 and SHORTEST <= group["bb_length"] <= LONGEST:
                    return group["bb_length"] / rate
        if shared["method"] == "strong_wolfe":
            return shared["last_t"]
        return min(1.0, shared["growth"] * shared["last_t"])


class Line:
    """The objective along the direction from the parameters' present values."""

    def __init__(self, groups: list[dict], closure):
        self.closure = closure
        self.params: list[Tensor] = []
        self.gradients: list[Tensor] = []
        self.decays: list[float] = []
        self.rates: list[float] = []
        for group in groups:
            params, gradients = with_gradients(group)
            self.params += params
            self.gradients += [gradient.clone() for gradient in gradients]
            self.decays += [group["weight_decay"]] * len(params)
            self.rates += [learning_rate(group)] * len(params)
        self.start = [param.clone() for param in self.params]
        self.descend()

    def __call__(self, t: float) -> tuple[float, float]:
        self.move(t)
        return self.measure(*value_and_gradient(self.closure))

    def descend(self, own: Mapping[Tensor, Tensor] | None = None) -> None:
        """Point the line against the gradients here, ``own`` or those in ``.grad``, with the decay added."""
        self.directions = [
            (gradient + decay * start) * -rate
            for gradient, start, decay, rate in zip(
                self.gradients_here(own), self.start, self.decays, self.rates, strict=True
            )
        ]

    def gradients_here(self, own: Mapping[Tensor, Tensor] | None) -> list[Tensor]:
        """The gradients at the parameters' present values, in ``own`` or in ``.grad``; 0 where there is none."""
        found = [param.grad if own is None else own.get(param) for param in self.params]
        return [
            torch.zeros_like(param) if gradient is None else gradient
            for param, gradient in zip(self.params, found, strict=True)
        ]

    def measure(self, loss, own: Mapping[Tensor, Tensor] | None) -> tuple[float, float]:
        """Objective and slope at the parameters' present values.

        Args:
            loss: there.
            own: the loss's gradient there; ``None``: it is in ``.grad``.
        """
        decayed = torch._foreach_mul(self.params, self.decays)
        value = float(loss) + inner(decayed, self.params) / 2
        return value, inner(torch._foreach_add(self.gradients_here(own), decayed), self.directions)

    def squared_length(self) -> float:
        """The direction's squared length, in the metric in which it is the steepest: every group's over its rate."""
        pairs = zip(self.directions, self.rates, strict=True)
        return sum(inner([direction], [direction]) / rate for direction, rate in pairs if rate > 0)

    def move(self, t: float) -> None:
        """Set the parameters to the point ``t``; 0 restores them exactly."""
        torch._foreach_copy_(self.params, self.start)
        if t:
            torch._foreach_add_(self.params, self.directions, alpha=t)

    def restore_gradients(self) -> None:
        """Put back the gradients at the beginning, cloned since closures may clear them in place."""
        for param, gradient in zip(self.params, self.gradients, strict=True):
            param.grad = gradient
