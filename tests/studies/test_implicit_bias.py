"""The studies of the implicit bias: what is compared really is, the choice of the rate, estimates from made-up rows."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from fbgd.config.build import build, load_data
from fbgd.config.compose import compose
from fbgd.engine.blocks import BlockOrder
from fbgd.report.claims import judge, of_mean
from fbgd.report.evidence import Evidence
from fbgd.runs.attempt import execute
from fbgd.runs.plan import plan
from fbgd.studies import BUILT_IN
from fbgd.studies.implicit_bias.meter import with_ratio
from fbgd.studies.implicit_bias.order import slopes
from fbgd.studies.implicit_bias.problems import NETWORK, PROBLEMS
from fbgd.studies.implicit_bias.strength import STUDY, rungs
from fbgd.studies.implicit_bias.strength_claims import best_strength, compared, falls, gains, large_rate, squares
from fbgd.studies.implicit_bias.strength_measure import chosen_rates, end_of
from fbgd.studies.implicit_bias.strength_settings import LARGE, PRESETS, SMALL, quick
from regularizers import GradientPenalty

SIZES = PRESETS["mnist1d"]


@pytest.mark.parametrize("rung", rungs(SIZES), ids=lambda rung: rung.name)
def test_every_run_goes_equally_far_and_a_strength_is_a_multiple_of_the_theory_s(rung):
    """Steps times rate is one time; the penalty's own coefficient is s h_large / 4."""
    config = compose([*rung.overrides, "data.train_size=40", "data.validation_size=10", "model.width=2"])
    training = SIZES.trainings[rung.labels["training"]]
    steps = training.steps if rung.labels["setting"] in (LARGE, SMALL) else 1
    assert config.budget.passes * steps * config.optimizer["lr"] == pytest.approx(training.time)
    penalties = [penalty_of(entry) for entry in config.regularizer.values()]
    strength = rung.labels["setting"]
    wanted = 0.0 if strength in (LARGE, SMALL) else float(strength) * float(rung.labels["large rate"]) / 4
    found = sum(penalty.coefficient(config.optimizer["lr"]) for penalty in penalties)
    assert found == pytest.approx(wanted)
    assert config.optimizer["momentum"] == config.optimizer["weight_decay"] == 0


def penalty_of(entry):
    """The penalty of a configuration."""
    return GradientPenalty(**{key: value for key, value in entry.items() if key != "_target_"})


def test_steps_in_a_pass_are_those_of_the_preset():
    for name, training in SIZES.trainings.items():
        config = compose([*SIZES.words, *training.regime, f"regime.block_size={training.block_size}"])
        samples = config.data.source["train"] - config.data.validation_size
        order = BlockOrder(samples, config.regime.block_size, config.regime.blocks_per_step, config.regime.order, 0)
        assert order.steps_per_pass == training.steps, name


