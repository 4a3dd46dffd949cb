"""Seeds trained together: the same numbers as alone, in the same files, resumable either way."""

import itertools
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from cases import MODELS

from fbgd.config.build import build, load_data
from fbgd.config.compose import compose
from fbgd.config.groups import choices
from fbgd.engine.experiment import Member, Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.probe import ScheduledProbe
from fbgd.engine.stacked import stacked_gradient
from fbgd.engine.train import train, train_members
from fbgd.errors import ConfigError
from fbgd.models import MLP
from fbgd.runs import together
from fbgd.runs.attempt import Attempt, execute
from fbgd.runs.directory import RunDirectory
from fbgd.runs.launch import launch, to_jobs
from fbgd.runs.plan import Rung, collect, plan
from fbgd.runs.provenance import identity
from fbgd.runs.together import alike, execute_together, obstacle, stacked_experiment
from optimizers.elementwise import TORCH
from regularizers import GradientPenalty

# Blocks of 9, 9, 8, 8, 8, 8: ragged, in an order of its own for every seed.
SMALL = [
    "data.source.train=50",
    "data.source.test=20",
    "model=mlp",
    "model.width=5",
    "regime.block_size=9",
    "regime.order=reshuffle",
    "budget.passes=4",
    "record.evaluate_every=2",
    "schedule=cosine",
    "precision=fp64",
    "impl.threads=1",
    "impl.blocks_per_call=1",
    "impl.checkpoint_seconds=0",
]
SEEDS = (0, 1, 5)
# Rounding may be magnified by a network that is trained on, not by more than this.
CLOSE = {"rtol": 0, "atol": 1e-8}


def configs(words, seeds=SEEDS):
    """The configurations of the seeds."""
    config = compose([*SMALL, *words])
    return [replace(config, seed=seed) for seed in seeds]


def state(path):
    """Model, optimizer and rows of a run, and its summary without what differs by nature."""
    held = torch.load(path / "checkpoint.pt", weights_only=True)
    rows = pd.DataFrame(held["rows"]).drop(columns="seconds")
    pd.testing.assert_frame_equal(rows, pd.read_csv(path / "metrics.csv").drop(columns="seconds"))
    summary = RunDirectory(path).read_summary()
    return held["model"], held["optimizer"], rows, {**summary, "seconds": 0, "together": 0}


def assert_close(left, right):
    """Equal up to rounding, structure and types included."""
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        torch.testing.assert_close(left, right, **CLOSE)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_close(left[key], right[key])
    elif isinstance(left, list | tuple):
        for one, other in zip(left, right, strict=True):
            assert_close(one, other)
    elif isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right, check_exact=False, **CLOSE)
    else:
        assert left == (pytest.approx(right, rel=0, abs=1e-8) if isinstance(left, float) else right)


def assert_same_runs(words, folder):
    """Run the seeds alone and together, and compare all that they leave behind."""
    made, paths = configs(words), [folder / f"together {seed}" for seed in SEEDS]
    execute_together(made, paths)
    for seed, config, path in zip(SEEDS, made, paths, strict=True):
        execute(config, folder / f"alone {seed}")
        assert_close(state(path), state(folder / f"alone {seed}"))
        files = [{file.name for file in one.iterdir()} for one in (path, folder / f"alone {seed}")]
        assert files[0] == files[1]
    norms = {float(state(path)[2]["parameter_norm"].iloc[-1]) for path in paths}
    assert len(norms) == len(SEEDS)


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=sgd", "optimizer.weight_decay=0.01"],
        ["optimizer=adam", "schedule=constant"],
        ["regularizer=label_smoothing"],
        ["regularizer=gradient_penalty", "regularizer.gradient_penalty.strength=20"],
        ["regularizer=[block_clipping,l2]"],
        ["regime.order=with_replacement", "regime.blocks_per_step=2"],
        ["regime=full_batch", "regime.block_size=9", "impl.blocks_per_call=3", "optimizer=adamw", "budget.passes=6"],
        ["data.augment=random", "model.layers=1"],
        ["data.augment=2x", "regularizer=dropout", "model.dropout=0.3"],
        ["data.validation_size=20", "regularizer=early_stopping", "regularizer.early_stopping.patience=1"],
        ["budget.gradients_per_sample=2.5"],
        ["objective=mse"],
        ["objective=mse_probabilities", "regularizer=[mixup,gradient_penalty]", "impl.blocks_per_call=2"],
    ],
    ids=lambda words: " ".join(words),
)
def test_runs_together_are_those_of_separate_processes(tmp_path, words):
    assert_same_runs(words, tmp_path)


