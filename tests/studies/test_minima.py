"""The study of minima: correlations by scipy, its settings, where its lines end, and what a rescaling changes."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from inprocess import run_here
from scipy import stats

from fbgd.config.compose import compose
from fbgd.probes.landscape import through
from fbgd.report.claims import OPPOSITE, SUPPORTED, UNDECIDED, judge
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence, read_evidence
from fbgd.runs.plan import plan
from fbgd.seeds import generator
from fbgd.studies.command import main
from fbgd.studies.minima import STUDY
from fbgd.studies.minima.claims import change, follows
from fbgd.studies.minima.correlation import ALL, FITTED_RUNS, SAME_RATE, grouped, kendall
from fbgd.studies.minima.geometry import CORRECTED, LARGE, SMALL, parameters, three_minima
from fbgd.studies.minima.paths import START, trajectory
from fbgd.studies.minima.settings import PRESETS, RULES, rungs
from fbgd.studies.minima.well_specified import SAMPLES, WEIGHTS, well_specified_table
from fbgd.studies.trained import rebuilt


def table(seeds=6, settings=5, noise=0.3):
    """Settings that raise measure and gap together, with noise of each run and ties."""
    draw = np.random.default_rng(3)
    rows = [
        {
            "seed": seed,
            "rate": setting % 2,
            "measure": round(setting + noise * draw.normal(), 1),
            "gap": round(setting + noise * draw.normal(), 1),
        }
        for seed in range(seeds)
        for setting in range(settings)
    ]
    return pd.DataFrame(rows)  # fmt: skip


def test_correlation_over_all_runs_is_scipy_s():
    runs = table()
    found = kendall(runs, "measure", "gap", [], 0.95)
    assert found.tau == pytest.approx(stats.kendalltau(runs["measure"], runs["gap"]).statistic, rel=1e-12)
    assert found.runs == 30
    assert found.low < found.tau < found.high


def test_correlation_within_groups_counts_pairs_of_equal_groups_alone():
    runs = table()
    both = first = second = 0.0
    for left in runs.to_dict("records"):
        for right in runs.to_dict("records"):
            if left["rate"] == right["rate"]:
                x, y = (np.sign(left[name] - right[name]) for name in ("measure", "gap"))
                both, first, second = both + x * y, first + x * x, second + y * y
    assert kendall(runs, "measure", "gap", ["rate"], 0.95).tau == pytest.approx(both / math.sqrt(first * second))


def test_a_resample_is_the_correlation_of_the_runs_it_holds():
    """Seeds drawn again with all of their runs, by repeating rows; then its spread is the standard error."""
    runs = table(seeds=4)
    draws = np.random.default_rng(0).multinomial(4, [0.25] * 4, size=4000)
    taus = []
    for counts in np.unique(draws, axis=0):
        held = pd.concat([runs[runs["seed"] == seed] for seed, count in enumerate(counts) for _ in range(count)])
        times = (draws == counts).all(axis=1).sum()
        taus += [stats.kendalltau(held["measure"], held["gap"]).statistic] * times
    found = kendall(runs, "measure", "gap", [], 0.9)
    assert found.high - found.tau == pytest.approx(stats.t.ppf(0.95, 3) * np.std(taus, ddof=1), rel=1e-9)


def test_an_interval_covers_what_is_true():
    """Measures without any relation to the gap: tau is 0, and 95 % of intervals hold it, as far as 60 can tell."""
    draw, held = np.random.default_rng(1), 0
    for _ in range(60):
        runs = pd.DataFrame({"seed": np.repeat(range(8), 6), "x": draw.normal(size=48), "y": draw.normal(size=48)})
        found = kendall(runs, "x", "y", [], 0.95)
        held += found.low <= 0 <= found.high
    assert held >= 52
    assert math.isnan(kendall(runs[runs["seed"] < 2], "x", "y", [], 0.95).low)


def test_what_falls_with_the_rate_over_the_batch_size():
    """A measure that is exactly that, with the sign turned; pairs of one budget leave out what the budget does."""
    rows = [{"kind": "run", "seed": seed, "rate": rate, "batch": batch, "budget": budget,
             "λ₁": -rate / batch + (0.001 * seed + 9) * (budget == "equal steps")}
            for seed in range(4) for rate in (0.1, 0.3, 1.0) for batch in (20, 70)
            for budget in ("equal passes", "equal steps")]  # fmt: skip
    evidence = Evidence(Description("", []), measurements=pd.DataFrame(rows))
    whole, own = follows("λ₁", of_batch=True)(evidence)
    frame = evidence.measurements
    expected = stats.kendalltau(frame["λ₁"], frame["rate"] / frame["batch"]).statistic
    assert (whole.case, own.case) == ("all runs", "one budget")
    assert whole.value == pytest.approx(expected)
    # Steps differ by seed as well, so that pairs of one setting tell nothing and cost some of the correlation.
    assert own.value < -0.9 < whole.value < 0
    assert follows("no such measure")(evidence) == []


def test_fitted_runs_are_those_with_the_accuracy():
    runs = table().assign(train_accuracy=lambda own: np.where(own["gap"] > 2, 0.97, 0.5))
    fitted = runs[runs["gap"] > 2]
    expected = stats.kendalltau(fitted["measure"], fitted["gap"]).statistic
    assert grouped(runs, "measure", "gap", FITTED_RUNS).tau == pytest.approx(expected)
    assert grouped(runs, "measure", "gap", ALL) == kendall(runs, "measure", "gap", [], 0.95)
    assert grouped(runs, "measure", "gap", SAME_RATE) == kendall(runs, "measure", "gap", ["rate"], 0.95)


def test_rules_and_budgets():
    settings = {rung.name: compose(rung.overrides) for rung in rungs(PRESETS["mnist1d"])}
    sizes, rate, passes = (getattr(PRESETS["mnist1d"], name) for name in ("sizes", "rate", "passes"))
    assert len(settings) == 1 + 2 * (len(sizes) - 1) * len(RULES)
    ratio = sizes[-1] / sizes[0]
    linear = settings[f"batch {sizes[-1]}, linear, equal steps"]
    assert linear.optimizer["lr"] == pytest.approx(rate * ratio)
    assert linear.budget.passes == pytest.approx(passes * ratio)
    assert linear.schedule["warmup"] == pytest.approx(passes * ratio / 10)
    root = settings[f"batch {sizes[-1]}, sqrt, equal passes"]
    assert root.optimizer["lr"] == pytest.approx(rate * math.sqrt(ratio), rel=1e-5)
    assert root.budget.passes == passes
    assert root.schedule["warmup"] == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A quick study with two seeds."""
    out = tmp_path_factory.mktemp("minima")
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        assert main(STUDY, ["--quick", "--seeds", "2", "--workers", "1", "impl.threads=1", "--out", str(out)]) == 0
    return out


