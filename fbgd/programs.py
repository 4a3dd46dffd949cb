"""The commands: what each is called where this package is installed, which script it is, and what it does.

This module imports nothing of the package, so that ``fbgd --help`` takes no time.
"""

import argparse
import re
from dataclasses import dataclass

SCRIPT = re.compile(r"(?:python )?scripts/(\w+)\.py")


@dataclass(frozen=True)
class Program:
    """A command.

    Args:
        script: its file in ``scripts/``, without the ending.
        about: a line.
        module: with a function ``main(words, prog)``; empty for built-in studies, which are called like the script.
    """

    script: str
    about: str
    module: str = ""


PROGRAMS = {
    "train": Program("train", "one network, and everything about the run in one directory", "fbgd.commands.train"),
    "study": Program("study", "a study of your own, in a YAML file", "fbgd.studies.study_file"),
    "sweep": Program("sweep", "every combination of some values, or a search in ranges", "fbgd.studies.sweep.command"),
    "compare": Program("compare", "one table of any runs and studies", "fbgd.commands.compare"),
    "report": Program("report", "one interactive page of any studies, in a single file", "fbgd.commands.report"),
    "ladder": Program("geiping_ladder", "from full batch up to SGD, a step a rung"),
    "fair-ladder": Program("fair_ladder", "the same ingredients for SGD, at equal cost"),
    "optimizers": Program("optimizer_comparison", "each of them in both regimes"),
    "regularizers": Program("regularizer_comparison", "each of them in both regimes"),
    "double-descent": Program("double_descent", "test error over width, passes and samples"),
    "bias-variance": Program("bias_variance", "what the risk is made of, over width, label noise and procedure"),
    "weight-decay": Program("weight_decay", "a prior, and a partner of the dynamics"),
    "implicit-bias": Program("implicit_bias", "the modified loss that descent follows"),
    "edge-of-stability": Program("edge_of_stability", "where the sharpness goes while a network trains"),
    "minima": Program("minima", "where small and large batches end, and what sharpness says"),
    "critical-batch": Program("critical_batch", "up to which batch size fewer steps are needed"),
    "ladder-probed": Program("ladder_probed", "sharpness and noise, rung by rung"),
    "saddles": Program("saddles", "what leaves saddles, and whether training waits at them"),
    "lectures": Program("lectures", "textbook pictures of optimizers, measured"),
    "calibration": Program("calibration", "how often conclusions of studies are false"),
    "noise": Program("noise", "SGD's noise replaced by other noise of its size"),
    "escape": Program("escape", "how soon which noise leaves a given minimum"),
    "gpu-check": Program("gpu_check", "what a GPU does with this code, in 8 minutes", "fbgd.studies.gpu_check.command"),
    "benchmark": Program("benchmark", "speed, as ratios measured side by side", "fbgd.studies.benchmark.command"),
}
NAMES = {program.script: name for name, program in PROGRAMS.items()}


def make_parser(about: str, prog: str | None = None, epilog: str | None = None) -> argparse.ArgumentParser:
    """A parser that shows its help as it is written.

    Args:
        about: the help, in which commands are those of ``scripts/``.
        prog: the name that the program is called by, ``fbgd ladder``; ``None``: it is a script.
        epilog: the end of the help.
    """
    return argparse.ArgumentParser(
        prog=prog,
        description=as_called(about, prog),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def as_called(text: str, prog: str | None) -> str:
    """A text in which commands are called as the program itself was.

    >>> as_called("python scripts/fair_ladder.py --quick, then scripts/compare.py", "fbgd fair-ladder")
    'fbgd fair-ladder --quick, then fbgd compare'
    >>> as_called("python scripts/fair_ladder.py --quick", None)
    'python scripts/fair_ladder.py --quick'
    """
    return text if prog is None else SCRIPT.sub(lambda match: f"fbgd {NAMES[match[1]]}", text)
