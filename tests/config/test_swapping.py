"""Every optimizer that can be chosen, from the configuration to the trained network, in both regimes."""

import math

import pytest
import torch
from problems import parameters
from reference import flat

from fbgd.config.build import build, build_optimizer
from fbgd.config.compose import compose
from fbgd.config.groups import choices
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.errors import ConfigError
from optimizers import SAM, AdamW, FullBatchGD

CHOICES = [choice for choice in choices("optimizer") if choice != "custom"]
# Every optimizer of torch.optim that takes dense parameters of any shape, by its name alone.
TORCH = ["ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"]
SMALL = [
    "data.source.train=60",
    "data.source.test=20",
    "model=mlp",
    "model.width=20",
    "regime.block_size=20",
    "precision=fp64",
    "impl.blocks_per_call=1",
    "schedule=constant",
]
# Rates for sixty samples where the YAML's are for long training, or for batch norm.
RATES = {"lion": 1e-3, "adagrad": 0.05, "schedule_free": 0.3, "lbfgs": 0.5, "lars": 5.0, "larc": 1.0}


def losses(words, passes):
    """Training losses by pass, and the final weights."""
    experiment = build(compose([*SMALL, *words, f"budget.passes={passes}"])).experiment
    rows = []
    train(experiment, Progress(), lambda row, _: rows.append(row))
    return [row["loss"] for row in rows], parameters(experiment.model)


@pytest.mark.parametrize("regime", ["sgd", "full_batch"])
@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_trains_in_both_regimes(choice, regime):
    words = [f"optimizer={choice}", f"regime={regime}"]
    if choice in RATES:
        words.append(f"optimizer.lr={RATES[choice]}")
    found, _ = losses(words, 40 if regime == "sgd" else 80)
    assert min(found) < 0.85 * found[0], found
    assert all(map(math.isfinite, found))


@pytest.mark.parametrize("regime", ["sgd", "full_batch"])
@pytest.mark.parametrize("name", TORCH)
def test_every_optimizer_of_torch_trains_by_its_name(name, regime):
    words = [f"optimizer._target_=torch.optim.{name}", f"regime={regime}"]
    if name not in ("Adadelta", "Rprop"):
        words.append("optimizer.lr=0.05")
    found, _ = losses(words, 30)
    assert min(found) < 0.98 * found[0], found


def test_muon_of_torch_trains_a_convolutional_network_through_by_shape():
    words = ["optimizer=muon", "model=resnet", "model.width=4", "model.norm=batch"]
    found, _ = losses(words, 15)
    assert found[-1] < 0.7 * found[0]


