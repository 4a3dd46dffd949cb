"""Weight decay: the mode of the posterior, who finds it, and the figures."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize

from fbgd.config.build import build_model, load_data
from fbgd.config.compose import compose
from fbgd.engine.blocks import BlockOrder
from fbgd.models import MLP
from fbgd.models.random_features import factorise, ridge
from fbgd.report.claims import judge
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.runs.attempt import execute
from fbgd.runs.plan import Rung, plan, with_subset_of_seed
from fbgd.studies.trained import final_weights
from fbgd.studies.weight_decay import map_solution, overparameterised
from fbgd.studies.weight_decay.distance import nearest_prior, relative
from fbgd.studies.weight_decay.dynamics_claims import MARGIN, product_lead
from fbgd.studies.weight_decay.noise import gradient_noise
from fbgd.studies.weight_decay.posterior import gaussian_mode, softmax_mode, with_bias
from fbgd.studies.weight_decay.prior_settings import ADAM, ADAMW, DESCENT, L2, LINEAR, MODELS
from fbgd.studies.weight_decay.product import best_direction, explained
from fbgd.studies.weight_decay.weights import histogram, linear_weights
from regularizers import GaussianPrior
from scripts import weight_decay


def verdicts(study, table):
    """The findings of a study from its tidy table, by claim and case: the value and the verdict."""
    evidence = Evidence(Description("", []), measurements=table)
    return {(found.claim, found.case): (found.value, found.verdict) for found in judge(study.claims, evidence)}


def problem(samples=40, dimensions=6, classes=3):
    """Features (n, d), float64, with noisy labels that depend on them."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(samples, dimensions, generator=generator, dtype=torch.float64)
    noise = torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    labels = (2 * features[:, :classes] + noise).argmax(1)
    return features, labels


