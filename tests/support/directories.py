"""What two run directories have in common, and runs that are cut off."""

import pandas as pd
import torch

from fbgd.config.compose import compose
from fbgd.runs.attempt import execute


def numbers(path):
    """Everything a run computed, without its times and its place."""
    metrics = pd.read_csv(path / "metrics.csv").drop(columns="seconds")
    state = torch.load(path / "checkpoint.pt", weights_only=True)
    return metrics, state["model"], state["optimizer"]


def assert_same(left, right):
    """Bit for bit."""
    pd.testing.assert_frame_equal(left[0], right[0], check_exact=True)
    for name, value in left[1].items():
        assert torch.equal(value, right[1][name]), name
    assert equal(left[2]["state"], right[2]["state"])


def equal(left, right):
    """Whether two nested states are the same, bit for bit."""
    if torch.is_tensor(left):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return left == right


class Stopped(Exception):
    """Raised in place of a crash."""


def stop_after(count):
    """A callback that ends the run at its ``count``-th row, after the checkpoint of the row before."""
    seen = 0

    def on_row(row, steps):
        nonlocal seen
        seen += 1
        if seen == count:
            raise Stopped

    return on_row


class NoisySGD(torch.optim.SGD):
    """Draws from PyTorch's global generator, as some optimizers do."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            for param in group["params"]:
                param.data.add_(torch.randn_like(param), alpha=1e-3)
        return loss


def check_probed(folder, words, name="probed"):
    """The rows of a probed run, whose other columns and weights are those of ``folder / "plain"``, bit for bit."""
    execute(compose(words), folder / name)
    plain, probed = numbers(folder / "plain"), numbers(folder / name)
    shared = probed[0][probed[0]["loss"].notna()][list(plain[0])].reset_index(drop=True)
    # Where rows have gaps, whole numbers are read as floats.
    pd.testing.assert_frame_equal(shared, plain[0], check_exact=True, check_dtype=False)
    assert_same((plain[0], *plain[1:]), (plain[0], *probed[1:]))
    return probed[0]
