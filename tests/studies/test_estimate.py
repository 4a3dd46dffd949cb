"""A study's cost before it is paid: gradients are those that a run counts; shares of a budget."""

import pytest
from files import write_cifar

from fbgd.config.compose import compose
from fbgd.runs.attempt import execute
from fbgd.studies import fair_ladder, geiping_ladder
from fbgd.studies.command import main
from fbgd.studies.estimate import cost_of

TINY = [
    "data.source.train=60",
    "data.source.test=20",
    "model=mlp",
    "model.width=4",
    "regime.block_size=8",
    "budget.passes=3",
    "impl.threads=1",
    "impl.blocks_per_call=1",
]
WAYS = {
    "SGD": [],
    "full batch": ["regime=full_batch"],
    "penalty": ["regime=full_batch", "regularizer=[gradient_penalty]"],
    "SAM": ["optimizer=sam"],
    "an optimizer's own evaluations, up to a bound": ["optimizer=lbfgs", "budget.gradients_per_sample=2"],
}


@pytest.mark.parametrize("words", WAYS.values(), ids=WAYS)
def test_gradients_are_those_that_a_run_counts(tmp_path, words):
    """SGD's blocks of 8 and 4 are taken as equally large, which over whole passes is exact to a block."""
    config = compose([*TINY, *words])
    cost = cost_of(config)
    counted = execute(config, tmp_path)["gradient_evaluations"]
    assert cost.gradients == pytest.approx(counted, rel=0.1)
    if "regime=full_batch" in words:
        assert cost.gradients == counted
    assert cost.seconds > 0
    assert cost.memory == 0


def test_the_ladder_on_images_is_estimated_and_nothing_is_run(tmp_path, capsys):
    """On CIFAR-shaped files, with a share of the published budget."""
    folder = write_cifar(tmp_path / "files", "cifar10", "binary")
    words = [
        "data=cifar10",
        f"data.source.folder={folder}",
        "data.source.verify=false",
        "impl.threads=1",
        "--out",
        str(tmp_path / "out"),
    ]
    words += ["model=cnn", "model.width=2", "regime.block_size=16", "--only", "Baseline"]
    assert main(geiping_ladder.STUDY, [*words, "--budget", "0.01", "--estimate", "--seeds", "5"]) == 0
    text = capsys.readouterr().out
    assert "budget-0.01" in text
    assert "hours, 5 seeds" in text
    assert "Baseline FB" in text
    assert "FB clipped" not in text
    assert not (tmp_path / "out").exists()


def test_a_share_of_the_budget_scales_all_lengths_and_has_no_published_values():
    preset = geiping_ladder.shortened("cifar10", geiping_ladder.PRESETS["cifar10"], "0.05")
    (whole, *_), (part, *_) = (
        [compose(rung.overrides) for rung in geiping_ladder.rungs(sizes)[3:]]
        for sizes in (geiping_ladder.PRESETS["cifar10"], preset)
    )
    assert part.budget.passes == pytest.approx(0.05 * whole.budget.passes)
    assert part.schedule["warmup"] == pytest.approx(0.05 * whole.schedule["warmup"]) == 20
    assert part.schedule["horizon"] == pytest.approx(0.05 * whole.schedule["horizon"]) == 200
    assert part.optimizer["lr"] == whole.optimizer["lr"]
    assert all(rung.published is None for rung in geiping_ladder.rungs(preset))
    assert preset.variant == "budget-0.05"
    fair = fair_ladder.shortened("mnist1d", fair_ladder.PRESETS["mnist1d"], "0.5")
    assert (fair.short, fair.long, fair.variant) == (15, 75, "budget-0.5")


@pytest.mark.parametrize("share", ["0", "1.5", "-1", "half"])
def test_no_share_is_refused(share, capsys):
    assert main(geiping_ladder.STUDY, [f"--budget={share}", "--list"]) == 2
    assert f"--budget {share} must be a number above 0 and at most 1" in capsys.readouterr().err
