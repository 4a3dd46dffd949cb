r"""Descent at its edge beside the central flow and the gradient flow, all from the same place, in double precision.

Descent is looked at without its oscillation, which changes its sign at every step:

.. math::
    \bar\theta_k = \tfrac14 \theta_{k-1} + \tfrac12 \theta_k + \tfrac14 \theta_{k+1}, \qquad
    \delta_k = \theta_k - \bar\theta_k
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fbgd.studies.edge_of_stability.central import CurvedLandscape, central_step, hold
from fbgd.studies.edge_of_stability.trajectories import LONGEST, runge_kutta

# The central flow is held from this share of 2 / h on.
CALM = 0.8
# How far from 2 / h the sharpness of the mean path may be, and which share of the loss the oscillation has to add, for
# descent to be at its edge.
AT_EDGE, SEEN = 0.05, 1e-3
# Looks for the crossing to one of those that are wanted in the time of it.
FINE = 8
# Steps of descent to a step of the central flow.
STRIDE = 2
START, EDGE = "from the start", "from the edge"


class Step(NamedTuple):
    """A step of descent: where it is, and where it is without its oscillation (D each)."""

    at: Tensor
    middle: Tensor

    @property
    def oscillation(self) -> Tensor:
        """The difference of both."""
        return self.at - self.middle


def descent(place: CurvedLandscape, rate: float) -> Iterator[Step]:
    """The steps of descent from the start on, the start itself first."""
    before = at = place.start
    while True:
        after = at - rate * place.gradient(at)
        yield Step(at, before / 4 + at / 2 + after / 4)
        before, at = at, after


def sharpness(place: CurvedLandscape, at: Tensor) -> float:
    """The largest eigenvalue of the Hessian."""
    return float(torch.linalg.eigvalsh(place.hessian(at))[-1])


def alignment(predicted: Tensor, measured: Tensor) -> float:
    """The cosine between two covariances (D, D): 1 for equal shapes, not a number where one is zero."""
    sizes = float(predicted.norm() * measured.norm())
    return float((predicted * measured).sum()) / sizes if sizes else math.nan


def crossing(place: CurvedLandscape, rate: float, longest: float, looks: int) -> int | None:
    """After how many steps the sharpness of descent is first seen at 2 / h; nothing where it begins there or never is.

    Args:
        place: where.
        rate: h.
        longest: time until when it is looked for, h times steps.
        looks: so many, evenly spaced.
    """
    between = max(1, round(longest / rate / looks))
    for look, step in enumerate(islice(descent(place, rate), 0, looks * between + 1, between)):
        if sharpness(place, step.at) >= 2 / rate:
            return look * between or None
    return None


def settling(place: CurvedLandscape, rate: float, crossed: int, between: int, most: int) -> int | None:
    """After how many steps descent is at its edge; nothing where it does not come there.

    There it is seen twice in a row after the crossing with the sharpness of its mean path within :data:`AT_EDGE` of
    2 / h and with an oscillation that adds more than :data:`SEEN` of the loss to it.

    Args:
        place: where.
        rate: h.
        crossed: steps to the crossing.
        between: steps from look to look.
        most: steps that it may take.
    """
    seen, walk = 0, enumerate(descent(place, rate))
    for count, step in islice(walk, crossed, most + 1, between):
        away = abs(sharpness(place, step.middle) * rate / 2 - 1)
        added = float(step.oscillation.square().sum()) / rate
        seen = seen + 1 if away < AT_EDGE and added > SEEN * place.loss(step.middle) else 0
        if seen == 2:
            return count
    return None


@dataclass
class Flows:
    """Central flow and gradient flow from the same place.

    Args:
        place: where.
        rate: h.
        central: where the central flow is (D).
        flow: where the gradient flow is (D).
        central_sharpness: the largest eigenvalue of the Hessian there, as last seen.
        flow_sharpness: the same of the gradient flow.
    """

    place: CurvedLandscape
    rate: float
    central: Tensor
    flow: Tensor
    central_sharpness: float
    flow_sharpness: float

    @property
    def calm(self) -> bool:
        """Whether the central flow is so far from its bound that it need not be held before the next look."""
        return self.central_sharpness < CALM * 2 / self.rate

    def advance(self) -> Tensor:
        """Both for the time of :data:`STRIDE` steps of descent; the predicted oscillation, see :class:`Held`."""
        time, gradient = STRIDE * self.rate, self.place.gradient
        self.flow = runge_kutta(gradient, self.flow, time, math.ceil(time * max(self.flow_sharpness, 1.0) / LONGEST))
        if self.calm:
            self.central = runge_kutta(gradient, self.central, time, 2 * STRIDE)
            return self.central.new_zeros(len(self.central), 0)
        held = central_step(self.place, self.central, self.rate, STRIDE)
        self.central = held.at
        return held.spread

    def look(self) -> None:
        """See how sharp both are."""
        self.central_sharpness = sharpness(self.place, self.central)
        self.flow_sharpness = sharpness(self.place, self.flow)


def flows_from(place: CurvedLandscape, begin: Tensor, rate: float) -> Flows:
    """Both from ``begin`` (D), the central flow from the nearest place that is not above its bound."""
    flows = Flows(place, rate, hold(place, begin, 2 / rate, rate).at, begin, 0.0, 0.0)
    flows.look()
    return flows


def compare(
    place: CurvedLandscape, steps: Iterator[Step], begin: Tensor, rate: float, looks: int, between: int
) -> list:
    """A row a look at descent, central flow and gradient flow; means are over the steps since the last look.

    Columns: ``sharpness``, ``central_sharpness`` and ``flow_sharpness``; ``central_distance`` and ``flow_distance``, of
    descent without its oscillation from both flows; ``way`` of the gradient flow; and those of :func:`means`.

    Args:
        place: where.
        steps: of descent, after the one that is at ``begin``.
        begin: where both flows begin (D).
        rate: h.
        looks: so many.
        between: steps of descent from look to look, a multiple of :data:`STRIDE`.
    """
    flows, rows = flows_from(place, begin, rate), []
    for _ in range(looks):
        walked = list(islice(steps, between))
        found = means(walked, flows)
        flows.look()
        middle = walked[-1].middle
        rows.append(
            {
                "sharpness": sharpness(place, middle),
                "central_sharpness": flows.central_sharpness,
                "flow_sharpness": flows.flow_sharpness,
                "central_distance": float((middle - flows.central).norm()),
                "flow_distance": float((middle - flows.flow).norm()),
                "way": float((flows.flow - begin).norm()),
                **found,
            }
        )
    return rows


def means(walked: list[Step], flows: Flows) -> dict[str, float]:
    """Advance the flows beside steps of descent; what is equal in the mean over that time, if the theory holds.

    Columns: ``loss`` of descent, ``predicted_loss``, that of the central flow with what the oscillation adds, and
    ``flow_loss``; ``variance`` and ``predicted_variance``, the traces of the measured and the predicted covariance; and
    ``alignment``, the cosine between both.
    """
    pieces, loss = len(walked) // STRIDE, flows.place.loss
    predicted = torch.zeros(len(flows.central), len(flows.central)).to(flows.central)
    central_loss = flow_loss = 0.0
    for _ in range(pieces):
        spread = flows.advance()
        predicted += spread @ spread.T / pieces
        central_loss += loss(flows.central) / pieces
        flow_loss += loss(flows.flow) / pieces
    oscillations = torch.stack([step.oscillation for step in walked])
    measured = oscillations.T @ oscillations / len(walked)
    variance = float(predicted.trace())
    return {
        "loss": sum(loss(step.at) for step in walked) / len(walked),
        "predicted_loss": central_loss + variance / flows.rate,
        "flow_loss": flow_loss,
        "variance": float(measured.trace()),
        "predicted_variance": variance,
        "alignment": alignment(predicted, measured),
    }


def follow_both(place: CurvedLandscape, rate: float, longest: float, looks: int) -> pd.DataFrame:
    """Both comparisons of one learning rate, each for some time in units of that of the crossing.

    One begins at the start and takes twice that time, the other begins where descent is at its edge, see
    :func:`settling`, and takes it once. ``begin`` is which, ``share`` the time since then in that unit, ``crossed`` the
    unit and ``settled`` the time at which the second begins. Nothing where descent begins at 2 / h or has not come
    there.

    Args:
        place: where.
        rate: h.
        longest: time until when the crossing, and the edge after it, are looked for.
        looks: in the unit of time.
    """
    steps = crossing(place, rate, longest, FINE * looks)
    if steps is None:
        return pd.DataFrame()
    between = STRIDE * max(1, round(steps / looks / STRIDE))
    settled = settling(place, rate, steps, between, round(longest / rate))
    walk, parts = descent(place, rate), {}
    parts[START] = compare(place, walk, next(walk).at, rate, 2 * looks, between)
    if settled is not None:
        walk = islice(descent(place, rate), settled, None)
        parts[EDGE] = compare(place, walk, next(walk).middle, rate, looks, between)
    tables = [
        pd.DataFrame(rows).assign(begin=begin, share=(1 + np.arange(len(rows))) / looks)
        for begin, rows in parts.items()
    ]
    at = math.nan if settled is None else settled * rate
    return pd.concat(tables, ignore_index=True).assign(rate=rate, crossed=steps * rate, settled=at)