def test_the_base_of_an_optimizer_around_another_can_be_swapped():
    config = compose([*SMALL, "optimizer=sam", "optimizer.base._target_=torch.optim.Adam", "optimizer.lr=0.02"])
    assert config.optimizer["base"] == {"_target_": "torch.optim.Adam"}
    optimizer = build(config).experiment.optimizer
    assert isinstance(optimizer, SAM)
    assert isinstance(optimizer.base, torch.optim.Adam)
    assert optimizer.param_groups[0]["lr"] == 0.02
    config = compose([*SMALL, "optimizer=sam", "optimizer.base.momentum=0.5"])
    assert config.optimizer["base"]["momentum"] == 0.5
    assert config.optimizer["base"]["_target_"] == "optimizers.SGD"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer=sam", "optimizer.base._target_=torch.optim.Adm"], "did you mean 'Adam'"),
        (["optimizer=sam", "optimizer.base.momentm=1"], "did you mean 'momentum'"),
        (["optimizer=sam", "optimizer.base.lr=1"], "optimizer.base.lr cannot be set"),
        (["optimizer=sam", "optimizer.rho=-1"], "rho = -1"),
        (["optimizer=sam", "optimizer.base.momentum=-1"], "momentum = -1"),
        (["optimizer=sam", "optimizer.base._target_=torch.optim.LBFGS"], "a trial step failed"),
        (["optimizer=sam", "optimizer.base._target_=optimizers.LineSearchGD"], "a trial step failed"),
        (["optimizer._target_=torch.optim.SparseAdam"], "a trial step failed"),
        (["optimizer.weight_decay_of=biases"], "optimizer.weight_decay_of = 'biases'"),
        (["optimizer=line_search", "optimizer.method=exact"], "method = 'exact'"),
        (["optimizer=line_search", "regularizer=gradient_clipping", "regularizer.gradient_clipping.of=block"],
         "GradientClipping with of='block'"),
        (["optimizer=agc", "optimizer.base._target_=optimizers.LineSearchGD", "regularizer=gradient_clipping",
          "regularizer.gradient_clipping.of=block"],
         "set of=step"),
        (["optimizer._target_=torch.optim.Rprop", "optimizer.weight_decay_of=matrices"], "has no weight decay"),
        (["optimizer=sam", "optimizer.base._target_=optimizers.FullBatchGD", "optimizer.base.max_norm=1"],
         "regularizer=gradient_clipping"),
    ],
)  # fmt: skip
def test_mistakes_are_named(words, message):
    with pytest.raises(ConfigError) as error:
        build(compose([*SMALL, *words]))
    assert message in str(error.value)


def weights():
    return [torch.ones(shape, requires_grad=True) for shape in ((3, 2), (3,), (2, 3, 1), ())]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "sam", "lars", "muon", "line_search", "adadelta"])
def test_norms_and_biases_without_weight_decay(optimizer):
    """With zero gradients only the decay moves anything."""
    words = [f"optimizer={optimizer}", "optimizer.weight_decay_of=matrices"]
    inner = {"sam": "optimizer.base.weight_decay", "muon": "optimizer.matrices.weight_decay"}
    words.append(f"{inner.get(optimizer, 'optimizer.weight_decay')}=0.1")
    params = weights()
    made = build_optimizer(compose(words), params)

    def closure():
        for param in params:
            param.grad = torch.zeros_like(param)
        return torch.zeros(())

    made.step(closure)
    for param in params:
        assert bool((param.detach() == 1).all()) is (param.dim() < 2), (optimizer, param.shape)


def test_weight_decay_groups_train_like_two_optimizers():
    words = ["optimizer=adamw", "optimizer.weight_decay=0.2", "optimizer.weight_decay_of=matrices"]
    _, found = losses(words, 5)
    _, everywhere = losses(words[:2], 5)
    assert not torch.equal(flat(found), flat(everywhere))
    experiment = build(compose([*SMALL, *words, "budget.passes=5"])).experiment
    params = list(experiment.model.parameters())
    groups = [
        {"params": [p for p in params if p.dim() > 1]},
        {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
    ]
    object.__setattr__(experiment, "optimizer", AdamW(groups, lr=1e-3, weight_decay=0.2))
    train(experiment, Progress(), lambda *_: None)
    assert torch.equal(flat(params), flat(found))


def test_full_batch_gd_may_be_a_base():
    config = compose([*SMALL, "optimizer=sam", "optimizer.base._target_=optimizers.FullBatchGD"])
    assert isinstance(build(config).experiment.optimizer.base, FullBatchGD)


def test_a_schedule_free_base_keeps_its_modes():
    words = ["optimizer=sam", "optimizer.base._target_=schedulefree.SGDScheduleFree", "optimizer.lr=0.1"]
    found, _ = losses(words, 20)
    assert found[-1] < 0.97 * found[0]


def test_a_damaged_optimizer_file_is_named(tmp_path):
    path = tmp_path / "bad.yaml"
    for content in ("_target_: [", "- one\n- two\n"):
        path.write_text(content)
        with pytest.raises(ConfigError, match=r"bad\.yaml"):
            compose([f"optimizer={path}"])
