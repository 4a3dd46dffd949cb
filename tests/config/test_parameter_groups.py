"""Options of an optimizer for parameters by the patterns of their names."""

import math

import pytest
import torch
from reference import flat

from fbgd.config.build import build, build_optimizer, check
from fbgd.config.compose import compose
from fbgd.config.groups import choices
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from fbgd.runs.attempt import execute
from fbgd.runs.provenance import identity
from fbgd.runs.together import obstacle
from optimizers import SGD

SMALL = [
    "data.source.train=40",
    "data.source.test=10",
    "model=mlp",
    "model.width=6",
    "regime.block_size=10",
    "precision=fp64",
    "impl.blocks_per_call=1",
    "impl.device=cpu",
    "budget.passes=3",
]
TWO = 'optimizer.groups=[{match:"*.bias",weight_decay:0,lr_factor:2},{match:["1.*","4.w*"],lr_factor:0.5}]'
CHOICES = sorted(set(choices("optimizer")) - {"custom", "lbfgs"})


def rates(optimizer, params):
    """Learning rate and weight decay of every parameter."""
    found = {param: group for group in optimizer.param_groups for param in group["params"]}
    return [(found[param].get("lr"), found[param].get("weight_decay")) for param in params]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_optimizer_has_the_rates_of_its_groups(choice):
    names = ["first.weight", "first.bias", "last.weight", "last.bias"]
    params = [torch.zeros(2, *[2] * (name.endswith("weight")), requires_grad=True) for name in names]
    plain = build_optimizer(compose([f"optimizer={choice}"]), params)
    groups = 'optimizer.groups=[{match:"*.bias",lr_factor:3,weight_decay:0.125},{match:"first.*",lr_factor:0.5}]'
    made = build_optimizer(compose([f"optimizer={choice}", groups]), params, names)
    expected = [
        (factor * lr, decay if own is None else own)
        for (lr, decay), (factor, own) in zip(
            rates(plain, params), [(0.5, None), (3, 0.125), (1, None), (3, 0.125)], strict=True
        )
    ]
    assert rates(made, params) == expected
    assert not any("lr_factor" in group for group in made.param_groups)


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_schedules_scale_each_group_s_own_rate(schedule):
    """Against optimizers for each group, driven by hand."""
    words = [*SMALL, "regime=full_batch", "regime.block_size=10", f"schedule={schedule}", "optimizer.lr=0.1", TWO]
    experiment = build(compose(words)).experiment
    names = dict(experiment.model.named_parameters())
    assert list(names) == ["1.weight", "1.bias", "4.weight", "4.bias", "7.weight", "7.bias"]
    start = {name: param.detach().clone() for name, param in names.items()}
    options = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    copies = {name: value.clone().requires_grad_() for name, value in start.items()}
    hands = []
    for name, param in copies.items():
        factor = 2.0 if name.endswith("bias") else 0.5 if name[0] in "14" else 1.0
        decay = 0.0 if name.endswith("bias") else 5e-4
        hands.append((factor, SGD([param], **{**options, "lr": 0.1, "weight_decay": decay})))
    for step in range(3):
        scale = experiment.schedule.factor(float(step), 1.0, [])
        blocks = experiment.source.step(step)
        gradient = experiment.gradient([param.detach() for param in copies.values()], blocks, 0.1).gradient
        for (factor, optimizer), param, entry in zip(hands, copies.values(), gradient, strict=True):
            param.grad = entry
            optimizer.param_groups[0]["lr"] = 0.1 * factor * scale
            optimizer.step()
    rows = []
    train(experiment, Progress(), lambda row, _: rows.append(row))
    torch.testing.assert_close(flat(names.values()), flat(copies.values()), rtol=0, atol=1e-12)
    assert rows[-1]["learning_rate"] == pytest.approx(0.1 * experiment.schedule.factor(2.0, 1.0, []))


