"""SGD's noise, replaced at equal trace: does its shape matter, its size, or neither?

    python scripts/noise.py                     digits with wrong labels, an MLP, 10 settings x 10 seeds, 5 minutes
    python scripts/noise.py --only "SGD" --only "covariance"
    python scripts/noise.py data=mnist1d        the same network on MNIST-1D
    python scripts/noise.py data=fashion_mnist  1200 images, a CNN, as in Zhu et al.; hours
    python scripts/noise.py --list              every setting
    python scripts/noise.py --quick             under a minute, to see that everything runs

Full-batch descent gets Gaussian noise on its gradient whose covariance has, at every point, the trace of that of SGD's
gradient of one block there: isotropic, diagonal, with the covariance of the blocks, or along the leading eigenvector of
the Hessian (regularizer=sgd_noise). All settings take the same number of steps with one learning rate, constant; SGD
takes as many steps a pass as there are blocks, so a full-batch step costs that many times more, and one with noise
twice that.

What to expect: noise with the covariance of the blocks tests better than isotropic noise of the same trace, and four
times that trace harms. Results go to results/noise/<data>/: table.md, table.csv, runs.csv, measurements.csv,
claims.csv, accuracy.png, anisotropy.png, spectrum.png. A finished run is never computed again, an interrupted one
resumes.
"""

from dataclasses import dataclass, replace

import pandas as pd

from fbgd.runs.plan import PlannedRun, Rung, curves
from fbgd.studies.noise_claims import CLAIMS, NONE, SGD
from fbgd.studies.noise_drawing import accuracy_figure, anisotropy_figure, spectrum_figure
from fbgd.studies.study import Preset, Study

STRUCTURES = ("isotropic", "diagonal", "covariance", "leading")
# Traces as they are called, and settings that get all of them; the others have SGD's own.
TRACES = {"0.25": 0.25, "1": 1.0, "4": 4.0}
AT_EVERY_TRACE = ("isotropic", "covariance")
# Settings whose noise and curvature are looked at.
PROBED = ((SGD, "1"), (NONE, "0"), ("covariance", "1"))
PLAIN = ("optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0")


@dataclass(frozen=True, kw_only=True)
class NoisePreset(Preset):
    """Sizes.

    Args:
        samples: of the training set.
        block_size: of a step of SGD, a divisor of ``samples``.
        steps: of every run, a whole number of SGD's passes.
        rate: the learning rate.
        looks: of the probes, over training.
        products: with the Hessian, for its leading eigenvector in every step, and for either trace at every look.
        eigenvalues: so many, of gradient covariance and Hessian.
    """

    seeds: int = 10
    samples: int = 400
    block_size: int = 20
    steps: int = 200
    rate: float = 0.5
    looks: int = 4
    products: int = 3
    eigenvalues: int = 10


PRESETS = {
    "digits": NoisePreset(
        words=("data=digits", "data.source.test=1000", "data.label_noise=0.2", "model=mlp", "model.layers=1")
    ),
    "mnist1d": NoisePreset(
        words=("data=mnist1d", "data.source.test=4000", "model=mlp", "model.width=50"), samples=1000, steps=1000
    ),
    # 1000 images with their labels and 200 with random ones, nine of ten of which are wrong.
    "fashion_mnist": NoisePreset(
        words=("data=fashion_mnist", "data.label_noise=0.15", "model=cnn", "model.norm=none"), samples=1200, steps=6000
    ),
}


def rungs(preset: NoisePreset) -> list[Rung]:
    """SGD, descent without noise, and with every kind of it."""
    kinds = [(SGD, "1"), (NONE, "0"), *((name, "1") for name in STRUCTURES)]
    kinds += [(name, trace) for name in AT_EVERY_TRACE for trace in TRACES if trace != "1"]
    return [rung(preset, structure, trace) for structure, trace in kinds]


