"""A point of a double-descent study: which model, on how many samples with how much label noise, trained how."""

from dataclasses import dataclass, replace

from fbgd.study import Rung

SGD = "SGD"


@dataclass(frozen=True)
class Procedure:
    """A way to train, the T of the effective model complexity.

    Args:
        name: ``SGD`` for the preset's own, else what a reader calls it.
        words: what it changes.
    """

    name: str = SGD
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """One setting of a study; its name tells all that distinguishes it, so figures share the runs of equal points.

    Args:
        width: of the model.
        label_noise: probability of a label drawn anew.
        train_size: training samples.
        procedure: how it is trained.
    """

    width: int
    label_noise: float
    train_size: int
    procedure: Procedure = Procedure()

    @property
    def labels(self) -> dict[str, str]:
        return {
            "width": str(self.width),
            "label_noise": f"{self.label_noise:g}",
            "n": str(self.train_size),
            "procedure": self.procedure.name,
        }

    def rung(self, words: tuple[str, ...]) -> Rung:
        """The setting of a run: the preset's ``words`` and the point's own."""
        own = (
            f"model.width={self.width}",
            f"data.label_noise={self.label_noise:g}",
            f"data.train_size={self.train_size}",
            *self.procedure.words,
        )
        name = f"width {self.width}, noise {self.label_noise:g}, n {self.train_size}, {self.procedure.name}"
        return Rung(name, (*words, *own), labels=self.labels)

    def trained(self, procedure: Procedure) -> "Point":
        """The same with another procedure."""
        return replace(self, procedure=procedure)