class TestModes:
    @pytest.mark.parametrize("samples", [4, 40])
    @pytest.mark.parametrize("sigma", [0.1, 3.0])
    def test_ridge_is_the_mode_under_the_gaussian_prior(self, samples, sigma):
        """L2 of 1 / (n sigma^2) in the mean loss against the conditioned prior; fewer and more samples than weights."""
        features, labels = problem(samples)
        targets = F.one_hot(labels, 3).double()
        mode = gaussian_mode(features, targets, sigma)
        closed = ridge(factorise(features), targets, [1 / (samples * sigma**2)])[0]
        assert torch.allclose(mode, closed, rtol=0, atol=1e-10)
        # The mean loss with the project's own prior has no slope there.
        weights = mode.clone().requires_grad_()
        loss = (features @ weights - targets).square().sum() / (2 * samples)
        (loss + GaussianPrior(sigma).value([weights], samples)).backward()
        assert weights.grad.abs().max() < 1e-12

    @pytest.mark.parametrize("strength", [1.0, 1e-3])
    def test_softmax_against_scipy_and_a_vanishing_gradient(self, strength):
        features, labels = problem()
        mode = softmax_mode(features, labels, 3, strength)

        def objective(flat):
            weights = torch.from_numpy(flat).view(3, 6).requires_grad_()
            loss = F.cross_entropy(features @ weights.T, labels) + strength / 2 * weights.square().sum()
            loss.backward()
            return loss.item(), weights.grad.numpy().ravel()

        found = minimize(objective, np.zeros(18), jac=True, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-10})
        assert np.abs(mode.numpy().ravel() - found.x).max() < 1e-6
        assert np.abs(objective(mode.numpy().ravel().copy())[1]).max() < 1e-12

    def test_the_prior_weighs_less_with_more_samples(self):
        """Every sample twice is the same mean loss: the mode is that of half the strength, not of the same."""
        features, labels = problem()
        twice, labels_twice = torch.cat([features, features]), torch.cat([labels, labels])
        precision = 4.0
        doubled = softmax_mode(twice, labels_twice, 3, precision / 80)
        assert torch.allclose(doubled, softmax_mode(features, labels, 3, precision / 2 / 40), rtol=0, atol=1e-10)
        assert doubled.norm() > 1.1 * softmax_mode(features, labels, 3, precision / 40).norm()

    def test_the_nearest_prior_of_a_mode_is_its_own(self):
        features, labels = problem()
        weights = softmax_mode(features, labels, 3, 1.0 / 40)
        precision, distance = nearest_prior(weights, features, labels)
        assert precision == 1.0
        assert distance < 1e-12
        assert relative(2 * weights, weights) == pytest.approx(1)

    def test_what_has_no_mode_is_refused(self):
        features, labels = problem()
        for value in (0.0, -1.0, float("inf")):
            with pytest.raises(ValueError, match="strength = "):
                softmax_mode(features, labels, 3, value)
            with pytest.raises(ValueError, match="sigma = "):
                gaussian_mode(features, features, value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A linear model trained by the engine in every way of the figure, by name: distance from the mode, and weights."""
    sizes = map_solution.quick(map_solution.PRESETS["digits"], "digits")
    pool = tmp_path_factory.mktemp("runs")
    points = sizes.compared(40)
    planned = plan([point.rung(sizes.words) for point in points], ["impl.threads=1"], [0], pool)
    found = {}
    for run in planned:
        execute(run.config, run.path)
        samples = load_data(run.config).train.samples
        features = with_bias(samples.inputs)
        mode = softmax_mode(features, samples.targets, 10, sizes.held_precision / 40)
        found[run.labels["how"]] = (relative(linear_weights(run), mode), linear_weights(run), features, samples.targets)
    return found


class TestTheEngine:
    @pytest.mark.parametrize(("how", "tolerance"), [(DESCENT, 1e-8), (L2, 1e-8), (ADAM, 1e-3)])
    def test_the_prior_and_l2_in_the_loss_end_at_the_mode(self, trained, how, tolerance):
        """Adam has taken too few steps for more digits, and is three decades nearer than AdamW."""
        assert trained[how][0] < tolerance

    def test_decoupled_decay_does_not(self, trained):
        distance, weights, features, labels = trained[ADAMW]
        assert distance > 0.1
        # Nor at the mode of any other prior.
        assert nearest_prior(weights, features, labels)[1] > 0.1

    def test_without_hidden_layers_the_model_is_linear(self):
        model = MLP((1, 2, 3), 4, width=7, layers=0)
        inputs = torch.randn(5, 1, 2, 3)
        weight, bias = model.parameters()
        assert torch.equal(model(inputs), F.linear(inputs.flatten(1), weight, bias))
        for layers in (-1, 1.5):
            with pytest.raises(ValueError, match=r"model\.layers = .*whole number >= 0"):
                MLP((3,), 4, layers=layers)


def test_every_seed_gets_its_own_subset(tmp_path):
    sizes = map_solution.quick(map_solution.PRESETS["digits"], "digits")
    planned = plan([sizes.solved(LINEAR, 20, 1.0).rung(sizes.words)], [], 2, tmp_path)
    runs = with_subset_of_seed(planned, tmp_path)
    for run in runs:
        assert run.config.data.seed == run.config.seed == run.seed
    assert len({load_data(run.config).content_hash for run in runs}) == 2
    assert runs[0].path == planned[0].path
    assert len({run.path for run in [*planned, *runs]}) == 3


def test_a_density_integrates_to_one_and_knows_its_spread():
    values = torch.tensor([-100.0, 0.0, 0.1, 0.2, 3.0])
    found = histogram(values, sigma=0.1)
    width = found["place"].diff().iloc[1]
    assert found["density"].sum() * width == pytest.approx(1)
    assert found["spread"].iloc[0] == pytest.approx(values.square().mean().sqrt().item() / 0.1)


def errors(gains, sizes=(50, 900), seeds=4):
    """Rows of errors where the prior 1 is the best on the validation split and takes off ``gains``, by sample size."""
    rows = []
    for size, gained in zip(sizes, gains, strict=True):
        for seed in range(seeds):
            for precision, better in ((0.0, 0.0), (0.1, 0.0), (1.0, gained)):
                test = 0.3 - better
                validation = 0.2 if precision == 1.0 else 0.3
                rows.append({"part": "errors", "model": "linear", "train_size": size, "precision": precision,
                             "seed": seed, "how": "L-BFGS, prior", "validation_error": validation,
                             "test_error": test})  # fmt: skip
    return pd.DataFrame(rows)


class TestWhatThePageSays:
    def test_the_prior_is_chosen_on_the_validation_split(self):
        assert map_solution.chosen_precision(errors([-0.1], sizes=(50,))) == 1.0

    @pytest.mark.parametrize(
        ("gains", "few", "many", "lost"),
        [
            ((0.1, 0.0), (10.15, "supported"), (-0.15, "undecided"), "supported"),
            ((0.0, 0.0), (0.15, "undecided"), (-0.15, "undecided"), "undecided"),
            ((-0.1, 0.05), (-9.85, "opposite"), (4.85, "supported"), "opposite"),
        ],
    )
    def test_claims_about_gains(self, gains, few, many, lost):
        table = errors(gains)
        # Gains of 0 to 3 tenths of a point more, and 0 to 3 less: without any spread they have no interval.
        spread = 0.001 * table["seed"] * (table["precision"] == 0)
        table["test_error"] += spread.where(table["train_size"] == 50, -spread) + 0.001 * table["seed"]
        found = verdicts(map_solution.STUDY, table)
        for size, (value, verdict) in ((50, few), (900, many)):
            assert found["the prior helps", f"linear, {size} samples"] == (pytest.approx(value), verdict)
        assert found["fewer samples, larger gain", "linear"][1] == lost

    @pytest.mark.parametrize(
        ("distances", "expected"),
        [((1e-12, 2.0, 0.5), ["supported"] * 3), ((1e-3, 1e-4, 1e-4), ["opposite", "undecided", "undecided"])],
    )
    def test_claims_about_distances(self, distances, expected):
        same, adamw, nearest = distances
        rows = [(DESCENT, same, same), (L2, same, same), (ADAMW, adamw, nearest)]
        table = pd.DataFrame(
            [{"part": "distances", "model": "linear", "train_size": 40, "how": how, "precision": 10.0, "seed": 0,
              "distance": distance, "nearest_precision": 0.1, "nearest_distance": near}
             for how, distance, near in rows]
        )  # fmt: skip
        found = verdicts(map_solution.STUDY, table)
        keys = [
            ("L2 is a Gaussian prior", ""),
            ("decoupled decay is not", "40 samples"),
            ("nor another prior", "40 samples"),
        ]
        assert [found[key][1] for key in keys] == expected


def cells(function, seed=0, rates=(0.1, 0.3, 1.0), decays=(1e-3, 1e-2, 1e-1)):
    """A map whose test error is a function of learning rate and decay."""
    return pd.DataFrame([{"regime": "SGD", "rate": rate, "decay": decay, "seed": seed, "end": 1,
                          "test_error": function(rate, decay)} for rate in rates for decay in decays])  # fmt: skip


class TestProduct:
    @pytest.mark.parametrize(
        ("function", "degrees", "leads"),
        [
            (lambda rate, decay: (np.log10(rate * decay) + 3) ** 2, 45, True),
            (lambda rate, decay: np.log10(decay) ** 2, 0, False),
            (lambda rate, decay: 1 + np.log10(rate), 90, False),
        ],
    )
    def test_a_parabola_in_one_direction_is_found(self, function, degrees, leads):
        table = cells(function)
        assert explained(table, degrees) == pytest.approx(1, abs=1e-12)
        assert explained(table, degrees + 45) < 0.95
        assert best_direction(table) == degrees
        (lead,) = product_lead(table.assign(test_error=np.exp(table["test_error"])), 0.95)
        assert (lead.value > MARGIN, lead.value < -MARGIN) == (leads, not leads)
        assert lead.low <= lead.value <= lead.high

    def test_too_small_a_map_says_nothing(self):
        assert product_lead(cells(lambda rate, decay: rate, rates=(0.1, 1.0)), 0.95) == []
        with pytest.raises(ValueError, match="need four or more"):
            explained(cells(lambda rate, decay: 0.5), 45)


def test_the_noise_of_block_gradients_against_one_block_after_another(tmp_path):
    """11 samples in blocks of 4, 4 and 3, in float64; weight decay is in neither part."""
    words = ("data=mnist1d", "data.source.train=11", "data.source.test=9", "model=mlp", "model.width=5",
             "regime.block_size=4", "budget.passes=2", "optimizer.weight_decay=0.1", "precision=fp64",
             "regularizer=l2", "regularizer.l2.strength=1", "impl.threads=1")  # fmt: skip
    (run,) = plan([Rung("tiny", words)], [], [3], tmp_path)
    execute(run.config, run.path)
    data = load_data(run.config)
    model = build_model(run.config, data).double()
    model.load_state_dict(final_weights(run))
    inputs, targets = data.train.samples.inputs.double(), data.train.samples.targets
    gradients, shares = [], []
    for block in BlockOrder(11, 4, 1, "reshuffle", 3).blocks(0):
        model.zero_grad()
        F.cross_entropy(model(inputs[block]), targets[block]).backward()
        gradients.append(torch.cat([param.grad.flatten() for param in model.parameters()]))
        shares.append(len(block) / 11)
    mean = sum(share * gradient for share, gradient in zip(shares, gradients, strict=True))
    trace = sum(share * (gradient - mean).square().sum() for share, gradient in zip(shares, gradients, strict=True))
    found = gradient_noise(run)
    assert found.trace == pytest.approx(trace.item(), rel=1e-10)
    assert found.squared_mean == pytest.approx(mean.square().sum().item(), rel=1e-10)
    assert found.ratio == pytest.approx((trace / mean.square().sum()).item(), rel=1e-10)
    for path in run.path.glob("checkpoint*"):
        path.unlink()
    with pytest.raises(ValueError, match="has no checkpoint"):
        gradient_noise(run)


def dynamics(effects, seeds=6):
    """Ends of runs in both regimes at two learning rates: the search, seeds 0 to 2, prefers the decay 0.01, the test
    set the other one; with fresh seeds it adds ``effects`` (by regime and rate) to the test error.
    """  # fmt: skip
    rows = []
    for (regime, rate), added in effects.items():
        for seed in range(seeds):
            for decay in (0.0, 0.01, 0.1):
                validation, test = {0.0: (0.5, 0.5), 0.01: (0.2, 0.5), 0.1: (0.4, 0.1)}[decay]
                fresh = seed - 2
                test = 0.4 + 0.001 * fresh + (decay > 0) * (added + 0.002 * (fresh % 2)) if fresh > 0 else test
                rows.append({"regime": regime, "rate": rate, "decay": decay, "seed": seed, "end": 1,
                             "validation_error": validation, "test_error": test, "train_error": 0.0,
                             "settled_loss": 0.1 + decay * (10 + fresh), "settled_block_norm": 1.0 + 0.01 * seed,
                             "parameter_norm": 20.0, "noise": 2.0, "signal": 1.0})  # fmt: skip
    table = pd.DataFrame(rows)
    # The decay that is not chosen has runs of the search alone.
    return table[(table["seed"] < 3) | (table["decay"] < 0.1)]


EFFECTS = {("SGD", 0.1): 0.0, ("SGD", 1.0): -0.05, ("full batch", 0.1): 0.03, ("full batch", 1.0): 0.0}


class TestDynamics:
    def test_decay_is_chosen_on_the_validation_split_by_the_seeds_that_do_not_count(self):
        table = dynamics(EFFECTS)
        assert overparameterised.chosen_decays(table) == dict.fromkeys(EFFECTS, 0.01)
        assert set(overparameterised.compared_of(table)["seed"]) == {3, 4, 5}

    def test_a_learning_rate_of_the_map_alone_is_not_compared(self):
        table = dynamics({**EFFECTS, ("SGD", 0.3): 0.0})
        table = table[(table["rate"] != 0.3) | (table["seed"] < 3)]
        assert set(overparameterised.compared_of(table)["rate"]) == {0.1, 1.0}
        cells = overparameterised.map_of(table.assign(test_error=table["test_error"] + 0.01 * table["seed"]))
        assert set(cells["rate"]) == {0.1, 0.3, 1.0}
        # The mean over the three search seeds.
        assert cells.set_index(["rate", "decay"]).loc[(1.0, 0.1), "test_error"] == pytest.approx(0.1 + 0.01)

    def test_page(self):
        summary = overparameterised.summarise(dynamics(EFFECTS))
        assert len(summary.rows) == 8
        deltas = {(row["regime"], row["rate"]): row["Δ no decay (95 %)"] for row in summary.rows if row["decay"] != "0"}
        assert deltas["SGD", "1"].startswith("-4.87")
        found = verdicts(overparameterised.STUDY, dynamics(EFFECTS))
        helped = {case: verdict for (claim, case), (_, verdict) in found.items() if claim == "decay helps"}
        assert helped == {
            "SGD, rate 0.1": "undecided",
            "SGD, rate 1": "supported",
            "full batch, rate 0.1": "opposite",
            "full batch, rate 1": "undecided",
        }
        assert found["more at large rates", "SGD"][0] == pytest.approx(-5)
        assert found["loss stays off zero", ""] == (pytest.approx(0.12), "supported")
        assert "The smallest or largest decay was chosen" in summary.paragraphs[-1]
        assert "full batch at the rate 1" in summary.paragraphs[-1]


class TestScript:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["map", "data=digit"], "did you mean 'digits'"),
            (["map", "model.width=3"], "this study sets it itself"),
            (["map", "data.label_nose=0.1"], "did you mean 'data.label_noise'"),
            (["map", "--seeds", "0"], "--seeds = 0"),
            (["overparameterised", "--seeds", "0"], "--seeds = 0"),
            (["overparameterised", "optimizer.lr=1"], "this study sets it itself"),
            (["overparameterised", "data=mnist"], "did you mean 'mnist1d'"),
        ],
    )
    def test_mistakes_end_in_one_line(self, words, message, tmp_path, capsys):
        assert weight_decay.main([*words, "--out", str(tmp_path / "none")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
        assert not (tmp_path / "none").exists()

    def test_an_unknown_figure_is_told_the_nearest(self, capsys):
        with pytest.raises(SystemExit):
            weight_decay.main(["maps"])
        assert "did you mean 'map'" in capsys.readouterr().err


def test_both_models_are_the_same_class_of_the_engine():
    for words in MODELS.values():
        assert compose([*words, "data=digits"]).model["_target_"] == "fbgd.models.MLP"


def test_of_priors_that_differ_by_rounding_the_weakest_is_chosen():
    """As many wrong samples over three seeds: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in binary."""
    errors = pd.DataFrame(
        {
            "precision": [0.0] * 3 + [0.01] * 3 + [0.1] * 3 + [1.0] * 3,
            "validation_error": [0.0] * 3 + [0.1, 0.2, 0.3] + [0.3, 0.2, 0.1] + [0.3, 0.2, 0.2],
        }
    )
    means = errors.groupby("precision")["validation_error"].mean()
    assert 0 < abs(means[0.01] - means[0.1]) < 1e-15
    assert map_solution.chosen_precision(errors[errors["precision"] < 1]) == 0.01
    assert map_solution.chosen_precision(errors[errors["precision"] > 0.01]) == 0.1
