"""What penalties and clippings did at most is what closed forms and plain autograd say, however it is evaluated."""

import json
import math

import pytest
import torch
from directories import Stopped, stop_after
from problems import network, objective, parameters, samples, source
from reference import gradient, norm, penalised_gradient

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.train import train
from fbgd.runs.attempt import execute
from fbgd.runs.together import execute_together
from optimizers import SAM
from regularizers import GradientClipping, GradientPenalty

TINY = [
    *("data.source.train=50", "data.source.test=20", "model=mlp", "model.width=4", "precision=fp64", "impl.threads=1"),
    *("regime=full_batch", "regime.block_size=9", "budget.passes=6", "schedule=cosine", "impl.checkpoint_seconds=0"),
]
RICH = [
    *TINY,
    "regularizer=[gradient_penalty,full_gradient_penalty,block_clipping,gradient_clipping]",
    "regularizer.block_clipping.max_norm=0.6",
    "regularizer.gradient_clipping.max_norm=0.05",
]
NAMES = [
    "penalty_share/gradient_penalty",
    "clipped_off/block_clipping",
    "penalty_share/full_gradient_penalty",
    "clipped_off/gradient_clipping",
]


def shares(summary):
    """What a summary tells of its ingredients."""
    return {key: value for key, value in summary.items() if key.startswith(("penalty_share", "clipped_off"))}


def penalty_share(model, data, indices, coefficient):
    """The norm of the penalty's gradient over that of the loss, on some samples."""
    inputs, targets = data.inputs[indices], data.targets[indices]
    plain = gradient(model, inputs, targets)[1]
    both = penalised_gradient(model, inputs, targets, coefficient)
    return norm([entry - own for entry, own in zip(both, plain, strict=True)]) / norm(plain)


@pytest.mark.parametrize("blocks_per_call", [1, 2, 4])
@pytest.mark.parametrize("blocks_per_step", [1, "all"])
def test_the_largest_share_over_blocks_and_that_of_the_whole(blocks_per_call, blocks_per_step):
    model, data, lr = network("resnet", "none"), samples(23), 0.3
    blocks = source(blocks_per_step=blocks_per_step).step(0)
    penalties = (GradientPenalty(2.0, of="full_gradient", method="exact"), GradientPenalty(5.0, method="exact"))
    result = MeanGradient(objective(model), penalties, blocks_per_call)(parameters(model), blocks, lr)
    each = [penalty_share(model, data, indices, 5.0 * lr / 4) for indices in blocks.indices]
    whole = penalty_share(model, data, torch.cat(list(blocks.indices)), 2.0 * lr / 4)
    assert result.shares.tolist() == pytest.approx([max(each), whole], rel=1e-9)
    assert len(each) == 1 or max(each) > 1.01 * min(each)


@pytest.mark.parametrize("blocks_per_call", [1, 4])
def test_what_clipping_takes_off_a_block(blocks_per_call):
    model, data, blocks = network("mlp"), samples(23), source().step(0)
    norms = [norm(gradient(model, data.inputs[indices], data.targets[indices])[1]) for indices in blocks.indices]
    for limit in (0.5 * max(norms), 0.5 * (min(norms) + max(norms)), max(norms) * 1.001):
        clipping = (GradientClipping(limit, of="block"),)
        result = MeanGradient(objective(model), (), blocks_per_call, clipping=clipping)(parameters(model), blocks, 0.1)
        assert result.shares.tolist() == pytest.approx([max(0.0, 1 - limit / max(norms))], rel=1e-9)
    assert result.shares.tolist() == [0.0]


def test_without_penalties_and_clipping_there_is_nothing_to_tell(tmp_path):
    model = network("mlp")
    assert MeanGradient(objective(model))(parameters(model), source().step(0), 0.1).shares is None
    assert shares(execute(compose(TINY), tmp_path)) == {}