def test_lines_end_where_the_runs_did(folder):
    rows = read_evidence(folder).measurements
    runs = rows[rows["kind"] == "run"].set_index(["batch", "rule", "budget", "seed"])
    lines = rows[rows["kind"] == "line"].set_index(["name", "seed", "x"])
    small, large = ("none", "equal passes"), ("linear", "equal steps")
    for seed in range(2):
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            begin, end = (lines.loc[(CORRECTED, seed, float(place)), name] for place in (0, 1))
            assert begin == pytest.approx(runs.loc[(10, *small, seed), name], rel=1e-5)
            assert end == pytest.approx(runs.loc[(30, *large, seed), name], rel=1e-5)
    assert set(rows.loc[rows["kind"] == "minimum", "name"]) == {SMALL, LARGE, CORRECTED}


def test_a_trajectory_goes_from_the_start_to_where_the_run_ended(folder):
    """Bit for bit, and the rows of the plane say the same places."""
    preset = STUDY.quick(PRESETS["mnist1d"], "mnist1d")
    minima = three_minima(plan(rungs(preset), ["impl.threads=1"], [0], folder))
    built = {name: rebuilt(run) for name, run in minima.items()}
    ends = {name: parameters(own) for name, own in built.items()}
    span = through(*ends.values())
    rows = read_evidence(folder).measurements
    for name, run in minima.items():
        way = trajectory(run)
        assert all(map(torch.equal, way[0][1], built[name].experiment.initial))
        assert all(map(torch.equal, way[-1][1], ends[name]))
        assert way[-1][0] == built[name].experiment.steps
        own = rows[(rows["kind"] == "trajectory") & (rows["name"] == name)]
        assert own["step"].tolist() == [step for step, _ in way]
        assert own[["x", "y"]].iloc[-1].tolist() == pytest.approx(span.coordinates(ends[name]), rel=1e-5, abs=1e-5)
        assert own["off"].iloc[-1] == pytest.approx(0, abs=1e-4)


