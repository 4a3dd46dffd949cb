"""A run that is dealt to several processes is the run of one process, up to rounding."""

import numpy as np
import pandas as pd
import pytest
import torch
from rank_group import RankGroupProcess

from fbgd.config.compose import compose
from fbgd.runs.attempt import execute

# Blocks of 7, 7 and six of 6 samples, all different.
PLAIN = [
    *("data.source.train=50", "data.source.test=20", "precision=fp64", "impl.threads=1", "impl.blocks_per_call=3"),
    *("regime=full_batch", "regime.block_size=7", "budget.passes=4", "record.every=1", "record.evaluate_every=2"),
    *("schedule=constant", "impl.checkpoint_seconds=0"),
]
MLP = [*PLAIN, "model=mlp", "model.width=4"]
NORM = [*PLAIN, "model=resnet", "model.depth=8", "model.width=2"]
RICH = [*NORM, "regularizer=[gradient_penalty,block_clipping,gradient_clipping,ema]", "data.augment=random"]


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """Four connected processes."""
    processes = RankGroupProcess(tmp_path_factory.mktemp("group"))
    yield processes
    processes.close()


def numbers(path):
    """The rows of a run without its times, and its last weights and optimizer's state."""
    state = torch.load(path / "checkpoint.pt", weights_only=True)
    rows = pd.read_csv(path / "metrics.csv").drop(columns="seconds")
    return rows, {**state["model"], **tensors_of(state["optimizer"]["state"])}


def tensors_of(state):
    return {
        f"{key}.{name}": value
        for key, entry in state.items()
        for name, value in entry.items()
        if torch.is_tensor(value) and value.is_floating_point()
    }


def assert_close(left, right, tolerance=1e-12):
    """Rows and weights agree to rounding."""
    pd.testing.assert_frame_equal(left[0], right[0], check_exact=False, rtol=tolerance, atol=tolerance)
    assert left[1].keys() == right[1].keys()
    for name, value in left[1].items():
        torch.testing.assert_close(right[1][name], value, rtol=tolerance, atol=tolerance, msg=name)


def straight(words, path):
    """The numbers of the run in this process alone."""
    execute(compose(words), path)
    return numbers(path)


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """Many ingredients at once, in this process alone."""
    path = tmp_path_factory.mktemp("rich") / "one"
    return *straight(RICH, path), shares(execute(compose(RICH), path))


def shares(summary):
    """What the ingredients of a run did at most."""
    return {key: value for key, value in summary.items() if key.startswith(("penalty_share/", "clipped_off/"))}


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_any_number_of_ranks_gives_the_same_run(group, tmp_path, rich, ranks):
    """Ragged blocks, batch norm, penalties and clipping of blocks, clipping of steps, averages, augmentation."""
    result = group.execute(RICH, tmp_path / "many", ranks)
    assert result["status"] == "done"
    assert result["summary"].get("ranks", 1) == ranks
    assert [other["status"] for other in result["others"]] == ["done"] * (ranks - 1)
    assert result["warnings"] == []
    assert_close(rich[:2], numbers(tmp_path / "many"))
    assert shares(result["summary"]) == pytest.approx(rich[2], rel=1e-9)
    assert len(rich[2]) == 3
    # One a step, and two evaluations of one set and the statistics of batch norm.
    assert result["reductions"] == 4 + 2 * 2