def rung(preset: NoisePreset, structure: str, trace: str) -> Rung:
    """One setting; the steps of all are as many."""
    blocks = preset.samples // preset.block_size
    passes = preset.steps // blocks if structure == SGD else preset.steps
    words = [
        *(*preset.words, f"data.train_size={preset.samples}", *PLAIN, f"optimizer.lr={preset.rate:g}"),
        *("schedule=constant", f"regime.block_size={preset.block_size}", "regime.order=reshuffle"),
        *(f"budget.passes={passes:g}", f"record.every={passes / 10:g}", f"record.evaluate_every={passes / 10:g}"),
    ]
    if structure == SGD:
        words += ["regime=sgd", "impl.blocks_per_call=1"]
    else:
        words += ["regime=full_batch", f"impl.blocks_per_call={blocks}"]
    if structure in STRUCTURES:
        options = {"structure": structure, "scale": f"{TRACES[trace]:g}", "products": str(preset.products)}
        words += ["regularizer=[sgd_noise]", *(f"regularizer.sgd_noise.{key}={it}" for key, it in options.items())]
    if (structure, trace) in PROBED:
        words += probe_words(preset, passes)
    return Rung(f"{structure}, trace {trace}", tuple(words), labels={"structure": structure, "trace": trace})


def probe_words(preset: NoisePreset, passes: float) -> list[str]:
    """The covariance of block gradients every so many passes, the Hessian's largest eigenvalues at the end."""
    covariance, sharpness = "probe.gradient_covariance", "probe.sharpness"
    return [
        "probe=[gradient_covariance,sharpness]",
        f"{covariance}.every={passes / preset.looks:g}",
        f"{covariance}.count={preset.eigenvalues}",
        f"{covariance}.vectors={preset.products}",
        # After the last step only.
        f"{sharpness}.every={10 * passes:g}",
        f"{sharpness}.count={preset.eigenvalues}",
        f"{sharpness}.steps={2 * preset.eigenvalues}",
    ]


def measure(planned: list[PlannedRun]) -> pd.DataFrame:
    """What the probes saw: a row a look of every probed run; eigenvalues of the Hessian in its last row."""
    rows = curves(planned)
    columns = [name for name in rows if name.startswith(("gradient_covariance/", "sharpness/"))]
    if not columns:
        return pd.DataFrame()
    looked = rows.dropna(subset=["gradient_covariance/trace"])
    return looked[["structure", "trace", "seed", "step", *columns]].reset_index(drop=True)


def quick(preset: NoisePreset, data: str) -> NoisePreset:
    """The preset on next to nothing."""
    tiny = ("data.source.train=60", "data.source.test=50") if data == "mnist1d" else ()
    return replace(
        preset,
        words=(*preset.words, "model.width=4", *tiny),
        seeds=2,
        samples=40,
        block_size=10,
        steps=8,
        looks=2,
        products=2,
        eigenvalues=2,
    )


STUDY = Study(
    name="noise",
    title="Noise of equal trace",
    about=__doc__,
    presets=PRESETS,
    rungs=rungs,
    quick=quick,
    baseline={"structure": NONE, "trace": "0"},
    paragraphs=(
        "Every setting takes the same number of steps with the same learning rate. Noise is Gaussian, with the trace "
        "of the covariance of one block's gradient at the same point times the factor in the column trace; SGD takes "
        "one block a step, a new partition every pass, so that its noise nearly cancels over a pass, unlike the rest. "
        "A full-batch step costs as many gradients as SGD's pass, one with noise twice as many, and along the leading "
        "eigenvector more: the comparison is at equal steps, not at equal cost.",
    ),
    held=("optimizer.lr", "regime=", "regime.block_size", "regularizer=", "budget", "data.train_size"),
    measure=measure,
    figures={"accuracy.png": accuracy_figure, "anisotropy.png": anisotropy_figure, "spectrum.png": spectrum_figure},
    claims=CLAIMS,
)
