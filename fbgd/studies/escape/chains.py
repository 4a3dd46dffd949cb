"""Descent from a minimum with noise on its gradient, until its loss says that it has left."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from fbgd.seeds import generator
from fbgd.studies.critical_batch.descent import Params, Problem
from regularizers import SGDNoise
from regularizers.roles import Moment
from regularizers.tensor_lists import flatten, unflatten

SGD = "SGD"
# Places on a line between two points.
POINTS = 21


@dataclass(frozen=True)
class Chains:
    """Ways to descend on a problem.

    Args:
        problem: what is descended.
        rate: of every step.
        block: samples of a block, a divisor of the training set's; SGD takes one a step.
        products: with the Hessian in every step, for its leading eigenvector.
    """

    problem: Problem
    rate: float
    block: int
    products: int

    def loss(self, params: Params) -> float:
        """Of the whole training set."""
        with torch.no_grad():
            return float(self.problem.loss(params, self.problem.inputs, self.problem.targets))

    def moved(self, params: Params, gradient: Params) -> Params:
        """A step against a gradient."""
        return [param - self.rate * entry for param, entry in zip(params, gradient, strict=True)]

    def descend(self, params: Params, steps: int) -> Params:
        """Full-batch descent without noise."""
        whole = grad_and_value(self.problem.loss)
        for _ in range(steps):
            params = self.moved(params, whole(params, self.problem.inputs, self.problem.targets)[0])
        return params

    def partition(self, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (K, B, ...) and targets of the blocks of a new partition."""
        order = torch.randperm(len(self.problem.targets), generator=draw).view(-1, self.block)
        return self.problem.inputs[order], self.problem.targets[order]

    def walk(
        self, params: Params, structure: str, scale: float, draw: torch.Generator
    ) -> Iterator[tuple[Params, float]]:
        """Where descent with noise is after each step, and its loss before that step.

        Args:
            params: from here.
            structure: of :class:`regularizers.SGDNoise`; or SGD, which takes a block of a new partition a step.
            scale: of the trace; SGD has its own.
            draw: of partitions and noise.
        """
        whole = single = grad_and_value(self.problem.loss)
        blocks = vmap(single, in_dims=(None, 0, 0))
        noise = None if structure == SGD else SGDNoise(structure, scale, products=self.products)
        moment = Moment(passes=0.0, generator=lambda: draw)
        while True:
            cut = self.partition(draw)
            gradient, loss = whole(params, self.problem.inputs, self.problem.targets)
            if noise is None:
                gradient = single(params, cut[0][0], cut[1][0])[0]
            else:
                gradient = noise(gradient, params, partial(self.shares, blocks, cut), moment)
            params = self.moved(params, gradient)
            yield params, float(loss)

    def shares(self, blocks: Callable[..., tuple[Params, Tensor]], cut: tuple[Tensor, Tensor], at: Params) -> list:
        """The weight of each block and all of their gradients, as :class:`regularizers.SGDNoise` wants them."""
        return [(1 / len(cut[0]), blocks(at, *cut)[0])]

    def leave(self, params: Params, structure: str, scale: float, most: int, rise: float, draw: torch.Generator):
        """After how many steps the loss is first more than ``rise`` above that of ``params``, and where all steps end.

        The number is infinite where it never is.

        Args:
            params: a minimum.
            structure: see :meth:`walk`.
            scale: see :meth:`walk`.
            most: all steps.
            rise: of the training loss.
            draw: of partitions and noise.
        """
        bound, left, at = self.loss(params) + rise, math.inf, params
        for step, (ahead, loss) in enumerate(self.walk(params, structure, scale, draw)):
            # A loss that is no number has left too.
            if not loss <= bound:
                left = min(left, step)
            if step == most:
                return left, at
            at = ahead

    def first_rise(self, params: Params, structure: str, draws: int, seed: int) -> float:
        """The mean rise of the loss by the noise of one step alone, at the trace of SGD's: without the gradient.

        Draws come in pairs of opposite signs, so that a slope that is left at ``params`` does not count.
        """
        total, start = 0.0, self.loss(params)
        ahead = self.descend(params, 1)
        for index in range(draws):
            walk = self.walk(params, structure, 1.0, generator(seed, f"first rise {structure}", index))
            shift = [at - own for at, own in zip(next(walk)[0], ahead, strict=True)]
            for sign in (1, -1):
                total += self.loss([own + sign * more for own, more in zip(params, shift, strict=True)]) - start
        return total / (2 * draws)


def barrier(loss: Callable[[Params], float], first: Params, second: Params) -> float:
    """How far the loss rises on the line between two places above the higher of both ends; 0 where it does not."""
    lines = torch.linspace(0, 1, POINTS).tolist()
    values = [loss([(1 - t) * own + t * other for own, other in zip(first, second, strict=True)]) for t in lines]
    return max(values) - max(values[0], values[-1])


def dense(problem: Problem, params: Params) -> Tensor:
    """The Hessian (D, D) of the loss over the whole training set, in double precision."""
    inputs, targets = (
        part.double() if part.is_floating_point() else part for part in (problem.inputs, problem.targets)
    )
    like = [param.double() for param in params]
    return torch.func.hessian(lambda at: problem.loss(unflatten(at, like), inputs, targets))(flatten(like))


def largest(hessian: Tensor) -> float:
    """The largest eigenvalue; not a number where the matrix is none."""
    return float(torch.linalg.eigvalsh(hessian)[-1]) if bool(hessian.isfinite().all()) else math.nan


def block_covariance(chains: Chains, params: Params, partitions: int, seed: int) -> Tensor:
    """The covariance (D, D) of the gradient of a block, in double precision, in the mean over partitions."""
    per_block = vmap(grad_and_value(chains.problem.loss), in_dims=(None, 0, 0))
    total: Tensor | float = 0.0
    for index in range(partitions):
        gradients, _ = per_block(params, *chains.partition(generator(seed, "covariance", index)))
        rows = torch.cat([entry.flatten(1) for entry in gradients], dim=1).double()
        centred = rows - rows.mean(dim=0)
        total = total + centred.T @ centred / len(rows) / partitions
    assert isinstance(total, Tensor), "there is at least one partition"
    return total


def predicted_rises(hessian: Tensor, covariance: Tensor, rate: float) -> dict[str, float]:
    r"""The rise of the loss by one step's noise to second order, :math:`\tfrac{h^2}{2} \operatorname{tr}(H \Sigma)`.

    .. math::
        \Sigma = \tfrac{\operatorname{tr} C}{D} I, \quad \operatorname{diag} C, \quad C, \quad
        \operatorname{tr}(C)\, u u^T

    for isotropic, diagonal, covariance-shaped and leading noise, and C for SGD.

    Args:
        hessian: H (D, D).
        covariance: C (D, D).
        rate: h.

    >>> rises = predicted_rises(torch.diag(torch.tensor([3.0, 1.0])), torch.diag(torch.tensor([2.0, 0.0])), rate=1.0)
    >>> [round(value, 6) for value in rises.values()]  # isotropic, diagonal, covariance, leading, SGD
    [2.0, 3.0, 3.0, 3.0, 3.0]
    """
    trace, aligned = float(covariance.trace()), float((hessian * covariance).sum())
    rises = {
        "isotropic": trace / len(hessian) * float(hessian.trace()),
        "diagonal": float(hessian.diagonal() @ covariance.diagonal()),
        "covariance": aligned,
        "leading": trace * largest(hessian),
        SGD: aligned,
    }
    return {name: rate**2 / 2 * value for name, value in rises.items()}
