"""Parts of the user's own: groups from YAML files, classes by name alone, modules beside the files and elsewhere."""

import json
import os
import subprocess
import sys

import pytest
from omegaconf import OmegaConf
from report_folders import write_folder

from fbgd.config.build import build
from fbgd.config.compose import compose
from fbgd.config.schema import from_dict, to_dict
from fbgd.errors import ConfigError
from fbgd.report.compare import compare
from fbgd.report.description import Description, to_json
from fbgd.report.html.data import Source
from fbgd.runs.provenance import identity
from fbgd.studies.known import recipe_of
from scripts import train

SMALL = ["data.source.train=40", "data.source.test=10", "regime.block_size=20", "budget.passes=1"]
MODULE = """
import torch.nn as nn
from regularizers import LossPenalty

class Net(nn.Sequential):
    def __init__(self, input_shape, classes, width: int = 3):
        super().__init__(nn.Flatten(), nn.Linear(input_shape[-1], width), nn.ReLU(), nn.Linear(width, classes))

class Pull(LossPenalty):
    def __init__(self, strength: float = 0.5):
        self.strength = strength
    def value(self, params, train_size):
        return self.strength * sum(param.square().sum() for param in params)

def load(size: int = 60):
    from fbgd.data import mnist1d
    return mnist1d(size, 20)

def squares(outputs, targets, scale: float = 1.0):
    return scale * (outputs - nn.functional.one_hot(targets, outputs.shape[-1])).square().mean()

def halving(passes, step, base: float = 0.5):
    return base**passes

def largest(state):
    return {"value": max(float(param.abs().max()) for param in state.params)}
"""
FILES = {
    "model": "_target_: {module}.Net\nwidth: 4\n",
    "data": "source:\n  _target_: {module}.load\n  size: 40\ntrain_size: 30\n",
    "objective": "_target_: {module}.squares\nscale: 2.0\n",
    "schedule": "_target_: {module}.halving\nbase: 0.25\n",
    "regularizer": "pull:\n  _target_: {module}.Pull\n  strength: 0.25\n",
    "probe": "largest:\n  _target_: {module}.largest\n  every: 0.5\n",
}


@pytest.fixture
def own(tmp_path, request):
    """A folder with a module of the test's own name, and a file for every group; the name of the module."""
    module = f"own_{abs(hash(request.node.name))}"
    (tmp_path / f"{module}.py").write_text(MODULE)
    for group, content in FILES.items():
        (tmp_path / f"my_{group}.yaml").write_text(content.format(module=module))
    path = list(sys.path)
    yield module
    sys.path[:] = path
    sys.modules.pop(module, None)


def test_every_group_comes_from_a_file_whose_module_lies_beside_it(own, tmp_path):
    config = compose([*(f"{group}={tmp_path}/my_{group}.yaml" for group in FILES), *SMALL[2:]])
    assert config.model == {"_target_": f"{own}.Net", "width": 4}
    assert (config.data.name, config.data.train_size, config.data.source["size"]) == ("my_data", 30, 40)
    assert config.regularizer == {"pull": {"_target_": f"{own}.Pull", "strength": 0.25}}
    assert config.impl.module_path == [str(tmp_path)]
    built = build(config)
    assert built.facts.train_size == 30
    assert type(built.experiment.model).__name__ == "Net"
    assert built.experiment.schedule.factor(2.0, 1.0, []) == 0.25**2
    assert built.experiment.probes[0].every == 0.5


def test_later_words_win_over_a_file(own, tmp_path):
    words = [f"model={tmp_path}/my_model.yaml", "model.width=7", f"data={tmp_path}/my_data.yaml", "data.name=other"]
    config = compose([*words, f"regularizer={tmp_path}/my_regularizer.yaml", "regularizer.pull.strength=1.5"])
    assert (config.model["width"], config.data.name) == (7, "other")
    assert config.regularizer["pull"]["strength"] == 1.5


@pytest.mark.parametrize("order", [["l2", "FILE", "l1"], ["FILE", "dropout"], ["FILE"]])
def test_regularisers_keep_the_order_in_which_they_are_chosen(own, tmp_path, order):
    chosen = ",".join(name.replace("FILE", f"{tmp_path}/my_regularizer.yaml") for name in order)
    config = compose(["model=mlp", f"regularizer=[{chosen}]"])
    expected = [name.replace("FILE", "pull") for name in order if name != "dropout"]
    assert list(config.regularizer) == expected
    assert config.regularizer == compose(["model=mlp", f"regularizer=[{chosen}]"]).regularizer
    assert ("dropout" in config.model) is ("dropout" in order)