def runs_table(**accuracies):
    """Rows of runs.csv: settings to accuracies by seed from 3 on, with a search among 0.1, 0.2 and 0.4."""
    search = {"0.1": (0.3, 0.32, 0.34), "0.2": (0.33, 0.34, 0.35), "0.4": (0.32, 0.34, 0.355)}
    rows = [
        {"training": "GD", "large rate": rate, "setting": LARGE, "seed": seed, "status": "done",
         "validation_accuracy": value, "test_accuracy": 0.0}
        for rate, values in search.items() for seed, value in enumerate(values)
    ]  # fmt: skip
    rows.append({**rows[-1], "large rate": "0.8", "validation_accuracy": 0.9, "seed": 0, "status": "diverged"})
    rows += [
        {"training": "GD", "large rate": "0.4", "setting": setting, "seed": 3 + seed, "status": "done",
         "validation_accuracy": value + 0.01, "test_accuracy": value}
        for setting, values in accuracies.items() for seed, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def evidence_of(runs, measurements=None):
    """Evidence with rows that no run made."""
    ends = pd.DataFrame() if measurements is None else measurements
    return Evidence(STUDY.describe("", None, [], []), runs, ends)


def test_the_large_rate_is_the_largest_within_an_error_of_the_best_that_lost_no_seed():
    runs = runs_table()
    assert chosen_rates(runs) == {"GD": 0.4}
    runs.loc[runs["large rate"] == "0.4", "validation_accuracy"] -= 0.03
    assert chosen_rates(runs) == {"GD": 0.2}
    # The rates of the seeds that count say nothing.
    assert chosen_rates(pd.concat([runs, runs_table(**{LARGE: (0.9, 0.9)}).tail(2)])) == {"GD": 0.2}


def test_accuracies_are_compared_over_fresh_seeds_at_the_chosen_rate():
    draws = np.random.default_rng(0).normal(0, 0.001, (4, 10))
    values = {LARGE: 0.36 + draws[0], "0": 0.34 + draws[1], "1": 0.36 + draws[2], "2": 0.37 + draws[3]}
    evidence = evidence_of(runs_table(**values))
    assert set(compared(evidence).runs["seed"]) == set(range(3, 13))
    (large,) = gains(LARGE, "0")(evidence)
    assert large.value == pytest.approx(100 * (values[LARGE].mean() - values["0"].mean()))
    assert large.low > 1.5
    assert gains(LARGE, SMALL)(evidence) == []
    (best,) = best_strength(evidence)
    assert best.case == "GD, strength 2"
    assert best.value == pytest.approx(100 * (values["2"].mean() - values["0"].mean()))
    verdicts = {finding.claim: finding.verdict for finding in judge(STUDY.claims, evidence)}
    assert verdicts["large over small"] == verdicts["penalty helps"] == verdicts["best strength above 0"] == "supported"
    assert verdicts["penalty replaces the rate"] == "supported"


def test_a_lost_run_takes_the_interval_away():
    runs = runs_table(**{LARGE: (0.36, 0.37, 0.36), "1": (0.36, 0.35, 0.36), "0": (0.3, 0.31, 0.32)})
    runs.loc[(runs["setting"] == "1") & (runs["seed"] == 3), "status"] = "diverged"
    (level,) = gains("1", LARGE)(evidence_of(runs))
    assert np.isnan(level.low)


def test_falls_is_the_slope_of_the_logarithm():
    """Of a quantity that halves with each doubling of 1 + strength, to a factor a seed has."""
    rows = [
        {"training": "GD", "large rate": 0.4, "setting": f"{strength:g}", "seed": 3 + seed,
         "block_square": (1 + seed) / (1 + strength)}
        for strength in (0.0, 1.0, 3.0) for seed in range(4)
    ]  # fmt: skip
    rows += [{**rows[0], "setting": LARGE, "block_square": 99.0}, {**rows[0], "setting": "8", "block_square": 99.0}]
    (found,) = falls(squares)(evidence_of(runs_table(), pd.DataFrame(rows)))
    assert found.value == pytest.approx(-np.log(2))
    assert falls(squares)(evidence_of(runs_table())) == []


def test_the_large_rate_is_compared_with_the_small_one_of_the_same_training():
    """Of SGD its own small rate, of descent the small rate without a penalty."""
    settings = {"SGD": {LARGE: 8.0, SMALL: 2.0, "0": 5.0}, "GD": {LARGE: 6.0, "0": 2.0, "1": 9.0}}
    rows = [
        {"training": training, "setting": setting, "seed": seed, "squared_gradient": value * (1 + 0.1 * seed)}
        for training, own in settings.items()
        for setting, value in own.items()
        for seed in range(3)
    ]
    found = large_rate(Evidence(description=None, measurements=pd.DataFrame(rows)))
    assert {own.case: own.value for own in found} == pytest.approx({"SGD": np.log(4), "GD": np.log(3)})


def test_squared_gradients_are_those_at_the_end(tmp_path):
    """A tiny run against autograd over the whole set, and over each block."""
    rung = next(rung for rung in rungs(quick(SIZES, "mnist1d")) if rung.labels["setting"] == "1")
    (run,) = plan([rung], ["impl.threads=1"], [3], tmp_path)
    execute(run.config, run.path)
    found = end_of(run)
    experiment = build(run.config, blocks_per_call=1).experiment
    state = torch.load(next(run.path.glob("*.pt")), weights_only=True)["model"]
    experiment.model.load_state_dict(state)
    whole, per_block = [], []
    for indices in experiment.source.whole_pass(0).indices:
        data = experiment.source.data.samples
        loss = F.cross_entropy(experiment.model(data.inputs[indices]), data.targets[indices])
        gradient = torch.cat(
            [part.flatten() for part in torch.autograd.grad(loss, list(experiment.model.parameters()))]
        )
        whole.append((len(indices), loss.item(), gradient))
        per_block.append(len(indices) * float(gradient.square().sum()))
    total = sum(size for size, _, _ in whole)
    mean = sum(size / total * gradient for size, _, gradient in whole)
    assert found["loss"] == pytest.approx(sum(size * loss for size, loss, _ in whole) / total, rel=1e-5)
    assert found["squared_gradient"] == pytest.approx(float(mean.square().sum()), rel=1e-4)
    assert found["block_square"] == pytest.approx(sum(per_block) / total, rel=1e-4)


def test_slopes_are_those_of_powers():
    rows = [
        {"problem": "p", "process": "GD", "flow": kind, "seed": seed, "rate": rate, "error": (seed + 1) * rate**power}
        for kind, power in (("plain flow", 2), ("modified flow", 3.2))
        for seed in range(2) for rate in (0.1, 0.05, 0.02)
    ]  # fmt: skip
    found = slopes(pd.DataFrame(rows))
    assert found.groupby("flow")["slope"].mean().to_dict() == pytest.approx({"plain flow": 2, "modified flow": 3.2})
    order = BUILT_IN["implicit_bias/order"]
    verdicts = {finding.claim: finding.verdict for finding in judge(order.claims, evidence_for(order, rows))}
    assert verdicts == {"plain flow of order 2": "supported", "modified flow of order 3": "opposite"}


def evidence_for(study, rows):
    """Evidence of made-up measurements."""
    return Evidence(study.describe("", None, [], []), measurements=pd.DataFrame(rows))


def test_the_meter_s_claims_follow_the_theory_of_each_optimizer():
    table = pd.DataFrame(
        {"problem": "quadratic", "point": 0, "optimizer": name, "rate": rate, "seed": seed,
         "coefficient": value + seed / 1e4, "of_blocks": 1.0, "of_mean": 0.5 + seed / 1e4}
        for name, value in (("GD", 1.02), ("SGD", 1.3), ("momentum 0.5", 3.1), ("Adam", 7.0))
        for rate in (0.01, 0.001) for seed in range(5)
    )  # fmt: skip
    # Only the smallest step size is judged.
    table.loc[table["rate"] == 0.01, "coefficient"] = 9.0
    meter = BUILT_IN["implicit_bias/meter"]
    verdicts = {finding.claim: finding.verdict for finding in judge(meter.claims, evidence_for(meter, table))}
    assert verdicts == {
        "GD obeys h/4": "supported",
        "SGD obeys h/4m": "opposite",
        "blocks beside the mean": "supported",
        "not of the mean": "opposite",
        "momentum multiplies it": "supported",
    }
    assert with_ratio(table).groupby("optimizer")["ratio"].count()["Adam"] == 0


def test_an_estimate_s_theory_is_subtracted_from_its_interval():
    found = of_mean(pd.Series([1.1, 1.3]), 0.95, "a", 1.0)
    assert found.value == pytest.approx(0.2)
    assert (found.low + found.high) / 2 == pytest.approx(0.2)


def test_networks_differ_in_blocks_and_weights_by_seed():
    study = BUILT_IN["implicit_bias/order"]
    data = load_data(compose(study.quick(study.presets["mnist1d"], "mnist1d").words))
    first, second = (PROBLEMS[NETWORK](data, 3, seed) for seed in range(2))
    assert not torch.equal(first.start, second.start)
    assert first.losses.sizes == [2, 4, 6, 8]
    assert not torch.equal(first.losses.blocks[0][0], second.losses.blocks[0][0])
