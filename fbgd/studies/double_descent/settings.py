"""A point of a double-descent study: which model, on how many samples with how much label noise, trained how."""

from dataclasses import dataclass, replace

from fbgd.runs.plan import Rung
from fbgd.studies.study import Preset


@dataclass(frozen=True)
class Procedure:
    """A way to train: the T of the effective model complexity.

    Args:
        name: what a reader calls it.
        words: what it changes about the preset.
    """

    name: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """One setting of a study. Its name tells all that distinguishes it, so figures share the runs of equal points.

    Args:
        width: of the model.
        label_noise: probability of a label drawn anew.
        train_size: training samples.
        procedure: how it is trained.
    """

    width: int
    label_noise: float
    train_size: int
    procedure: Procedure

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


@dataclass(frozen=True)
class Reference:
    """A model-wise curve from the literature: (width, test error) of its landmarks; ``None`` where it has none.

    Args:
        source: where it stands.
        label_noise: of the curve.
        minimum: the first minimum.
        peak: the peak.
        largest: the largest width.
        seeds: over how many it is a mean.
    """

    source: str
    label_noise: float
    minimum: tuple[int, float] | None
    peak: tuple[int, float] | None
    largest: tuple[int, float]
    seeds: int = 1


@dataclass(frozen=True, kw_only=True)
class Sizes(Preset):
    """What the figures of one data set and model are made of; ``variant`` is the model.

    Args:
        standard: the usual procedure.
        widths: of the model-wise curve.
        few_widths: of figures that vary something else too.
        three_widths: too small, critical and large, for curves over training.
        label_noises: of the model-wise curve, the most telling first, which all other figures use.
        train_size: the usual number of training samples.
        train_sizes: of the sample-wise figure.
        smallest: where the search for the effective model complexity begins, in samples.
        weight_decays: of the regularisation figure.
        procedures: of the stochasticity figure beside the standard one.
        references: model-wise curves from the literature.
        steps: of training, where their number is what is held and not that of the passes.
        warmup_steps: the first of them.
        block_size: samples a step, there.
        draws: whether every seed draws data and label noise of its own.
    """

    standard: Procedure
    widths: tuple[int, ...]
    few_widths: tuple[int, ...]
    three_widths: tuple[int, int, int]
    label_noises: tuple[float, ...]
    train_size: int
    train_sizes: tuple[int, ...]
    smallest: int = 100
    weight_decays: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    procedures: tuple[Procedure, ...] = ()
    references: tuple[Reference, ...] = ()
    steps: int = 0
    warmup_steps: int = 0
    block_size: int = 0
    draws: bool = False

    @property
    def label_noise(self) -> float:
        return self.label_noises[0]

    def point(self, width: int, label_noise: float | None = None, train_size: int | None = None) -> Point:
        """A point trained by the standard procedure, at the usual noise and size where not said otherwise."""
        noise = self.label_noise if label_noise is None else label_noise
        return Point(width, noise, train_size or self.train_size, self.standard)
