"""What the figure ``overparameterised`` is made of: a regime, a learning rate and a weight decay."""

from dataclasses import dataclass

from fbgd.runs.plan import Rung
from fbgd.studies.study import Preset

SGD, FULL_BATCH = "SGD", "full batch"


@dataclass(frozen=True)
class DynamicsPoint:
    """One setting.

    Args:
        regime: a key of :attr:`DynamicsSizes.regimes`.
        rate: the peak learning rate.
        decay: the weight decay.
        words: of the regime.
    """

    regime: str
    rate: float
    decay: float
    words: tuple[str, ...]

    def rung(self, words: tuple[str, ...]) -> Rung:
        """The setting of a run: the preset's ``words`` and the point's own."""
        own = (f"optimizer.lr={self.rate:g}", f"optimizer.weight_decay={self.decay:g}")
        labels = {"regime": self.regime, "rate": f"{self.rate:g}", "decay": f"{self.decay:g}"}
        name = f"{self.regime}, rate {self.rate:g}, decay {self.decay:g}"
        return Rung(name, (*words, *self.words, *own), labels=labels)


@dataclass(frozen=True, kw_only=True)
class DynamicsSizes(Preset):
    """What the figure is made of. The seeds of the comparison follow those of the search, which make choice and map.

    Args:
        regimes: the words of each, the budget in passes among them.
        small, large: the learning rates that are compared, by regime.
        rates: those of the map of SGD.
        decays: weight decays above 0: of the map, and what is chosen from.
    """

    regimes: dict[str, tuple[str, ...]]
    small: dict[str, float]
    large: dict[str, float]
    rates: tuple[float, ...]
    decays: tuple[float, ...]

    def point(self, regime: str, rate: float, decay: float) -> DynamicsPoint:
        """A setting of a regime."""
        return DynamicsPoint(regime, rate, decay, self.regimes[regime])

    def compared(self) -> list[tuple[str, float]]:
        """Regime and learning rate of what is compared with and without decay."""
        return [(regime, rates[regime]) for regime in self.regimes for rates in (self.small, self.large)]