def trained_both_ways(words, prepare=lambda members: None):
    """Weights and rows of the seeds, trained alone and together; ``prepare`` changes what both begin with."""
    made = configs(words)
    dataset = load_data(made[0])
    apart, stacked = ([build(config, dataset=dataset).experiment for config in made] for _ in range(2))
    prepare(apart)
    prepare(stacked)
    alone = [[] for _ in apart]
    for experiment, rows in zip(apart, alone, strict=True):
        train(experiment, Progress(), lambda row, progress, rows=rows: rows.append({**row, "seconds": 0}))
    joint = [[] for _ in stacked]
    members = [
        Member(one.model, one.monitor, Progress(), lambda row, progress, rows=rows: rows.append({**row, "seconds": 0}))
        for one, rows in zip(stacked, joint, strict=True)
    ]
    train_members(stacked_experiment(made[0], stacked), members)
    return [
        [(dict(one.model.state_dict()), rows) for one, rows in zip(many, kept, strict=True)]
        for many, kept in ((apart, alone), (stacked, joint))
    ], members


@pytest.mark.parametrize("choice", [name for name in choices("optimizer") if name != "custom"])
def test_every_optimizer_that_may_gives_the_numbers_of_separate_runs(choice):
    words = [f"optimizer={choice}", "budget.passes=3"]
    if obstacle(compose([*SMALL, *words])) is None:
        (alone, joint), _ = trained_both_ways(words)
        assert_close(joint, alone)


@pytest.mark.parametrize("optimizer", sorted(TORCH, key=lambda cls: cls.__name__))
def test_every_optimizer_of_torch_that_may(optimizer):
    words = [f"optimizer._target_=torch.optim.{optimizer.__name__}", "optimizer.lr=0.01", "budget.passes=3"]
    assert obstacle(compose([*SMALL, "optimizer=custom", *words])) is None
    (alone, joint), _ = trained_both_ways(["optimizer=custom", *words])
    assert_close(joint, alone)


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_that_may(kind):
    case = MODELS[kind]
    options = case.small | ({"norm": "batch"} if case.norms else {})
    words = [f"model={case.choice}", *(f"model.{name}={value}" for name, value in options.items())]
    words += ["budget.passes=0.5", "optimizer.lr=0.01"]
    assert obstacle(compose([*SMALL, *words])) is None
    (alone, joint), _ = trained_both_ways(words)
    assert_close(joint, alone)


def test_what_needs_the_whole_of_one_network_goes_separately():
    def refused(group):
        names = [name for name in choices(group) if name != "custom"]
        words = {name: [f"{group}={name}"] for name in names}
        if group == "regularizer":
            words["early_stopping"].append("data.validation_size=10")
            words["stochastic_depth"].append("model=resnet")
        return {name for name in names if obstacle(compose([*SMALL, *words[name]])) is not None}

    may = {"adadelta", "adagrad", "adam", "adamw", "full_batch_gd", "lion", "rmsprop", "rprop", "sgd"}
    assert refused("optimizer") == set(choices("optimizer")) - may - {"custom"}
    assert refused("regularizer") == {
        "ema",
        "full_gradient_penalty",
        "gradient_clipping",
        "gradient_noise",
        "gradient_value_clipping",
        "sgd_noise",
        "swa",
        "weight_noise",
    }
    assert {"gpt", "gpt2_124m", "transformer"} <= refused("model")


