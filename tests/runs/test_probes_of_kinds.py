"""Every probe in runs on text and on regression: the run stays as it is, with finite numbers, or refuses it by name."""

import numpy as np
import pytest
from directories import check_probed
from probe_cases import PROBES

from fbgd.config.compose import compose
from fbgd.errors import ConfigError
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
    assert len(looked) >= 1
    assert np.isfinite(looked[columns].to_numpy()).all()
    assert (np.diff(looked["probe_evaluations"]) > 0).all()
    assert (looked["probe_evaluations"] > 0).all() or name == "norms"
