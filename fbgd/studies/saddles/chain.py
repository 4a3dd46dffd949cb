r"""A chain of saddles: the function of Du et al. 2017 on which gradient descent takes exponential time.

With curvatures L > 0 across and :math:`-\gamma` along, and the length :math:`\tau`, let i be the first coordinate below
:math:`2\tau`, so that i - 1 saddles are behind. There the function is

.. math::
    f(x) = \sum_{j < i} \big( L (x_j - 4 \tau)^2 - \nu \big) + \begin{cases}
        -\gamma x_i^2 + L x_{i+1}^2 & x_i \le \tau \\
        g_1(x_i) + g_2(x_i) \, x_{i+1}^2 & \tau \le x_i \le 2 \tau
    \end{cases} + \sum_{j > i + 1} L x_j^2

with the polynomials that make it twice continuously differentiable inside the tube,

.. math::
    g_1(x) &= -\gamma x^2 + \frac{(-14 L + 10 \gamma)(x - \tau)^3}{3 \tau}
        + \frac{(5 L - 3 \gamma)(x - \tau)^4}{2 \tau^2} \\
    g_2(x) &= -\gamma - \frac{10 (L + \gamma)(x - 2\tau)^3}{\tau^3} - \frac{15 (L + \gamma)(x - 2\tau)^4}{\tau^4}
        - \frac{6 (L + \gamma)(x - 2\tau)^5}{\tau^5}

and :math:`\nu = -g_1(2 \tau) + 4 L \tau^2`. Its saddles are 0, :math:`(4\tau, 0, \dots)`,
:math:`(4\tau, 4\tau, 0, \dots)`: as many as dimensions, with one way down each, and the minimum is
:math:`(4\tau, \dots, 4\tau)`. While descent waits at one saddle the coordinates of all later ones shrink, so it starts
nearer to the next: the wait grows by a factor from saddle to saddle.

Source: Du, Jin, Lee, Jordan, Póczos & Singh 2017, "Gradient Descent Can Take Exponential Time to Escape Saddle Points",
section 4; recalled, not re-read. As there, f is mirrored at every axis. It differs outside the tube: there the paper
extends it smoothly to the whole space, and here the formulas above are kept, which no path of the study gets to see.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Chain:
    """The function, row by row of points (n, d).

    Args:
        across: L.
        along: gamma.
        length: tau.
    """

    across: float = 1.0
    along: float = 1.0
    length: float = 1.0

    def value(self, points: Tensor) -> Tensor:
        """f of every row (n)."""
        places, across, length = points.abs(), self.across, self.length
        behind = self.behind(points)
        # The saddle that a row is at, and the coordinate after it.
        here = behind.sum(1, keepdim=True)
        order = torch.arange(points.shape[1])
        current, following = order == here, order == here + 1
        passed = across * (places - 4 * length) ** 2 - self.drop
        moving = places > length
        leaving = torch.where(moving, self.bend(places), -self.along * places**2)
        turning = (current & moving).any(1, keepdim=True)
        position = (places * current).sum(1, keepdim=True)
        turned = torch.where(turning, self.turn(position), torch.full_like(position, across))
        ahead = torch.where(following, turned, torch.full_like(turned, across)) * places**2
        return torch.where(behind, passed, torch.where(current, leaving, ahead)).sum(1)

    def gradient(self, points: Tensor) -> Tensor:
        """Of every row (n, d)."""
        with torch.enable_grad():
            leaves = points.detach().requires_grad_()
            return torch.autograd.grad(self.value(leaves).sum(), leaves)[0]

    def behind(self, points: Tensor) -> Tensor:
        """Which coordinates (n, d) have left their saddle, before which no other is still at its own."""
        return (points.detach().abs() >= 2 * self.length).long().cumprod(1).bool()

    def at_minimum(self, points: Tensor) -> Tensor:
        """Which rows (n) have left all saddles."""
        return self.behind(points).all(1)

    def bend(self, place: Tensor) -> Tensor:
        """g_1, from the way out of a saddle into the valley of the next."""
        over, across, along, length = place - self.length, self.across, self.along, self.length
        third = (-14 * across + 10 * along) * over**3 / (3 * length)
        return -along * place**2 + third + (5 * across - 3 * along) * over**4 / (2 * length**2)

    def turn(self, place: Tensor) -> Tensor:
        """g_2, from the curvature across to the one along."""
        over, total = (place - 2 * self.length) / self.length, self.across + self.along
        return -self.along - total * (10 * over**3 + 15 * over**4 + 6 * over**5)

    @property
    def drop(self) -> float:
        """nu, how much lower each saddle is than the one before."""
        return float(4 * self.across * self.length**2 - self.bend(torch.tensor(2.0 * self.length, dtype=torch.float64)))
