"""A run that is cut off and goes on has the bits of one that was not."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fbgd.config.arithmetic import arithmetic_kept
from fbgd.config.compose import compose
from fbgd.config.schema import Config
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.signals import ASKING, Interrupted, StopRequest
from fbgd.studies.gpu_check.check import TINY, Check, guarded

SETTINGS = {
    "resumed: Adam, mixup, penalty": ("optimizer=adam", "regularizer=[mixup,gradient_penalty]"),
    "resumed: SGD, dropout, averaged weights": ("regime=sgd", "regime.block_size=17", "regularizer=[dropout,ema]"),
}


def resume(device: str, precision: str = "fp32") -> list[Check]:
    """How many weights differ between a run with a break after every pass and one without; none may."""
    made = []
    for name, words in SETTINGS.items():
        settings = (*TINY, *words, f"impl.device={device}", f"precision={precision}", "impl.checkpoint_seconds=0")
        made.append(guarded(f"{name}, {precision}", 0, partial(differing_weights, settings)))
    return made


def differing_weights(words: tuple[str, ...]) -> float:
    """So many weights differ at the end of the two runs."""
    with arithmetic_kept(), TemporaryDirectory() as folder:
        config = compose(list(words))
        whole, broken = Path(folder) / "whole", Path(folder) / "broken"
        execute(config, whole, warn=ignore)
        while not is_done_after_a_row(config, broken):
            pass
        left, right = (RunDirectory(path).read_checkpoint(ignore) for path in (whole, broken))
    assert left is not None and right is not None
    pairs = [(left["model"][key], right["model"][key]) for key in left["model"]]
    return float(sum(torch.count_nonzero(a != b).item() for a, b in pairs))


def is_done_after_a_row(config: Config, path: Path) -> bool:
    """Go on with a run until its next recorded row; whether it has come to its end."""
    stop = StopRequest()
    try:
        execute(config, path, on_row=lambda row, steps: stop.hear(ASKING[0]), warn=ignore, stop=stop)
    except Interrupted:
        return False
    return True


def ignore(text: str) -> None:
    """Warnings say that a run goes on."""
