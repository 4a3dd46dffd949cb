"""The study of SGD's noise: all settings take the same steps, noise has its trace, claims say what the rows say."""

import numpy as np
import pandas as pd
import pytest
import torch

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.probes.lanczos import lanczos
from fbgd.report.claims import judge
from fbgd.report.evidence import Evidence
from fbgd.studies.noise import PRESETS, STUDY, TRACES, rungs
from fbgd.studies.noise_drawing import accuracy_figure, eigenvalues


def test_every_setting_takes_the_same_steps_of_the_same_length():
    preset = PRESETS["digits"]
    steps = set()
    for rung in rungs(preset):
        config = compose(rung.overrides)
        blocks = 1 if config.regime.blocks_per_step == "all" else -(-preset.samples // preset.block_size)
        steps.add((config.budget.passes * blocks, config.optimizer["lr"], config.regime.block_size))
        if "sgd_noise" in config.regularizer:
            noise = config.regularizer["sgd_noise"]
            assert noise["structure"] == rung.labels["structure"]
            assert noise["scale"] == TRACES[rung.labels["trace"]]
    assert steps == {(preset.steps, preset.rate, preset.block_size)}


def test_sgd_and_full_batch_see_the_same_partitions():
    """So the covariance of the noise is, on average, that of SGD's blocks."""
    preset = PRESETS["digits"]
    first, second = (build(compose(rung.overrides)).experiment.source.order for rung in rungs(preset)[:2])
    assert first.blocks_per_pass == second.blocks_per_pass == 20
    for index in range(2):
        pairs = zip(first.blocks(index), second.blocks(index), strict=True)
        assert all(left.tolist() == right.tolist() for left, right in pairs)


def evidence(accuracies):
    """Four seeds of every setting, with these means."""
    draws = np.random.default_rng(0).normal(size=(len(accuracies), 4))
    changes = 0.002 * (draws - draws.mean(1, keepdims=True))
    rows = [
        {"structure": structure, "trace": trace, "seed": seed, "status": "done",
         "test_accuracy": mean + changes[place, seed]}
        for place, ((structure, trace), mean) in enumerate(accuracies.items()) for seed in range(4)
    ]  # fmt: skip
    looks = pd.DataFrame(
        {"structure": "SGD", "trace": "1", "seed": seed, "step": step, "gradient_covariance/anisotropy": ratio + seed}
        for seed in range(3)
        for step, ratio in ((10, 20.0), (20, 40.0))
    )
    # Sharpness is known after the last step alone.
    looks["sharpness/sharpness"] = [None, 2.0, None, 2.1, None, 2.2]
    plain = pd.DataFrame(
        {"structure": "no noise", "trace": "0", "seed": range(3), "step": 20, "sharpness/sharpness": [4.0, 4.0, 4.3]}
    )
    return Evidence(STUDY.describe("", None, [], []), pd.DataFrame(rows), pd.concat([looks, plain]))


MEANS = {("SGD", "1"): 0.90, ("no noise", "0"): 0.80, ("isotropic", "1"): 0.80, ("covariance", "1"): 0.90,
         ("isotropic", "0.25"): 0.80, ("isotropic", "4"): 0.80, ("covariance", "0.25"): 0.88,
         ("covariance", "4"): 0.91}  # fmt: skip


def found(accuracies):
    """Verdicts by claim and case."""
    return {(one.claim, one.case): one for one in judge(STUDY.claims, evidence(accuracies))}


def test_claims_say_what_the_rows_say():
    findings = found(MEANS)
    assert findings["noise is anisotropic", "SGD"].value == pytest.approx(30)
    assert findings["noise is anisotropic", "SGD"].verdict == "supported"
    assert findings["noise lifts accuracy", "covariance"].value == pytest.approx(10)
    assert findings["noise lifts accuracy", "covariance"].verdict == "supported"
    assert findings["noise lifts accuracy", "isotropic"].verdict == "undecided"
    assert ("noise lifts accuracy", "no noise") not in findings
    assert [findings["shape lifts accuracy", f"trace {trace}"].value for trace in ("1", "0.25", "4")] == pytest.approx(
        [10, 8, 11]
    )
    assert findings["noise flattens", "SGD"].value == pytest.approx(-2)
    assert findings["noise flattens", "SGD"].verdict == "supported"
    # Shapes: (10 + 8 + 11) / 3 apart; sizes: (0 + 3) / 2 apart.
    assert findings["shape before size", ""].value == pytest.approx(29 / 3 - 1.5)
    assert findings["shape before size", ""].verdict == "supported"


def test_a_distance_has_no_sign():
    """Noise that harms in proportion to its size: sizes are 20 points apart and shapes are 1."""
    harm = {"0.25": 0.0, "1": -0.1, "4": -0.2}
    means = {key: 0.8 + harm.get(key[1], 0) - 0.01 * (key[0] == "covariance") for key in MEANS}
    finding = found(means)["shape before size", ""]
    assert finding.value == pytest.approx(1 - 20)
    assert finding.verdict == "opposite"


def test_few_products_leave_eigenvalues_at_most_as_large():
    """Rank by rank, which the figure's empty marks say."""
    draw = torch.Generator().manual_seed(0)
    matrix = torch.diag(torch.linspace(0, 3, 80, dtype=torch.float64) ** 2)
    start = torch.randn(80, generator=draw, dtype=torch.float64)
    values, _, errors = lanczos(lambda vector: matrix @ vector, start, steps=12).top(6)
    largest = matrix.diagonal().flip(0)[:6].numpy()
    assert (values <= largest + 1e-12).all()
    assert errors[-1] > 0.05 * values[-1]
    assert values[-1] < 0.95 * largest[-1]


def test_one_shape_alone_can_be_drawn():
    """As with --only: nothing stands aside for other shapes."""
    runs = pd.DataFrame({"structure": "covariance", "trace": "1", "seed": [0, 1], "test_accuracy": [0.8, 0.9]})
    assert accuracy_figure(Evidence(STUDY.describe("", None, [], []), runs)) is not None


def test_eigenvalues_by_rank():
    rows = pd.DataFrame(
        {
            "gradient_covariance/trace": [9.0],
            "gradient_covariance/eigenvalue_1": [5.0],
            "gradient_covariance/eigenvalue_10": [0.0],
            "sharpness/sharpness": [7.0],
            "sharpness/eigenvalue_2": [3.0],
            "sharpness/error": [0.2],
        }
    )
    table = eigenvalues(rows)
    assert table.to_dict("records") == [
        {"matrix": "gradient covariance C", "rank": 1, "value": 5.0, "resolved": True},
        {"matrix": "Hessian H", "rank": 1, "value": 7.0, "resolved": True},
        {"matrix": "Hessian H", "rank": 2, "value": 3.0, "resolved": False},
    ]