@pytest.mark.parametrize(
    "word",
    ["precision=bf16", "impl.compile=true", "impl.channels_last=true", "optimizer.weight_decay_of=matrices"],
)
def test_what_no_stack_has_a_form_for_goes_separately(word):
    assert obstacle(compose([*SMALL, word])) is not None


def test_a_subclass_of_an_optimizer_is_another_optimizer():
    """It may do anything; NoisySGD draws numbers for one network."""
    words = ["optimizer=custom", "optimizer._target_=directories.NoisySGD", "optimizer.lr=0.1"]
    assert "NoisySGD" in obstacle(compose([*SMALL, *words]))


class Subclassed(MLP):
    """It may do anything."""


def test_a_subclass_of_a_model_is_another_model(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_together", sys.modules[__name__])
    assert obstacle(compose(SMALL)) is None
    assert "not known to vectorise" in obstacle(compose([*SMALL, "model._target_=test_together.Subclassed"]))


def test_probes_and_several_members_are_refused():
    (first, second) = (build(config).experiment for config in configs([], SEEDS[:2]))
    probed = replace(first, probes=(ScheduledProbe("mine", dict),))
    members = [Member(one.model, one.monitor, Progress(), print) for one in (first, second)]
    with pytest.raises(ValueError, match="probes look at one network"):
        train_members(probed, members)


def test_a_penalty_on_the_full_gradient_is_refused():
    single = MeanGradient(lambda *block: None, (GradientPenalty(of="full_gradient"),))
    with pytest.raises(ValueError, match="full gradient"):
        stacked_gradient(single)


def test_a_diverged_member_ends_with_its_row_and_the_others_go_on():
    def spoil(members):
        with torch.no_grad():
            next(members[1].model.parameters())[0, 0] = float("inf")

    (alone, joint), members = trained_both_ways([], spoil)
    assert [len(rows) for _, rows in joint] == [4, 1, 4]
    assert [member.progress.diverged for member in members] == [False, True, False]
    assert members[1].progress.step == 6
    for index in (0, 2):
        assert_close(joint[index], alone[index])
    assert joint[1][1][0]["test_accuracy"] == alone[1][1][0]["test_accuracy"]


class Stopped(Exception):
    """Raised in place of a crash."""


def stop_after(count):
    """A callback that ends all runs at the ``count``-th row of any of them."""
    seen = 0

    def on_row(*arguments):
        nonlocal seen
        seen += 1
        if seen == count:
            raise Stopped

    return on_row


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_runs_together_and_alone_take_over_from_each_other(tmp_path, optimizer):
    """Straight runs against: together, cut after a round of rows, two go on alone, cut again, together to the end."""
    words = [f"optimizer={optimizer}"]
    made, paths = configs(words), [tmp_path / str(seed) for seed in SEEDS]
    with pytest.raises(Stopped):
        execute_together(made, paths, stop_after(3))
    steps = [RunDirectory(path).read_checkpoint(print)["progress"]["step"] for path in paths]
    assert steps == [6, 6, 6]
    for config, path in list(zip(made, paths, strict=True))[:2]:
        with pytest.raises(Stopped):
            execute(config, path, stop_after(1))
    seen = []
    execute_together(made, paths, lambda run, row, steps: seen.append((run, row["step"])))
    # The third stood elsewhere, so it went by itself, and first.
    assert seen == [(2, 12), (2, 18), (2, 24), (0, 18), (1, 18), (0, 24), (1, 24)]
    assert [json.loads((path / "summary.json").read_text())["together"] for path in paths] == [3, 3, 3]
    for seed, config, path in zip(SEEDS, made, paths, strict=True):
        execute(config, tmp_path / f"straight {seed}")
        assert_close(state(path), state(tmp_path / f"straight {seed}"))


def test_an_interrupted_group_ends_in_the_same_bits(tmp_path):
    made = configs(["optimizer=adam"])
    execute_together(made, [tmp_path / f"straight {seed}" for seed in SEEDS])
    cut = [tmp_path / f"cut {seed}" for seed in SEEDS]
    with pytest.raises(Stopped):
        execute_together(made, cut, stop_after(6))
    seen = []
    execute_together(made, cut, lambda run, row, steps: seen.append((run, row["step"])))
    assert seen == [(run, step) for step in (18, 24) for run in range(3)]
    for seed, path in zip(SEEDS, cut, strict=True):
        straight, resumed = state(tmp_path / f"straight {seed}"), state(path)
        assert all(torch.equal(value, resumed[0][name]) for name, value in straight[0].items())
        pd.testing.assert_frame_equal(straight[2], resumed[2], check_exact=True)


def test_checkpoints_hold_one_member_each(tmp_path):
    paths = [tmp_path / str(seed) for seed in SEEDS]
    execute_together(configs(["optimizer=adam"]), paths)
    held = torch.load(paths[1] / "checkpoint.pt", weights_only=True)
    tensors = [*held["model"].values(), *(one["exp_avg"] for one in held["optimizer"]["state"].values())]
    assert len(tensors) == 12
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)


