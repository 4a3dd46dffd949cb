"""Probes look on: a probed run is the unprobed one bit for bit, resumes, and says what went wrong."""

import random
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from directories import Stopped, assert_same, check_probed, numbers, stop_after
from probe_cases import PROBES

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.config.groups import choices
from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.provenance import identity
from fbgd.runs.together import obstacle

THIS = "test_probed_runs"
SMALL = [
    "data.source.train=60",
    "data.source.test=20",
    "model.width=4",
    "regime.block_size=9",
    "budget.passes=4",
    "record.evaluate_every=2",
    "record.every=2",
    "impl.threads=1",
    "impl.blocks_per_call=2",
    "impl.checkpoint_seconds=0",
]
NOISE_SCALE = ["probe=[gradient_noise_scale]", "probe.gradient_noise_scale.every=0.5"]
RUDE = [f"probe.rude._target_={THIS}.Rude"]


class Rude:
    """Draws from every global stream, changes modes, buffers and gradients."""

    def __call__(self, state):
        torch.rand(3), np.random.rand(3), random.random()
        state.model.eval()
        for buffer in state.model.buffers():
            buffer.add_(1)
        for param in state.model.parameters():
            param.grad = torch.full_like(param, 1e6)
        state.spend(7)
        return {"step": state.step, "own": float(torch.rand((), generator=state.generator()))}


class Returns:
    """Whatever it is told to."""

    def __init__(self, kind: str):
        self.kind = kind

    def __call__(self, state):
        answers = {"text": {"a": "b"}, "vector": {"a": torch.ones(2)}, "truth": {"a": True}, "list": [1.0]}
        return answers[self.kind]


class Writes:
    """Moves a parameter, or the optimizer's state, and puts it back."""

    def __init__(self, where: str):
        self.where = where

    def __call__(self, state):
        tensor = state.params[0]
        if self.where == "optimizer":
            tensor = next(iter(next(iter(state.optimizer.state.values())).values()))
        tensor.add_(1).sub_(1)
        return {}


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, THIS, sys.modules[__name__])


NETWORK = ["model=mlp", "model.width=4"]
REFUSED = [(name, *pair) for name, case in PROBES.items() for pair in (case.invalid or {}).items()]
WAYS = {
    "sgd with momentum and batch norm": ["model.norm=batch"],
    "full batch": ["regime=full_batch", "regime.block_size=9", "model.norm=batch"],
    "dropout and augmentation": ["model=cnn", "regularizer=[dropout,mixup]", "data.augment=random"],
    "an optimizer that draws": ["optimizer=custom", "optimizer._target_=directories.NoisySGD", "optimizer.lr=0.1"],
    "schedule-free": ["optimizer=schedule_free"],
    "averaged weights": ["regularizer=ema"],
    "closures called again": ["optimizer=lbfgs", "optimizer.max_iter=3", "model=mlp", "model.width=4"],
}


@pytest.mark.parametrize("probes", [NOISE_SCALE, RUDE], ids=["noise scale", "rude"])
@pytest.mark.parametrize("words", WAYS.values(), ids=WAYS)
def test_a_probed_run_is_the_unprobed_one(tmp_path, words, probes):
    execute(compose([*SMALL, *words]), tmp_path / "plain")
    check_probed(tmp_path, [*SMALL, *words, *probes])


@pytest.fixture(scope="module")
def unprobed(tmp_path_factory):
    """Runs without a probe, by the words beside :data:`SMALL`."""
    made = {}

    def folder(*words):
        if words not in made:
            made[words] = tmp_path_factory.mktemp("unprobed")
            execute(compose([*SMALL, *words]), made[words] / "plain")
        return made[words]

    return folder


def test_every_choice_is_tested():
    assert set(PROBES) == set(choices("probe")) - {"none"}


@pytest.mark.parametrize("words", [["optimizer=adam"], WAYS["full batch"]], ids=["adam", "full batch"])
@pytest.mark.parametrize("name", PROBES)
def test_every_probe_leaves_the_run_as_it_is(unprobed, name, words):
    """It writes finite numbers, and counts what it spends."""
    words = [*NETWORK, *words]
    rows = check_probed(unprobed(*words), [*SMALL, *words, f"probe=[{name}]", *PROBES[name].words], name)
    columns = [column for column in rows if column.startswith(f"{name}/")]
    assert columns
    assert rows.loc[rows["loss"].notna(), columns].notna().all(axis=None)