# By name: words, ranks, all-reduces of all steps (of searches: the gradients that they took), and of an evaluation.
# Few iterations, and no difference of gradients: L-BFGS makes rounding errors larger at each of them.
LBFGS = (
    *("optimizer=lbfgs", "optimizer.max_iter=4", "regularizer=gradient_penalty"),
    "regularizer.gradient_penalty.method=exact",
)
EXACT = "regularizer.full_gradient_penalty.method=exact"
METRIC = "metric.spread._target_=rank_group.spread"
STOPPING = ["regularizer=early_stopping", "regularizer.early_stopping.metric=validation_accuracy"]
FEW = ["regime.block_size=20", "data.validation_size=3"]
CASES = {
    "plain, as many blocks a call as it likes": ([*MLP, "impl.blocks_per_call=auto", METRIC], 3, 4, 2),
    "forward penalty of the full gradient": ([*MLP, "regularizer=full_gradient_penalty"], 3, 8, 1),
    "penalties of blocks and of the full gradient": (
        [*MLP, "regularizer=[gradient_penalty,full_gradient_penalty]", "regularizer.gradient_penalty.method=central"],
        *(2, 12, 1),
    ),
    "exact penalty of the full gradient": ([*NORM, "regularizer=full_gradient_penalty", EXACT], 3, 8, 2),
    "exact penalty, a rank without blocks": (
        [*MLP, "regularizer=full_gradient_penalty", EXACT, "regime.block_size=20"],
        *(4, 8, 1),
    ),
    "SAM, noise, mixup": ([*MLP, "optimizer=sam", "regularizer=[weight_noise,mixup,gradient_noise]"], 2, 8, 1),
    "some blocks a step, dropout": ([*MLP, "regime.blocks_per_step=3", "regularizer=[dropout,swa]"], 2, 12, 1),
    "more ranks than blocks and than samples": ([*MLP, *FEW, *STOPPING, METRIC], 4, 4, 4),
    "noise of block gradients": ([*MLP, "regularizer=sgd_noise"], 2, 4, 1),
    "sequences": ([*PLAIN, "data=markov", "data.train_size=20", "model=gpt", "model.width=4"], 3, 4, 1),
    "L-BFGS": ([*MLP, *LBFGS], 3, None, 1),
    "line search": ([*MLP, "optimizer=line_search"], 2, None, 1),
    "weights for evaluation alone": ([*MLP, "optimizer=schedule_free", "record.train=true"], 2, 4, 2),
}


# Those that take longest.
SLOW = (
    *("exact penalty of the full gradient", "forward penalty of the full gradient", "noise of block gradients"),
    *("L-BFGS", "sequences", "weights for evaluation alone"),
)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES])
def test_every_ingredient_can_be_dealt(group, tmp_path, name):
    words, ranks, of_steps, of_evaluation = CASES[name]
    one = straight(words, tmp_path / "one")
    result = group.execute(words, tmp_path / "many", ranks)
    assert result["status"] == "done", result
    many = numbers(tmp_path / "many")
    assert_close(one, many)
    if of_steps is None:
        gradients = 3 if LBFGS[-1] in words else 1
        of_steps = many[0]["gradient_evaluations"].iloc[-1] / (50 * gradients)
        assert of_steps > 4
    evaluations = many[0]["test_loss"].count()
    assert result["reductions"] == of_steps + of_evaluation * evaluations


def test_numbers_are_dealt_like_labels(group, tmp_path):
    """A regression of two numbers, with fewer test samples than ranks."""
    draws = np.random.default_rng(0)
    inputs = draws.normal(size=(26, 12))
    np.savez(tmp_path / "data.npz", x=inputs, y=inputs[:, :2] + 0.1 * draws.normal(size=(26, 2)))
    words = [*MLP[2:], "data=array_file", f"data.source.path={tmp_path}/data.npz", "data.source.test_share=0.12"]
    words += ["data.source.regression=true", "objective=squared_error", "record.train=true"]
    one, result = straight(words, tmp_path / "one"), group.execute(words, tmp_path / "many", 4)
    assert result["status"] == "done", result
    assert_close(one, numbers(tmp_path / "many"))
    assert "train_r2" in one[0]


def test_all_ranks_see_the_same_divergence(group, tmp_path):
    result = group.execute([*MLP, "precision=fp32", "optimizer.lr=1e30"], tmp_path, 3)
    assert [result["status"], *(other["status"] for other in result["others"])] == ["diverged"] * 3
    assert result["summary"]["steps"] < 4


def test_float32_keeps_its_statistics_in_double_precision(group, tmp_path):
    """Of the first step, the same to the rounding of a few blocks' sums, and counts exactly."""
    words = [*RICH, "precision=fp32", "impl.blocks_per_call=1"]
    one, result = straight(words, tmp_path / "one"), group.execute(words, tmp_path / "many", 3)
    assert result["status"] == "done"
    many = numbers(tmp_path / "many")
    assert_close(one, many, 1e-4)
    first = ["loss", "accuracy", "block_gradient_norm"]
    pd.testing.assert_frame_equal(one[0].loc[:0, first], many[0].loc[:0, first], check_exact=False, rtol=1e-14)


