"""Configuration: every file composes, every mistake is answered with the nearest valid name."""

import json
import re
from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.config.groups import FOLDER, GROUPS, choices
from fbgd.config.overrides import CLASS_KEYS, overlay, parse
from fbgd.config.schema import BudgetConfig, Config, to_dict
from fbgd.errors import ConfigError
from fbgd.runs.provenance import differences, identity

CUSTOM = {
    "data": "fbgd.data.digits",
    "model": "fbgd.models.MLP",
    "objective": "torch.nn.CrossEntropyLoss",
    "optimizer": "torch.optim.NAdam",
    "schedule": "fbgd.schedules.Constant",
    "tracker": "fbgd.runs.trackers.TensorBoard",
}
FILES = [(group, choice) for group in GROUPS for choice in choices(group)]
SMALL = ["data.source.train=40", "data.source.test=10", "model.width=2", "regime.block_size=7", "budget.passes=1"]


@pytest.mark.parametrize(("group", "choice"), FILES)
def test_every_file_composes(group, choice):
    words = [f"{group}={choice}"]
    if choice == "custom":
        words.append(f"{CLASS_KEYS[group]}={CUSTOM[group]}")
    config = compose(words)
    assert isinstance(config, Config)
    path = FOLDER / group / f"{choice}.yaml"
    made = to_dict(config)
    # By OmegaConf's own reading of the classes of the configuration.
    assert made == OmegaConf.to_container(OmegaConf.structured(config), resolve=True)
    if not path.read_text().startswith("# @package _global_"):
        made = made[group]
    assert set(OmegaConf.load(path)) <= set(made) or choice == "custom"


def test_whole_numbers_stand_for_floats_in_an_identity():
    """Settings that code replaces are written as those that words set."""
    config = compose(["budget.passes=3", "data.label_noise=0", "record.growth=2"])
    changed = replace(
        config,
        budget=BudgetConfig(passes=3),
        data=replace(config.data, label_noise=0),
        record=replace(config.record, growth=2),
    )
    assert json.dumps(to_dict(changed)) == json.dumps(to_dict(config))
    assert to_dict(replace(config, metric={"mine": {"scales": (1, 2)}}))["metric"] == {"mine": {"scales": [1, 2]}}


def test_every_file_says_what_it_is():
    for group, choice in FILES:
        assert (FOLDER / group / f"{choice}.yaml").read_text().startswith("# "), (group, choice)


@pytest.mark.parametrize("optimizer", [choice for choice in choices("optimizer") if choice != "custom"])
@pytest.mark.parametrize("regime", choices("regime"))
def test_every_optimizer_is_built_in_every_regime(optimizer, regime):
    built = build(compose([*SMALL, f"optimizer={optimizer}", f"regime={regime}", "regime.blocks_per_step=2"]))
    assert built.experiment.steps == 3