def test_a_network_whose_gradient_is_zero_has_no_share():
    """Neither divides by zero."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5)).double()
    torch.nn.init.zeros_(model[1].weight)
    data = source().step(0)

    def flat(params, inputs, targets, key):
        total = sum((0 * param).sum() for param in params)
        return total, (total, total)

    found = MeanGradient(flat, (GradientPenalty(1.0),), 1, clipping=(GradientClipping(1.0, of="block"),))
    assert found(parameters(model), data, 0.1).shares.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("every", [1, 4])
def test_a_run_tells_the_largest_of_all_its_steps(every):
    """Whichever are recorded: every evaluation is listened to, by SAM two a step."""
    experiment, heard = build(compose([*RICH, f"record.every={every}"])).experiment, []
    sam = SAM(experiment.model.parameters(), lr=0.1, rho=0.05)
    inner = experiment.gradient

    def listening(*arguments):
        result = inner(*arguments)
        heard.append([*result.shares.tolist(), max(0.0, 1 - 0.05 / float(result.norm))])
        return result

    for name, value in (("gradient", listening), ("optimizer", sam)):
        object.__setattr__(experiment, name, value)
    progress = train(experiment, Progress(), lambda row, progress: None)
    assert len(heard) == 2 * 6
    expected = dict(zip(NAMES, torch.tensor(heard).amax(0).tolist(), strict=True))
    assert progress.shares == pytest.approx(expected, rel=1e-5)
    assert len(set(expected.values())) == 4
    assert min(expected.values()) > 0


def test_an_interrupted_run_remembers(tmp_path):
    """Rates fall, so the largest share of the penalty comes before the interruption."""
    straight = execute(compose(RICH), tmp_path / "straight")
    assert list(shares(straight)) == NAMES
    with pytest.raises(Stopped):
        execute(compose(RICH), tmp_path / "cut", stop_after(3))
    assert shares(execute(compose(RICH), tmp_path / "cut")) == shares(straight)
    late = execute(compose([*RICH, "optimizer.lr=1e-5"]), tmp_path / "late")
    assert shares(late)[NAMES[0]] < 0.1 * shares(straight)[NAMES[0]]


def test_a_run_that_an_earlier_version_began_tells_nothing(tmp_path):
    with pytest.raises(Stopped):
        execute(compose(RICH), tmp_path, stop_after(3))
    for path in tmp_path.glob("checkpoint*.pt"):
        state = torch.load(path, weights_only=True)
        del state["progress"]["shares"]
        torch.save(state, path)
    summary = execute(compose(RICH), tmp_path)
    assert summary["status"] == "done"
    assert shares(summary) == {}


def test_a_diverged_run_has_no_number(tmp_path):
    words = [*TINY, "regularizer=gradient_penalty", "optimizer.lr=1e30"]
    summary = execute(compose(words), tmp_path)
    assert summary["status"] == "diverged"
    assert shares(summary) == {"penalty_share/gradient_penalty": None}
    assert json.loads((tmp_path / "summary.json").read_text())["penalty_share/gradient_penalty"] is None


@pytest.mark.parametrize("count", [1, 3])
def test_seeds_that_are_trained_together_tell_what_they_tell_alone(tmp_path, count):
    words = [
        *(*TINY, "regularizer=[gradient_penalty,block_clipping]", "regularizer.block_clipping.max_norm=0.5"),
        *("impl.seeds_together=true", f"impl.blocks_per_call={count}"),
    ]
    configs = [compose([*words, f"seed={seed}"]) for seed in (0, 1, 5)]
    execute_together(configs, [tmp_path / f"together-{config.seed}" for config in configs])
    found = []
    for config in configs:
        alone = shares(execute(config, tmp_path / str(config.seed)))
        summary = json.loads((tmp_path / f"together-{config.seed}" / "summary.json").read_text())
        assert summary["together"] == 3
        assert shares(summary) == pytest.approx(alone, rel=1e-8)
        found.append(alone)
    assert all(math.isfinite(value) and value > 0 for alone in found for value in alone.values())
    assert found[0] != found[1]