def test_with_decay_of_matrices_alone_groups_keep_their_own_decay():
    names = ["first.weight", "first.bias", "norm.weight"]
    params = [torch.zeros(2, *[2] * (name == "first.weight"), requires_grad=True) for name in names]
    words = ["optimizer=adamw", "optimizer.weight_decay=0.25", "optimizer.weight_decay_of=matrices"]
    made = build_optimizer(compose([*words, 'optimizer.groups=[{match:"first.*",lr_factor:2}]']), params, names)
    assert [decay for _, decay in rates(made, params)] == [0.25, 0.0, 0.0]
    made = build_optimizer(compose([*words, 'optimizer.groups=[{match:"first.*",weight_decay:0.5}]']), params, names)
    assert [decay for _, decay in rates(made, params)] == [0.5, 0.5, 0.0]


def test_a_group_may_have_a_rate_of_its_own_and_any_option():
    names = ["weight", "bias"]
    params = [torch.zeros(2, requires_grad=True) for _ in names]
    words = ["optimizer=adam", "optimizer.groups=[{match:bias,lr:0.5,betas:[0.5,0.75]}]"]
    weight, bias = build_optimizer(compose(words), params, names).param_groups
    assert (bias["lr"], list(bias["betas"]), weight["lr"]) == (0.5, [0.5, 0.75], 1e-3)


def test_groups_are_part_of_the_identity_and_of_a_resumed_run(tmp_path):
    config = compose([*SMALL, TWO, "optimizer.lr=0.05"])
    assert identity(config) != identity(compose([*SMALL, "optimizer.lr=0.05"]))
    assert execute(config, tmp_path)["status"] == "done"
    assert "names of one network" in obstacle(config)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ('[{match:"*.bia",weight_decay:0}]', "match = '*.bia' matches no parameter; nearest: "),
        ('[{match:"*.bias",weight_decay:0},{match:"4.bias",lr_factor:2}]', "put it before that one"),
        ('[{match:"*.bias",wieght_decay:0}]', "groups[0].wieght_decay: optimizers.SGD has no such option"),
        ('[{match:"*.bias",weight_decay:high}]', "groups[0].weight_decay = 'high' is not what optimizers.SGD takes"),
        ('[{match:"*.bias",weight_decay:-1}]', "groups[0].weight_decay = -1 is outside the valid range: [0, inf)"),
        ('[{match:"*.bias",lr_factor:fast}]', "groups[0].lr_factor = 'fast' is outside the valid range"),
        ('[{match:"*.bias",lr_factor:1,lr:1}]', "one rate given twice"),
        ('[{match:"*.bias"}]', "groups[0] sets nothing"),
        ("[{weight_decay:0}]", "has no match"),
        ("[{match:3,weight_decay:0}]", "groups[0].match = 3 is no pattern"),
        ("[{match:[],weight_decay:0}]", "groups[0].match = [] is no pattern"),
        ("all", "optimizer.groups = 'all' is no list"),
    ],
)
def test_mistakes_are_named_before_any_data(groups, message):
    with pytest.raises(ConfigError) as error:
        check(compose([*SMALL, f"optimizer.groups={groups}"]))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_optimizers_without_groups_say_so():
    words = [*SMALL, "optimizer=lbfgs", 'optimizer.groups=[{match:"*.bias",lr_factor:2}]']
    with pytest.raises(ConfigError, match="LBFGS doesn't support per-parameter options"):
        build(compose(words))


def test_nearest_names_are_those_of_the_model():
    with pytest.raises(ConfigError, match=r"nearest: \d\.bias"):
        build(compose([*SMALL, 'optimizer.groups=[{match:"9.bias",lr_factor:2}]']))


def test_training_goes_on_in_every_group():
    experiment = build(compose([*SMALL, TWO, "optimizer=sam", "regime=full_batch", "regime.block_size=10"])).experiment
    before = [param.detach().clone() for param in experiment.model.parameters()]
    rows = []
    train(experiment, Progress(), lambda row, _: rows.append(row))
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert not any(map(torch.equal, before, experiment.model.parameters()))
