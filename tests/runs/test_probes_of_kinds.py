"""Every probe in runs on text and on regression: the run stays as it is, with finite numbers, or refuses it by name."""

import numpy as np
import pytest
import torch
from directories import check_probed
from probe_cases import PROBES

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.gradient import block_gradients
from fbgd.errors import ConfigError
from fbgd.probes import HessianProduct, flatten, unflatten
from fbgd.probes.dense import dense_hessian
from fbgd.runs.attempt import execute

SHARED = ["optimizer=adam", "regime.block_size=8", "budget.passes=2", "record.evaluate_every=2", "impl.threads=1"]
TEXT = [
    *("data=markov", "data.source.symbols=3", "data.source.length=5", "data.source.train=20", "data.source.test=8"),
    *("model=gpt", "model.width=4", "model.layers=1", "model.heads=1"),
    *SHARED,
]
# The errors that this bound is about are wrong predictions.
REFUSED = {("regression", "pac_bayes"): "probe.pac_bayes failed after .* the errors of a regression are not bounded"}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The words and the folder of a run without a probe, by the kind of its targets."""
    folder = tmp_path_factory.mktemp("numbers")
    draws = np.random.default_rng(0)
    inputs = draws.normal(size=(30, 4))
    np.savez(folder / "data.npz", x=inputs, y=inputs @ draws.normal(size=(4, 2)) + draws.normal(size=(30, 2)))
    regression = [
        *("data=array_file", f"data.source.path={folder}/data.npz", "data.source.regression=true"),
        *("objective=squared_error", "model=mlp", "model.width=3", "model.layers=1"),
        *SHARED,
    ]
    made = {}
    for kind, words in (("text", TEXT), ("regression", regression)):
        made[kind] = words, tmp_path_factory.mktemp(kind)
        execute(compose(words), made[kind][1] / "plain")
    return made


@pytest.mark.parametrize("kind", ["text", "regression"])
@pytest.mark.parametrize("name", PROBES)
def test_every_probe_looks_on_or_is_refused_by_name(kinds, kind, name):
    words, folder = kinds[kind]
    words = [*words, f"probe=[{name}]", *PROBES[name].words]
    if message := REFUSED.get((kind, name)):
        with pytest.raises(ConfigError, match=message):
            execute(compose(words), folder / name)
        return
    rows = check_probed(folder, words, name)
    columns = [column for column in rows if column.startswith(f"{name}/")]
    assert columns
    looked = rows.dropna(subset=columns, how="all")
    assert len(looked)
    assert np.isfinite(looked[columns].to_numpy()).all()
    # Norms take the gradient of no sample.
    assert (np.diff(looked["probe_evaluations"], prepend=0) > 0).all() == (name != "norms")


def test_the_hessian_of_attention_is_that_of_its_gradients():
    """By central differences: the fused kernel that trains on a CPU has no second derivative."""
    experiment = build(compose([*TEXT, "regime=full_batch", "precision=fp64"])).experiment
    params = [param.detach() for param in experiment.model.parameters()]
    blocks, objective = experiment.source.training_pass(0), experiment.gradient.objective
    origin = flatten(params)
    direction = torch.randn(len(origin), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction /= direction.norm()

    def gradient(at):
        parts = block_gradients(objective, unflatten(at, params), blocks)
        return sum(size / blocks.samples * flatten(own) for size, own in parts)

    found = HessianProduct(objective, params, blocks)(direction)
    step = 1e-5
    expected = (gradient(origin + step * direction) - gradient(origin - step * direction)) / (2 * step)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    dense = dense_hessian(objective, params, blocks, lambda evaluations: None)
    torch.testing.assert_close(dense @ direction, found, rtol=1e-8, atol=1e-10)