def test_densities_are_those_of_dense_hessians(folder):
    """Weights sum to 1; mean and largest eigenvalue of a minimum are those of torch.func.hessian."""
    preset = STUDY.quick(PRESETS["mnist1d"], "mnist1d")
    run = three_minima(plan(rungs(preset), ["impl.threads=1"], [0], folder))[SMALL]
    model, samples = rebuilt(run).experiment.model.double(), rebuilt(run).experiment.source.data.samples
    names = [name for name, _ in model.named_parameters()]
    sizes = [param.shape for param in model.parameters()]

    def loss(flat):
        parts = [
            part.view(size) for part, size in zip(flat.split([size.numel() for size in sizes]), sizes, strict=True)
        ]
        outputs = torch.func.functional_call(model, dict(zip(names, parts, strict=True)), (samples.inputs.double(),))
        return torch.nn.functional.cross_entropy(outputs, samples.targets)

    flat = torch.cat([param.detach().flatten() for param in model.parameters()])
    values = torch.linalg.eigvalsh(torch.func.hessian(loss)(flat))
    rows = read_evidence(folder).measurements
    for name in (START, SMALL, LARGE, CORRECTED):
        own = rows[(rows["kind"] == "density") & (rows["name"] == name)]
        assert own["weight"].sum() == pytest.approx(1, rel=1e-6)
    own = rows[(rows["kind"] == "density") & (rows["name"] == SMALL)]
    assert own["x"].max() == pytest.approx(float(values[-1]), rel=1e-4)
    assert own["x"].min() == pytest.approx(float(values[0]), rel=1e-2)
    # Four random vectors: the mean of the eigenvalues is an estimate.
    assert (own["x"] * own["weight"]).sum() == pytest.approx(float(values.mean()), rel=0.5)


def test_a_well_specified_regression_has_one_gap_and_many_sharpnesses():
    """Gap by the projection's trace identity, curvature by numpy; its mean is p/n, and scaling changes λ₁ alone."""
    table = well_specified_table(1)
    inputs = torch.randn(SAMPLES, WEIGHTS, generator=generator(0, "inputs"), dtype=torch.float64).numpy()
    noise = torch.randn(SAMPLES, generator=generator(3, "noise"), dtype=torch.float64).numpy()
    projected = inputs @ np.linalg.solve(inputs.T @ inputs, inputs.T @ noise)
    own = table[table["seed"] == 3].set_index("name")
    assert own["loss_gap"].to_numpy() == pytest.approx(np.full(4, projected @ projected / SAMPLES), rel=1e-8)
    largest = np.linalg.eigvalsh(inputs.T @ inputs / SAMPLES)[-1]
    assert own.loc["as it is", "λ₁"] == pytest.approx(largest)
    assert own.loc["weights divided by 30", "λ₁"] == pytest.approx(900 * largest)
    assert own["TIC"].to_numpy() == pytest.approx(np.full(4, own["TIC"].iloc[0]), rel=1e-6)
    assert table["loss_gap"].mean() == pytest.approx(WEIGHTS / SAMPLES, rel=4 * (2 / WEIGHTS / 40) ** 0.5)


def test_a_rescaled_network_is_the_same_function_with_other_curvature(folder):
    """Adaptive sharpness, spectral norms and margin stay; what is not invariant does not."""
    found = {one.case: one for one in judge(STUDY.claims, read_evidence(folder)) if one.claim == "invariant"}
    kept = {"adaptive, worst", "adaptive, average", "spectral norms", "− margin"}
    assert {case for case, one in found.items() if one.verdict == SUPPORTED} == kept
    assert {found[case].verdict for case in ("λ₁", "tr H", "‖θ‖")} == {OPPOSITE}
    assert change(2.0, 200.0) == pytest.approx(2)


def test_a_rebuilt_run_is_at_its_last_weights(folder):
    preset = STUDY.quick(PRESETS["mnist1d"], "mnist1d")
    run = plan(rungs(preset), ["impl.threads=1"], [0], folder)[0]
    held = torch.load(run.path / "checkpoint.pt", weights_only=True)["model"].values()
    assert all(torch.equal(own, kept) for own, kept in zip(parameters(rebuilt(run)), held, strict=True))


def test_a_diverged_seed_leaves_no_interval(folder):
    """What is left of a setting was selected by surviving."""
    evidence = read_evidence(folder)
    rows = evidence.measurements
    lost = (rows["kind"] == "run") & (rows["batch"] == 30) & (rows["seed"] == 0)
    left = replace(evidence, measurements=rows[~lost])
    claims = [claim for claim in STUDY.claims if claim.name in ("sharper", "worse")]
    assert {(finding.verdict, math.isnan(finding.low)) for finding in judge(claims, left)} == {(UNDECIDED, True)}