def test_finished_runs_are_left_alone(tmp_path):
    made, paths = configs([]), [tmp_path / str(seed) for seed in SEEDS]
    execute(made[1], paths[1])
    seen = set()
    execute_together(made, paths, lambda run, row, steps: seen.add(run))
    assert seen == {0, 2}
    assert ["together" in json.loads((path / "summary.json").read_text()) for path in paths] == [True, False, True]
    execute_together(made, paths, stop_after(1))


def test_the_seconds_of_a_group_are_shared_out(monkeypatch):
    """On a clock that goes on by three seconds a look, each of three members has one second a row."""
    looks = itertools.count(0, 3)
    monkeypatch.setattr("fbgd.engine.record.time", SimpleNamespace(perf_counter=lambda: next(looks)))
    (_, joint), members = trained_both_ways([])
    assert [len(rows) for _, rows in joint] == [4, 4, 4]
    assert [member.progress.seconds for member in members] == [4, 4, 4]


def test_members_write_their_checkpoints_at_the_same_rows(tmp_path, monkeypatch):
    """Though their own clocks were set at different moments: one of them is late, and none goes alone."""
    written = []
    save = Attempt.save
    monkeypatch.setattr(Attempt, "save", lambda self: (written.append(self.progress.step), save(self)))
    now = itertools.count()
    monkeypatch.setattr("fbgd.runs.attempt.time", SimpleNamespace(monotonic=lambda: next(now)))
    execute_together(configs(["impl.checkpoint_seconds=7"]), [tmp_path / str(seed) for seed in SEEDS])
    assert set(written) > {24}
    assert all(written.count(step) == len(SEEDS) for step in written)


@pytest.mark.parametrize(
    ("words", "grouped"),
    [
        ([], True),
        (["model.norm=layer"], False),
        (["regularizer=gradient_penalty"], False),
        (["regularizer=l2"], False),
    ],
)
def test_auto_goes_by_a_rule(tmp_path, words, grouped):
    made = configs([*words, "budget.passes=0.1", "impl.seeds_together=auto"], SEEDS[:2])
    paths = [tmp_path / str(seed) for seed in SEEDS[:2]]
    execute_together(made, paths)
    assert all(("together" in json.loads((path / "summary.json").read_text())) is grouped for path in paths)


def test_the_choice_is_checked_and_no_part_of_the_identity():
    with pytest.raises(ConfigError, match=r"impl\.seeds_together = 'always'"):
        compose(["impl.seeds_together=always"])
    plain = compose(SMALL)
    assert plain.impl.seeds_together is False
    assert identity(plain) == identity(replace(plain, impl=replace(plain.impl, seeds_together=True)))


