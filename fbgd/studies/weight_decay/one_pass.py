"""The settings of one-pass training with and without weight decay: which cells there are, and what they are made of."""

from dataclasses import dataclass

from fbgd.runs.plan import Rung
from fbgd.studies.study import Preset

COSINE, CONSTANT, PROBE = "cosine", "constant", "constant, then tiny"
MATCHED = "cosine, matched"


def several_passes(schedule: str) -> bool:
    """Whether the cells of this name see their tokens more than once."""
    return schedule.endswith("passes")


@dataclass(frozen=True)
class Cell:
    """A schedule and a weight decay.

    Args:
        schedule: what a reader calls it.
        weight_decay: lambda.
        words: what both change about the preset.
    """

    schedule: str
    weight_decay: float
    words: tuple[str, ...]

    def rung(self, words: tuple[str, ...]) -> Rung:
        """The setting of a run: the preset's ``words`` and the cell's own."""
        labels = {"schedule": self.schedule, "weight_decay": f"{self.weight_decay:g}"}
        return Rung(f"{self.schedule}, weight decay {self.weight_decay:g}", (*words, *self.words), labels=labels)


@dataclass(frozen=True, kw_only=True)
class OnePass(Preset):
    """A language model that sees no token twice.

    Args:
        samples: windows of training text, each of them seen once.
        decays: weight decays beside 0, ascending.
        probe: the share of the steps that the tiny rate of the probe takes.
        tiny: the factor on the learning rate there.
        final: the factor at the end of the cosine.
        warmup: the share of the steps that warm-up takes.
        interval: the share of the steps between two recorded rows.
        repeats: passes over that fraction of the text, in the contrast where tokens are seen again.
    """

    samples: int
    decays: tuple[float, ...]
    probe: float = 0.1
    tiny: float = 1 / 60
    final: float = 0.1
    warmup: float = 0.02
    interval: float = 0.02
    repeats: int = 10

    def made(self, schedule: str, decay: float, words: tuple[str, ...], passes: int = 1) -> Cell:
        """A cell, trained for as many steps as every other."""
        own = (
            f"data.train_size={self.samples // passes}",
            f"budget.passes={passes}",
            f"record.every={self.interval * passes:g}",
            f"record.evaluate_every={passes / 5:g}",
            f"optimizer.weight_decay={decay:g}",
            *words,
        )
        return Cell(schedule, decay, own)

    def cell(self, schedule: str, decay: float) -> Cell:
        """A cell of the grid of schedules and weight decays."""
        warmup = f"schedule.warmup={self.warmup:g}"
        words = {
            COSINE: ("schedule=cosine", warmup, f"schedule.final={self.final:g}"),
            CONSTANT: ("schedule=constant", warmup),
            PROBE: (
                "schedule=step",
                warmup,
                # Milestones are fractions of what comes after the warm-up; the hair's breadth is for rounding.
                f"schedule.milestones=[{(1 - self.probe - self.warmup) / (1 - self.warmup) - 1e-9!r}]",
                f"schedule.gamma={self.tiny:g}",
            ),
        }
        return self.made(schedule, decay, words[schedule])

    def repeated(self, decay: float) -> Cell:
        """The contrast: as many steps, on a fraction of the text."""
        warmup = f"schedule.warmup={self.warmup * self.repeats:g}"
        words = ("schedule=cosine", warmup, f"schedule.final={self.final:g}")
        return self.made(f"{COSINE}, {self.repeats} passes", decay, words, self.repeats)

    def matched(self, ratios: list[float]) -> Cell:
        """No weight decay, at the course of the effective learning rate that ``ratios`` give."""
        course = ", ".join(f"{ratio:.9g}" for ratio in ratios)
        return self.made(MATCHED, 0.0, ("schedule=effective_rate", f"schedule.ratios=[{course}]"))

    @property
    def grid(self) -> list[Cell]:
        """All cells but the matched ones, which need the runs of these."""
        decays = (0.0, *self.decays)
        cells = [self.cell(schedule, decay) for schedule in (COSINE, CONSTANT, PROBE) for decay in decays]
        return cells + [self.repeated(decay) for decay in decays]


SHARED = (
    "regime=sgd",
    "optimizer=adamw",
    "optimizer.betas=[0.9, 0.95]",
    "optimizer.weight_decay_of=matrices",
    "regularizer=[gradient_clipping]",
    "regularizer.gradient_clipping.max_norm=1",
    "record.layers=true",
    "impl.blocks_per_call=1",
)

# By data, the usual one first. Where steps are fewer than the published ones, weight decays are larger: learning rate
# times weight decay times steps is 3 and 9, as published at a constant rate for 0.1 and 0.3.
PRESETS = {
    "python_source": OnePass(
        words=(
            "data=python_source",
            "data.source.length=64",
            "data.source.train_bytes=3400000",
            "data.source.test_bytes=262144",
            "model=gpt",
            *SHARED,
            "regime.block_size=32",
            "optimizer.lr=0.003",
        ),
        samples=51_200,
        decays=(0.625, 1.875),
    ),
    # Steps of 256 windows of 256 tokens; the text and its tokenizer are the user's.
    "text": OnePass(
        words=(
            "data=text",
            "data.source.length=256",
            "model=gpt2_124m",
            "model.length=256",
            *SHARED,
            "regime.block_size=256",
            "optimizer.lr=0.0006",
        ),
        samples=50_000 * 256,
        decays=(0.1, 0.3),
        warmup=400 / 50_000,
        interval=400 / 50_000,
    ),
}
