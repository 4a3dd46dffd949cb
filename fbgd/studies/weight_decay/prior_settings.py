"""What the figure ``map`` is made of: models trained to the mode of their posterior, or without a prior."""

from dataclasses import dataclass

from fbgd.runs.plan import Rung
from fbgd.studies.study import Preset

LINEAR, MLP = "linear", "MLP"
MODELS = {LINEAR: ("model=mlp", "model.layers=0"), MLP: ("model=mlp", "model.layers=1")}
# How a model is trained: to the minimiser by L-BFGS, or for long with a step that is known to converge.
LBFGS = "L-BFGS, prior"
DESCENT, L2, ADAM, ADAMW = "GD, prior", "GD, L2", "Adam, L2", "AdamW, decoupled decay"
LONG = ("record.every=100", "record.evaluate_every=500")


@dataclass(frozen=True)
class PriorPoint:
    r"""A model, its number of samples, and the precision :math:`1/\sigma^2 = n\lambda` of its prior; 0 for none.

    Args:
        model: a key of :data:`MODELS`.
        train_size: n.
        precision: of the prior.
        how: it is trained.
        words: what that takes.
    """

    model: str
    train_size: int
    precision: float
    how: str
    words: tuple[str, ...]

    def rung(self, words: tuple[str, ...]) -> Rung:
        """The setting of a run: the preset's ``words`` and the point's own."""
        labels = {"model": self.model, "n": str(self.train_size), "precision": f"{self.precision:g}", "how": self.how}
        size = (f"data.train_size={self.train_size}", f"regime.block_size={self.train_size}")
        name = f"{self.model}, n {self.train_size}, precision {self.precision:g}, {self.how}"
        return Rung(name, (*words, *MODELS[self.model], *size, *self.words), labels=labels)


@dataclass(frozen=True, kw_only=True)
class PriorSizes(Preset):
    """What the figure is made of.

    Args:
        mlp: words of the MLP alone.
        train_sizes: numbers of samples.
        precisions: of the priors that are compared, 0 for none.
        held_precision: of the prior whose mode every way to train is measured against.
        held_sizes: numbers of samples at which that is done.
        solves: steps of L-BFGS, of 20 iterations each.
        passes: of the long trainings.
    """

    mlp: tuple[str, ...]
    train_sizes: tuple[int, ...]
    precisions: tuple[float, ...]
    held_precision: float
    held_sizes: tuple[int, ...]
    solves: int
    passes: int

    def solved(self, model: str, train_size: int, precision: float) -> PriorPoint:
        """A point trained to its minimiser; without a prior that of separable labels lies at infinity."""
        words = (
            "optimizer=lbfgs",
            "schedule=constant",
            f"budget.passes={self.solves}",
            *(self.mlp if model == MLP else ()),
        )
        return PriorPoint(model, train_size, precision, LBFGS, (*words, *gaussian_prior(precision)))

    def compared(self, train_size: int) -> list[PriorPoint]:
        """The linear model with one strength, trained in four ways that are meant to be the same."""
        strength = self.held_precision / train_size
        plain = ("optimizer=sgd", "optimizer.lr=0.1", "optimizer.weight_decay=0", "schedule=constant")
        ways = {
            DESCENT: (*plain, *gaussian_prior(self.held_precision)),
            L2: (*plain, *l2(strength)),
            ADAM: ("optimizer=adam", "optimizer.lr=0.01", "schedule=cosine", *l2(strength)),
            ADAMW: ("optimizer=adamw", "optimizer.lr=0.01", "schedule=cosine", f"optimizer.weight_decay={strength!r}"),
        }
        return [
            PriorPoint(
                LINEAR, train_size, self.held_precision, how, (*words, f"budget.passes={self.passes}", *LONG)
            )
            for how, words in ways.items()
        ]  # fmt: skip


def gaussian_prior(precision: float) -> tuple[str, ...]:
    """The words for a prior of this precision."""
    if not precision:
        return ()
    return ("regularizer=gaussian_prior", f"regularizer.gaussian_prior.sigma={precision**-0.5!r}")


def l2(strength: float) -> tuple[str, ...]:
    """The words for L2 in the loss."""
    return ("regularizer=l2", f"regularizer.l2.strength={strength!r}")