@pytest.mark.parametrize(("name", "message", "options"), REFUSED, ids=[f"{name} {part}" for name, part, _ in REFUSED])
def test_bad_options_are_refused_before_any_work(name, message, options):
    words = [f"probe.{name}.{key}={value}" for key, value in options.items()]
    with pytest.raises(ConfigError, match=message):
        check(compose([*SMALL, f"probe=[{name}]", *words]))


def test_rows_where_a_probe_is_due(tmp_path):
    """Every half pass of 7 steps, and at the end; the means go on, so that there is none in between."""
    summary = execute(compose([*SMALL, *NOISE_SCALE]), tmp_path)
    rows = pd.read_csv(tmp_path / "metrics.csv")
    assert rows["step"].tolist() == [4, 8, 12, 14, 16, 20, 24, 28]
    assert rows.loc[rows["loss"].notna(), "step"].tolist() == [14, 28]
    looks = rows[rows["gradient_noise_scale/noise_scale"].notna()]
    assert looks["step"].tolist() == [4, 8, 12, 16, 20, 24, 28]
    assert looks["probe_evaluations"].tolist() == [60 * look for look in range(1, 8)]
    assert summary["gradient_evaluations"] == 4 * 60
    assert summary["probe_evaluations"] == 7 * 60
    ratio = rows["gradient_noise_scale/trace"] / rows["gradient_noise_scale/squared_gradient"]
    pd.testing.assert_series_equal(rows["gradient_noise_scale/noise_scale"], ratio, check_names=False)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_an_interrupted_probed_run_ends_in_the_same_bits(tmp_path, count):
    config = compose([*SMALL, *NOISE_SCALE, *RUDE, "probe.rude.every=0.3"])
    execute(config, tmp_path / "straight")
    with pytest.raises(Stopped):
        execute(config, tmp_path / "cut", stop_after(count))
    state = RunDirectory(tmp_path / "cut").read_checkpoint(print)
    # Rows of probes alone come while means are under way: no checkpoint is written there.
    assert state is None or state["progress"]["step"] in (14, 28)
    execute(config, tmp_path / "cut")
    assert_same(numbers(tmp_path / "straight"), numbers(tmp_path / "cut"))


def test_a_diverged_run_is_a_result_and_not_probed_further(tmp_path):
    words = [*SMALL, *NOISE_SCALE, "optimizer._target_=torch.optim.SGD", "optimizer.lr=1e30", "precision=fp64"]
    assert execute(compose(words), tmp_path)["status"] == "diverged"


def test_probes_are_part_of_the_identity_where_there_are_any():
    plain, probed = compose(SMALL), compose([*SMALL, *NOISE_SCALE])
    assert plain == compose([*SMALL, "probe=[none]"])
    assert len({identity(config) for config in (plain, probed, compose([*SMALL, *NOISE_SCALE[:1]]))}) == 3
    assert obstacle(compose([*SMALL, "model=mlp", *NOISE_SCALE])) == "probes look at one network"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", r"probe\.mine: the column 'a' is 'b', and must be a number"),
        ("vector", r"probe\.mine: the column 'a' is tensor"),
        ("truth", r"the column 'a' is True"),
        ("list", r"probe\.mine returned a list"),
    ],
)
def test_what_is_no_number_is_named(tmp_path, kind, message):
    words = [f"probe.mine._target_={THIS}.Returns", f"probe.mine.kind={kind}"]
    with pytest.raises(ConfigError, match=message):
        execute(compose([*SMALL, *words]), tmp_path)


@pytest.mark.parametrize("where", ["parameters", "optimizer"])
def test_a_probe_may_only_look(tmp_path, where):
    words = [f"probe.mine._target_={THIS}.Writes", f"probe.mine.where={where}"]
    with pytest.raises(ConfigError, match=r"probe\.mine wrote to"):
        execute(compose([*SMALL, *words]), tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["probe=[hessian]"], "probe=hessian is unknown"),
        (["probe=[gradient_noise_scale]", "probe.gradient_noise_scale.every=0"], r"every = 0 is outside .*\(0, inf\)"),
        (["probe=[gradient_noise_scale]", "probe.gradient_noise_scale.every=often"], r"every = 'often'"),
        (["probe=[gradient_noise_scale]", "probe.gradient_noise_scale.evry=1"], r"takes no such argument"),
        (["probe.mine.every=1"], r"probe\.mine\._target_ is missing"),
        (["probe.mine._target_=torch.Size"], "cannot be called"),
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(ConfigError, match=message):
        check(compose([*SMALL, *words]))