def test_probes_look_at_one_rank(group, tmp_path):
    result = group.execute([*MLP, "probe.look._target_=rank_group.look", "probe.look.every=2"], tmp_path, 2)
    assert result["status"] == "done"
    assert result["looks"] == [2, 4]
    assert result["others"][0]["looks"] == []
    assert result["warnings"] == ["probes look on rank 0 alone, while the others wait"]


@pytest.mark.slow
def test_probes_see_the_same_run(group, tmp_path):
    words = [*MLP, "probe=[sharpness,gradient_noise_scale]", "probe.sharpness.every=2"]
    one, result = straight(words, tmp_path / "one"), group.execute(words, tmp_path / "many", 2)
    many = numbers(tmp_path / "many")
    assert_close(one, many, 1e-9)
    assert "probe_evaluations" in many[0]
    assert result["status"] == "done"


@pytest.mark.parametrize(
    ("words", "ranks", "told"),
    [
        (["regime.blocks_per_step=1"], 2, "a step of one block cannot be dealt: 1 of 2 ranks wait in every step"),
        (["regime.blocks_per_step=2"], 4, "a step has 2 blocks: 2 of 4 ranks wait in every step"),
        (["regularizer=sgd_noise"], 2, "SGDNoise looks at every block: each rank evaluates the gradients of all"),
    ],
)
def test_what_cannot_be_dealt_is_said_in_a_line(group, tmp_path, words, ranks, told):
    one, result = straight([*MLP, *words], tmp_path / "one"), group.execute([*MLP, *words], tmp_path / "many", ranks)
    assert [line[: len(told)] for line in result["warnings"]] == [told]
    assert_close(one, numbers(tmp_path / "many"))


@pytest.mark.parametrize("listener", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_signal_at_any_rank_stops_all_and_any_number_of_ranks_goes_on(group, tmp_path, rich, listener):
    """In the middle of what a row is the mean of; on as many ranks, on more, on one."""
    words = [*RICH, "record.every=3"]
    one = straight(words, tmp_path / "one")
    path = tmp_path / "cut"
    for ranks in (2, 3):
        result = group.execute(words, path, ranks, stop_at=0, stop_rank=listener)
        assert [result["error"], *(other["error"] for other in result["others"])] == [
            "Interrupted: interrupted by SIGTERM"
        ] * ranks
        assert not (path / "summary.json").exists()
    assert torch.load(path / "checkpoint.pt", weights_only=True)["progress"]["step"] == 2
    execute(compose(words), path)
    assert_close(one, numbers(path))
    again = group.execute(words, path, 2)
    assert again["summary"]["ranks"] == 3
    assert again["reductions"] == 0


def test_a_run_of_one_process_goes_on_on_several(group, tmp_path, rich):
    def crash(row, steps):
        if row["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(compose(RICH), tmp_path, crash)
    assert group.execute(RICH, tmp_path, 4)["summary"]["ranks"] == 4
    assert_close(rich[:2], numbers(tmp_path))


@pytest.mark.parametrize(
    ("words", "problem"),
    [("seed=1", "rank 1: the weights are not"), ("data.source.seed=1", "rank 1: the data are not")],
)
def test_a_rank_with_something_else_is_refused_by_all(group, tmp_path, words, problem):
    result = group.execute(MLP, tmp_path, 2, other_words=[words])
    for error in (result["error"], result["others"][0]["error"]):
        assert problem in error
    assert not (tmp_path / "metrics.csv").exists()


def test_an_optimizer_that_draws_apart_is_found_at_the_next_evaluation(group, tmp_path):
    words = ["optimizer._target_=rank_group.Unseeded", "optimizer.nesterov=false", "optimizer.momentum=0"]
    result = group.execute([*MLP, *words], tmp_path, 2)
    assert "rank 1: the weights are not" in result["error"]
    assert "rank 1: the weights are not" in result["others"][0]["error"]