def test_interpolations_of_a_file_see_the_whole_configuration(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("_target_: fbgd.schedules.Cosine\nhorizon: ${budget.passes}\n")
    assert compose([f"schedule={path}", "budget.passes=7"]).schedule["horizon"] == 7


def test_a_class_alone_begins_with_its_own_defaults(own, tmp_path):
    words = [f"model._target_={own}.Net", f"data.source._target_={own}.load", f"objective._target_={own}.squares"]
    config = compose([*words, f"schedule._target_={own}.halving"], [tmp_path])
    assert config.model == {"_target_": f"{own}.Net"}
    assert (config.data.name, config.data.source) == ("load", {"_target_": f"{own}.load"})
    assert config.objective == {"_target_": f"{own}.squares"}
    assert config.schedule == {"_target_": f"{own}.halving"}
    with pytest.raises(ConfigError, match=r"model\.layers: .*valid: width"):
        # What is chosen as well keeps its keys.
        compose(["model=mlp", f"model._target_={own}.Net"], [tmp_path])


def test_where_a_module_lies_is_no_part_of_the_identity(own, tmp_path):
    words = [f"model._target_={own}.Net"]
    config = compose(words, [tmp_path])
    assert identity(config) == identity(compose([*words, f"impl.module_path=[{tmp_path},{tmp_path.parent}]"]))
    assert from_dict(to_dict(config)).impl.module_path == [str(tmp_path)]


def test_a_worker_finds_modules_without_a_word_from_the_environment(own, tmp_path):
    config = compose([*SMALL, f"model={tmp_path}/my_model.yaml", f"regularizer={tmp_path}/my_regularizer.yaml"])
    job = json.dumps([{"path": str(tmp_path / "run"), "config": to_dict(config)}])
    # A process ends with its standard input.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "fbgd.runs.worker"],
        input=job + "\n",
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"ended": None}, done.stderr
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "done"


def test_the_command_line_takes_folders_of_modules(own, tmp_path, capsys):
    words = [*SMALL, f"model._target_={own}.Net", "model.width=2", "--out", str(tmp_path / "run")]
    assert train.main(words) == 2
    assert "--module-path DIR" in capsys.readouterr().err
    assert train.main([*words, "--module-path", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["regime=FOLDER/my_model.yaml"], "regime takes no file; those that do: data, metric, model"),
        (["model=FOLDER/none.yaml"], "none.yaml: there is no such file"),
        (["model=[FOLDER/my_model.yaml,FOLDER/my_data.yaml]"], "model takes one file"),
        (["data=FOLDER/my_model.yaml"], "_target_ and its arguments belong below source:"),
        (["regularizer=FOLDER/my_model.yaml"], "_target_ must be the name of an entry"),
        (["regularizer=[FOLDER/my_regularizer.yaml,FOLDER/my_regularizer.yaml]"], "pull is there twice"),
        (["model=custom"], "model._target_"),
        (["model=FOLDER/my_data.yaml"], "model._target_"),
        (["impl.module_path=/nowhere/at/all"], "/nowhere/at/all is no folder"),
        (["impl.module_path=[1]"], "impl.module_path = [1]"),
        (["model._target_=MODULE.Nets", "impl.module_path=FOLDER"], "has no 'Nets'; did you mean 'Net'"),
        (["model._target_=broken.Net", "impl.module_path=FOLDER"], "importing 'broken' failed: SyntaxError"),
        (["model._target_=torch.pi"], "is a float, no class or function"),
        (["objective._target_=MODULE.load", "objective.siz=3", "impl.module_path=FOLDER"], "did you mean 'size'"),
        (
            ["objective._target_=torch.nn.functional.ctc_loss"],
            "objective.input_lengths is missing: torch",
        ),
    ],
)
def test_mistakes_name_file_and_remedy(own, tmp_path, words, message):
    (tmp_path / "broken.py").write_text("class Net(:\n")
    words = [word.replace("FOLDER", str(tmp_path)).replace("MODULE", own) for word in words]
    with pytest.raises(ConfigError) as error:
        compose(words)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_initialisation_draws_from_the_seed_by_every_generator(own, tmp_path):
    (tmp_path / "drawing.py").write_text(
        "import random, numpy, torch\n\n\ndef net(input_shape, classes):\n"
        "    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(input_shape[-1], classes))\n"
        "    torch.nn.init.constant_(model[1].bias, numpy.random.rand() + random.random())\n    return model\n"
    )
    config = compose([*SMALL, "model._target_=drawing.net"], [tmp_path])
    first, second = (build(config).experiment.model[1].bias for _ in range(2))
    assert first.equal(second)


def test_reading_results_imports_nothing_that_they_name(own, tmp_path):
    (tmp_path / "poison.py").write_text("raise SystemExit('imported')\n")
    config = to_dict(compose(SMALL))
    config["regularizer"] = {"mine": {"_target_": "poison.Penalty"}}
    config["model"] = {"_target_": "poison.Net"}
    folder = tmp_path / "poisoned" / "runs" / "sgd-seed0-0123456789"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    sys.path.insert(0, str(tmp_path))
    assert len(compare([folder]).rows) == 1
    definition = {"rungs": {"SGD": ["regime=sgd", "model._target_=poison.Net"]}}
    description = Description("Poisoned", ["rung"], study="mine", definition=definition)
    write_folder(tmp_path / "poisoned" / "mnist1d", {"SGD": [0.5, 0.6]})
    (tmp_path / "poisoned" / "mnist1d" / "study.json").write_text(to_json(description))
    assert compare([tmp_path / "poisoned" / "mnist1d"], recipe_of=recipe_of).rows
    assert Source(tmp_path / "poisoned" / "mnist1d", recipe_of, live=True).read().rows
    assert "poison" not in sys.modules