def test_a_study_groups_its_seeds(tmp_path):
    asked = (*SMALL, "impl.seeds_together=true")
    rungs = [
        Rung("together", asked),
        Rung("failing", (*asked, "regime.block_size=51")),
        Rung("clipped", (*asked, "regularizer=gradient_clipping")),
        Rung("alone", tuple(SMALL)),
    ]
    planned, said = plan(rungs, [], 2, tmp_path), []
    jobs = to_jobs(planned, said.append)
    assert [[(run.rung, run.seed) for run in job] for job in jobs] == [
        [("together", 0), ("together", 1)],
        [("failing", 0), ("failing", 1)],
        [("clipped", 0)],
        [("alone", 0)],
        [("clipped", 1)],
        [("alone", 1)],
    ]
    assert [line.partition(": a transform")[0] for line in said] == ["clipped: the seeds are trained separately"]


def test_a_study_s_groups_are_run_reported_and_fail_as_one(tmp_path):
    asked = (*SMALL, "impl.seeds_together=true")
    planned = plan([Rung("together", asked), Rung("failing", (*asked, "regime.block_size=51"))], [], 2, tmp_path)
    launch(planned, 1)
    assert list(collect(planned)["status"]) == ["done", "failed"] * 2
    assert [RunDirectory(run.path).read_summary()["together"] for run in planned[::2]] == [2, 2]
    errors = [RunDirectory(run.path).error.read_text() for run in planned[1::2]]
    assert errors[0] == errors[1]
    assert "regime.block_size = 51" in errors[0]


def test_the_rule_s_limit_is_what_auto_compares_with(tmp_path, monkeypatch):
    made = configs(["budget.passes=0.1", "impl.seeds_together=auto"], SEEDS[:2])
    monkeypatch.setattr(together, "MOST_WORK", 0)
    execute_together(made, [tmp_path / "0", tmp_path / "1"])
    assert "together" not in json.loads((tmp_path / "0" / "summary.json").read_text())


@pytest.mark.parametrize("words", [[], ["data.augment=2x"], ["regularizer=mixup"]])
def test_members_on_data_of_their_own(words, tmp_path):
    """Parts, label noise and generated samples differ by seed: numbers are those of separate runs all the same."""
    sizes = ["data.train_size=20", "data.label_noise=0.2", "model=mlp", "model.width=3", "impl.blocks_per_call=1"]
    members = []
    for seed, config in enumerate(configs([*sizes, *words])):
        source = {**config.data.source, "seed": seed // 2}
        members.append(replace(config, data=replace(config.data, source=source, seed=seed // 2, part=seed % 2)))
    apart, joint = ([tmp_path / f"{kind}{seed}" for seed in SEEDS] for kind in ("apart", "joint"))
    for config, path in zip(members, apart, strict=True):
        execute(config, path)
    execute_together(members, joint)
    assert {json.loads((path / "summary.json").read_text())["together"] for path in joint} == {len(SEEDS)}
    hashes = [json.loads((path / "summary.json").read_text())["content_hash"] for path in apart]
    assert len(set(hashes)) == len(SEEDS)
    for left, right in zip(apart, joint, strict=True):
        for mine, yours in zip(state(left)[:1], state(right)[:1], strict=True):
            assert_close(mine, yours)
        pd.testing.assert_frame_equal(state(left)[2], state(right)[2], rtol=1e-5)


def test_what_is_alike_is_one_job(tmp_path):
    """Seeds and draws of the data may differ; budgets may not, nor the data of sequences."""
    rung = Rung("together", (*SMALL, "impl.seeds_together=true", "data.train_size=20"))
    first, second = plan([rung], [], 2, tmp_path)
    other_part = replace(second, config=replace(second.config, data=replace(second.config.data, part=1, seed=3)))
    longer = replace(second, config=replace(second.config, budget=replace(second.config.budget, passes=9)))
    assert [len(job) for job in to_jobs([first, second], print)] == [2]
    assert [len(job) for job in to_jobs([first, other_part], print)] == [2]
    assert [len(job) for job in to_jobs([first, longer], print)] == [1, 1]
    text = compose(["data=markov", "model=gpt"])
    assert alike(text) == alike(replace(text, seed=1)) != alike(replace(text, data=replace(text.data, seed=1)))
