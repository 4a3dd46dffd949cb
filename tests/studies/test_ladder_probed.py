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
from fbgd.studies.ladder_probed.claims import CLAIMS, EDGE, STEPS
from fbgd.studies.ladder_probed.looks import at_a_moment, look_table, rank_correlation, signal

RUNGS = (
    "Baseline FB",
    "FB no warm-up",
    "FB train longer",
    "FB no warm-up, clipped",
    "FB clipped",
    "FB penalised",
    "FB regularised",
    "FB strong reg.",
    "FB in practice",
)
UNCLIPPED = RUNGS[:3]
PRESET = STUDY.presets["mnist1d"]


def looks(**values):
    """Four looks at every rung with three seeds; ``values`` are functions of rung, seed and look, or numbers."""
    usual = {"lr": 0.4, "factor": 1.0, "effective_rate": 0.4, "sharpness": 2.0, "trace": 1.0, "clipped": 0.0}
    usual = usual | {"squared_gradient": 0.01} | values
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
    table = looks(sharpness=lambda rung, seed, look: (1 + seed + look) * (1 if rung in UNCLIPPED else 0.5))
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


APART = {
    "FB no warm-up": ("FB train longer", {"schedule.warmup": "0"}),
    "FB no warm-up, clipped": ("FB clipped", {"schedule.warmup": "0"}),
    "FB penalised": ("FB regularised", {"optimizer.lr": "0.4"}),
}


@pytest.mark.parametrize("data", ["mnist1d", "cifar10"])
def test_the_rungs_are_the_ladder_s_with_probes_and_three_that_change_one_thing(data):
    preset = STUDY.presets[data]
    rungs = {rung.name: rung.overrides for rung in STUDY.rungs(preset)}
    ladder = {rung.name: rung.overrides for rung in geiping_ladder.rungs(preset.ladder)}
    assert [name for name in rungs if name not in APART] == list(ladder)
    assert set(RUNGS) == set(rungs) - {"Baseline SGD"}
    for name, own in ladder.items():
        assert rungs[name][: len(own)] == own
    for name, (like, changed) in APART.items():
        ours, theirs = (dict(word.split("=", 1) for word in rungs[rung]) for rung in (name, like))
        assert {key: ours[key] for key in ours if ours[key] != theirs[key]} == changed
        assert ours.keys() == theirs.keys()
    assert all("probe=[sharpness,gradient_noise_scale]" in words for words in rungs.values())


def test_every_step_of_the_claims_is_between_rungs_that_differ_in_what_it_names():
    """In words: the ladder's own, but for blocks, whose vectorisation is no part of the science."""
    rungs = {rung.name: dict(word.split("=", 1) for word in rung.overrides) for rung in STUDY.rungs(PRESET)}
    differ = {
        case: {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
        for case, ours, theirs in ((case, rungs[left], rungs[right]) for case, left, right in STEPS)
    }
    rate, warmup = "optimizer.lr", "schedule.warmup"
    strength = "regularizer.gradient_penalty.strength"
    assert differ.pop("longer, larger rate") >= {rate, warmup, "budget.passes", "schedule.horizon"}
    assert differ == {
        "warm-up": {warmup},
        "warm-up, clipped": {warmup},
        "clipping": {"regularizer", "regularizer.gradient_clipping.max_norm"},
        "penalty": {"regularizer", strength},
        "larger rate": {rate},
        "small blocks": {"regime.block_size", "impl.blocks_per_call"},
    }


def test_a_noise_scale_is_compared_by_a_share_that_every_look_has():
    """Noise scales of 128 and, at one look of four, below 0; the penalty makes the positive ones 384, 1/4 for 1/2."""
    below = ("FB penalised", "FB regularised", "FB strong reg.", "FB in practice")

    def squared(rung, seed, look):
        if look == 3:
            return -0.001
        return (2 / 384 if rung in below else 2 / 128) * (1 + 1e-6 * seed)

    table = looks(trace=2.0, squared_gradient=squared)
    found = estimates("noise scale", table)
    assert found["penalty"].value == pytest.approx(-25 * 3 / 4, rel=1e-4)
    assert all(found[case].value == pytest.approx(0) for case in found if case != "penalty")
    assert signal(table)[3] == pytest.approx(1 / (1 + 2 / -0.001 / 128))


def test_what_all_runs_do_in_time_is_no_relation_at_the_same_moment():
    """Over the looks the factor falls as the sharpness rises; at each look sharper seeds have the larger factor."""
    table = looks(
        sharpness=lambda rung, seed, look: math.exp(look + 0.01 * seed + 0.02 * (look == 2) * seed),
        factor=lambda rung, seed, look: math.exp(-look + 0.01 * seed + 0.02 * (look == 2) * seed),
    )
    (over,) = estimates("rate follows the landscape", table).values()
    assert over.value == pytest.approx(-1)
    (moment,) = estimates("at the same moment", table).values()
    assert moment.value > 0.5
    unclipped = table.assign(factor=1.0)
    assert not len(at_a_moment(unclipped, ["factor", "sharpness"]))


def test_the_noise_scale_s_figure_shows_estimates_below_zero():
    table = looks(trace=2.0, squared_gradient=lambda rung, seed, look: 0.01 - 0.004 * look)
    evidence = Evidence(Description("", ["rung"]), runs=pd.DataFrame({"train_size": [500.0]}), measurements=table)
    panels = STUDY.figures["noise_scale.png"](evidence).axes[: len(RUNGS)]
    lowest = 100 * -0.002 / (-0.002 + 2 / 128)
    for axes in panels:
        assert axes.get_ylim()[0] <= lowest
        assert any(min(line.get_ydata()) == pytest.approx(lowest) for line in axes.lines)
        assert any(line.get_ydata() == pytest.approx([-100 * 128 / 372] * 2) for line in axes.lines)


def test_the_scatter_has_a_point_a_look_at_the_effective_rate():
    """A panel for each clipped rung; the line is the edge of stability."""
    rates = {"lr": 0.4, "effective_rate": lambda rung, seed, look: 0.1 + 0.05 * look}
    table = looks(sharpness=lambda rung, seed, look: 1.0 + seed, **rates)
    figure = STUDY.figures["rate_and_sharpness.png"](Evidence(Description("", ["rung"]), measurements=table))
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert list(panels) == list(RUNGS[3:])
    for axes in panels.values():
        learning, effective = (marks.get_offsets() for marks in axes.collections)
        assert set(learning[:, 1]) == {0.4}
        assert sorted(map(tuple, effective)) == sorted((1.0 + s, 0.1 + 0.05 * k) for s in range(3) for k in range(4))
        (line,) = axes.lines
        assert line.get_xdata() * line.get_ydata() == pytest.approx(EDGE)