@pytest.mark.parametrize("model", sorted(set(choices("model")) - {"custom", "gpt", "gpt2_124m", "transformer"}))
@pytest.mark.parametrize("data", ["mnist1d", "digits"])
def test_every_model_is_built_for_every_number_of_axes(model, data):
    words = [f"data={data}", f"model={model}", "regime.block_size=9", "data.train_size=20", "model.width=4"]
    config = compose(words if data == "digits" else [*words, *SMALL[:2]])
    if (data, model) == ("digits", "vgg16"):
        with pytest.raises(ConfigError, match=r"VGG needs 16 or more positions along every axis, not \(1, 8, 8\)"):
            build(config)
    else:
        assert build(config).facts.parameters > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizr=adam"], "did you mean 'optimizer'"),
        (["optimizer=adm"], "did you mean 'adam'"),
        (["regularizer=[gradient_penalti]"], "did you mean 'gradient_penalty'"),
        (["optimizer.lrr=1"], "did you mean 'lr'"),
        (["model.wdth=1"], "did you mean 'width'"),
        (["budget.pases=1"], "did you mean 'budget.passes'"),
        (["impl.thread=1"], "did you mean 'impl.threads'"),
        (["optimizer._target_=torch.optim.NAdm"], "did you mean 'NAdam'"),
        (["optimizer._target_=torch.optm.Adam"], "cannot be imported"),
        (["optimizer=custom"], "optimizer._target_"),
        (["regularizer.gradient_penalty.strength=1"], "choose regularizer=gradient_penalty"),
        (["optimizer=adam", "optimizer.momentum=0.9"], "optimizer.momentum"),
        (["budget=3"], "budget.passes"),
        (["seed=x"], "seed"),
        (["seed=-1"], "seed = -1"),
        (["precision=fp16"], "precision = 'fp16'"),
        (["budget.passes=0"], "budget.passes = 0"),
        (["record.every=0"], "record.every = 0"),
        (["data.label_noise=1.5"], "data.label_noise = 1.5"),
        (["data.train_size=0"], "data.train_size = 0"),
        (["impl.blocks_per_call=many"], "impl.blocks_per_call = 'many'"),
        (["impl.threads=0"], "impl.threads = 0"),
        (["adam"], "key=value"),
        (["=3"], "key=value"),
        (["optimizer=nowhere.yaml"], "no such file"),
        (["optimizer.lr=[1"], "optimizer.lr"),
    ],
)
def test_mistakes_name_key_and_remedy(words, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        compose(words)
    assert "\n" not in str(error.value)


def test_groups_first_then_keys_and_the_last_word_wins():
    assert compose(["optimizer.lr=1", "optimizer.lr=2"]).optimizer["lr"] == 2
    assert compose(["optimizer=sgd", "optimizer=adam"]).optimizer["_target_"] == "optimizers.Adam"
    assert compose(["optimizer.lr=1", "optimizer=adam"]).optimizer["lr"] == 1
    assert compose(["optimizer=adam", "optimizer._target_=torch.optim.NAdam"]).optimizer["eps"] == 1e-8
    assert compose(["optimizer._target_=torch.optim.NAdam"]).optimizer == {"_target_": "torch.optim.NAdam"}


def test_a_group_chosen_on_top_replaces_what_was_said_about_it():
    base = ["optimizer=sgd", "optimizer.lr=0.4", "optimizer.momentum=0.5", "regime=full_batch"]
    assert overlay(parse(base), parse(["optimizer.lr=1"]), GROUPS) == [*base, "optimizer.lr=1"]
    assert overlay(parse(base), parse(["optimizer=adam"]), GROUPS) == ["regime=full_batch", "optimizer=adam"]
    words = overlay(parse(base), parse(["optimizer._target_=torch.optim.NAdam"]), GROUPS)
    assert compose(words).optimizer == {"_target_": "torch.optim.NAdam"}


def test_an_optimizer_from_a_file_of_one_s_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("_target_: torch.optim.RAdam\nlr: 0.02\nbetas: [0.8, 0.9]\n")
    config = compose([f"optimizer={path}", "optimizer.lr=0.03"])
    assert config.optimizer == {"_target_": "torch.optim.RAdam", "lr": 0.03, "betas": [0.8, 0.9]}
    built = build(compose([*SMALL, f"optimizer={path}"]))
    assert isinstance(built.experiment.optimizer, torch.optim.RAdam)
    assert built.experiment.lr == 0.02


def test_a_class_without_options_keeps_its_own_defaults():
    built = build(compose([*SMALL, "optimizer._target_=torch.optim.NAdam"]))
    assert built.experiment.lr == torch.optim.NAdam([torch.zeros(1)]).defaults["lr"]


def test_regularisers_combine():
    built = build(compose([*SMALL, "regularizer=[gradient_clipping,gradient_penalty,full_gradient_penalty]"]))
    assert len(built.experiment.transforms) == 1
    # The gradient, a product for each penalty, and the plain full gradient beside the penalised one.
    assert built.experiment.gradient.gradients_per_sample == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer.lr=-1"], "lr = -1"),
        (["schedule.warmup=9", "budget.passes=5"], "schedule.horizon"),
        (["regularizer=gradient_penalty", "regularizer.gradient_penalty.radius=0"], "radius = 0"),
        (["model.depth=9"], "model.depth = 9"),
        (["regime.block_size=41"], "regime.block_size = 41"),
        (["impl.device=tpu9"], "impl.device"),
        (["data.augment=5"], "data.augment"),
    ],
)
def test_what_classes_refuse_is_named_too(words, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build(compose([*SMALL, *words]))


class TestIdentity:
    def test_science_changes_it(self):
        base = identity(compose())
        changes = ["seed=1", "precision=bf16", "optimizer.lr=0.10000000000000001e1", "budget.passes=20.000000001"]
        found = {base, *(identity(compose([change])) for change in changes)}
        assert len(found) == len(changes) + 1

    def test_execution_and_places_do_not(self):
        base = identity(compose(["data=cifar10"]))
        for change in ("impl.threads=1", "impl.blocks_per_call=4", "record.every=3", "data.source.folder=/somewhere"):
            assert identity(compose(["data=cifar10", change])) == base

    def test_early_stopping_makes_the_evaluated_moments_part_of_it(self):
        for target in ("regularizers.EarlyStopping", "regularizers.early_stopping.EarlyStopping"):
            words = [f"regularizer.stop._target_={target}", "data.validation_size=100"]
            assert len({identity(compose([*words, f"record.evaluate_every={every}"])) for every in (1, 5)}) == 2
            assert len({identity(compose([*words, f"record.every={every}"])) for every in (1, 5)}) == 1

    def test_differences_are_listed_by_key(self):
        one, two = (to_dict(compose(words)) for words in ([], ["optimizer.lr=0.2", "regularizer=gradient_clipping"]))
        found = differences(one, two)
        assert "optimizer.lr: 0.1 -> 0.2" in found
        assert any(line.startswith("regularizer.gradient_clipping") for line in found)
        assert differences(one, one) == []
