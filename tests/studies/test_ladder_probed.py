"""The probed ladder: what a look holds, and what is concluded from looks, on tables made by hand."""

import math

import pandas as pd
import pytest
from inprocess import launch_here

from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.runs.plan import plan
from fbgd.studies import geiping_ladder
from fbgd.studies.ladder_probed import STUDY
from fbgd.studies.ladder_probed.claims import CLAIMS, EDGE
from fbgd.studies.ladder_probed.looks import look_table, rank_correlation

RUNGS = ("Baseline FB", "FB train longer", "FB clipped", "FB regularised", "FB strong reg.", "FB in practice")


def looks(**values):
    """Four looks at every rung with three seeds; ``values`` are functions of rung, seed and look, or numbers."""
    usual = {"lr": 0.4, "factor": 1.0, "effective_rate": 0.4, "sharpness": 2.0, "trace": 1.0, "clipped": 0.0} | values
    rows = []
    for rung in RUNGS:
        for seed in range(3):
            for look in range(4):
                row = {name: own(rung, seed, look) if callable(own) else own for name, own in usual.items()}
                rows.append({"rung": rung, "seed": seed, "passes": look, **row})
    return pd.DataFrame(rows)


def estimates(name, table):
    """The estimates of a claim, by case."""
    (claim,) = (claim for claim in CLAIMS if claim.name == name)
    found = claim.estimates(Evidence(Description("", ["rung"]), measurements=table))
    return {estimate.case: estimate for estimate in found}


def test_sharpness_is_compared_by_its_logarithm_rung_by_rung():
    """Clipping halves it, whatever the look; all else leaves it alone."""
    clipped = RUNGS[2:]
    table = looks(sharpness=lambda rung, seed, look: (1 + seed + look) * (0.5 if rung in clipped else 1))
    found = estimates("sharpness", table)
    assert found["clipping"].value == pytest.approx(math.log(0.5))
    assert all(found[case].value == pytest.approx(0) for case in found if case != "clipping")


def test_the_rate_follows_the_landscape_where_sharper_looks_are_shortened_more():
    table = looks(sharpness=lambda rung, seed, look: 1.0 + look, factor=lambda rung, seed, look: 1 / (1 + look))
    (estimate,) = estimates("rate follows the landscape", table).values()
    assert estimate.value == pytest.approx(-1)
    constant = table.assign(factor=1.0)
    assert not estimates("rate follows the landscape", constant)
    assert not len(rank_correlation(constant, "factor", "sharpness"))


def test_looks_beyond_the_edge_are_counted_with_either_rate():
    """Sharpness times rate is beyond it at two of four looks, times the effective rate at one."""
    sharpness = [0.5, 0.5, 2.0, 4.0]
    table = looks(
        lr=EDGE, effective_rate=0.4 * EDGE, sharpness=lambda rung, seed, look: sharpness[look] * (1 + 1e-9 * seed)
    )
    (estimate,) = estimates("back within the edge", table).values()
    assert estimate.value == pytest.approx(-25)


def test_looks_of_a_run_have_what_clipping_makes_of_the_rate(tmp_path):
    preset = STUDY.quick(STUDY.presets["mnist1d"], "mnist1d")
    rungs = [rung for rung in STUDY.rungs(preset) if rung.name in ("Baseline FB", "FB clipped")]
    planned = plan(rungs, ["impl.threads=1", "regularizer.gradient_clipping.max_norm=0.01"], 1, tmp_path)
    launch_here(planned, 1)
    table = look_table(planned)
    plain, clipped = (table[table["rung"] == rung.name] for rung in rungs)
    assert (plain["factor"] == 1).all()
    assert clipped["factor"].to_numpy() == pytest.approx((0.01 / clipped["gradient_norm"]).clip(upper=1).to_numpy())
    assert clipped["effective_rate"].to_numpy() == pytest.approx((clipped["factor"] * clipped["lr"]).to_numpy())
    assert (clipped["clipped"] == 1).all()
    assert (table["sharpness"] > 0).all()


def test_the_rungs_are_the_ladder_s_with_probes():
    preset = STUDY.presets["cifar10"]
    for rung, own in zip(STUDY.rungs(preset), geiping_ladder.rungs(preset.ladder), strict=True):
        assert rung.overrides[: len(own.overrides)] == own.overrides
        assert "probe=[sharpness,gradient_noise_scale]" in rung.overrides
