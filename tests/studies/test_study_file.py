"""Studies in YAML files: what they become, what is said of every mistake, their pages made again from their folders."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from files import ROOT

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.report.claims import judge
from fbgd.report.description import Description, read_description, to_json
from fbgd.report.evidence import Evidence
from fbgd.runs.rows import read_rows
from fbgd.studies.figures import figures
from fbgd.studies.given import DATA, tiny_words
from fbgd.studies.known import study_of
from fbgd.studies.nested import FRESH, NestedTuning
from fbgd.studies.own import check_rungs, read_study
from fbgd.studies.study_content import make_study
from fbgd.studies.study_file import main
from scripts import compare

EXAMPLE = ROOT / "docs" / "examples" / "my_ladder.yaml"
WORDS = ["data=mnist1d", "data.validation_size=500", "model=mlp"]
PLAIN = {"words": WORDS, "rungs": {"SGD": ["regime=sgd"], "full batch": ["regime=full_batch"]}}
BOTH = {
    f"{ingredient}, {training}": {
        "words": [f"regime={regime}", f"regularizer={regularizer}"],
        "labels": {"ingredient": ingredient, "training": training},
    }
    for ingredient, regularizer in (("none", "[]"), ("clipping", "[gradient_clipping]"))
    for training, regime in (("SGD", "sgd"), ("full batch", "full_batch"))
}


def files_of(folder):
    """The files of a results folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_the_example_runs_and_its_page_is_made_again(tmp_path, capsys):
    assert len(EXAMPLE.read_text().splitlines()) <= 20
    words = [str(EXAMPLE), "--quick", "--workers", "1", "impl.threads=1", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "My ladder, mnist1d, quick" in capsys.readouterr().out
    written = files_of(tmp_path)
    assert {"study.json", "runs.csv", "search.csv", "table.csv", "table.md", "claims.csv"} <= set(written)
    assert all(len(written[name]) > 10_000 for name in ("ladder.png", "curves.png", "search.png"))
    runs = read_rows(tmp_path / "runs.csv")
    assert list(runs["status"]) == ["done"] * 8
    assert list(runs["seed"]) == [FRESH] * 4 + [FRESH + 1] * 4
    assert list(runs["regime.blocks_per_step"])[:2] == ["1", "all"]
    # The folder alone tells how its page is made: the file may be gone.
    for form, name in (("md", "table.md"), ("csv", "table.csv")):
        assert compare.main([str(tmp_path), "--format", form]) == 0
        assert capsys.readouterr().out == written[name].decode()
    for name in ("table.md", "claims.csv"):
        (tmp_path / name).write_text("")
    assert compare.main([str(tmp_path), "--rewrite"]) == 0
    assert files_of(tmp_path) == written
    # The same command again computes and changes nothing.
    assert main(words) == 0
    assert files_of(tmp_path) == written


def test_a_setting_is_tuned_and_a_rung_may_keep_its_own(tmp_path, in_process):
    """What is chosen, and from what, by a computation of its own from search.csv."""
    tiny = ["data.source.train=60", "data.source.test=20", "data.validation_size=20", "model=mlp", "model.width=4"]
    content = {
        "words": [*tiny, "regime.block_size=10", "budget.passes=1", "impl.threads=1"],
        "rungs": {"tuned": [], "kept": ["regime=full_batch", "optimizer.lr=0.25"]},
        "tune": {"optimizer.lr": {"tuned": [0.01, 0.1, 1]}},
        "seeds": 2,
        "figures": [],
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    assert main([str(path), "--workers", "1", "--out", str(tmp_path / "out")]) == 0
    searched, runs = read_rows(tmp_path / "out" / "search.csv"), read_rows(tmp_path / "out" / "runs.csv")
    assert set(searched["rung"]) == {"tuned"}
    assert {0.01, 0.1, 1.0} <= set(searched["candidate"].astype(float))
    for row in runs[runs["rung"] == "tuned"].to_dict("records"):
        mine = searched[searched["seed"] == row["seed"] - FRESH]
        best = mine[mine["validation_accuracy"] == mine["validation_accuracy"].max()]
        assert float(row["optimizer.lr"]) in set(best["candidate"].astype(float))
        assert row["identity"] not in set(searched["identity"])
    assert set(runs.loc[runs["rung"] == "kept", "optimizer.lr"]) == {"0.25"}
    assert set(runs["seed"]) == {FRESH, FRESH + 1}
    assert "optimizer.lr was not chosen but is given in: kept." in (tmp_path / "out" / "table.md").read_text()


def test_two_settings_are_tuned_one_after_the_other(tmp_path, in_process, capsys):
    """The second at the first one's choice, by a computation of its own from search.csv; the page is made again."""
    tiny = ["data.source.train=60", "data.source.test=20", "data.validation_size=20", "model=mlp", "model.width=4"]
    content = {
        "words": [*tiny, "regime.block_size=10", "budget.passes=1", "impl.threads=1"],
        "rungs": {"SGD": []},
        "tune": {"optimizer.lr": [0.01, 0.1, 1], "optimizer.weight_decay": [1e-5, 1e-3, 0.1]},
        "seeds": 1,
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    out = tmp_path / "out"
    assert main([str(tmp_path / "mine.yaml"), "--workers", "1", "--out", str(out)]) == 0
    searched, (run,) = read_rows(out / "search.csv"), read_rows(out / "runs.csv").to_dict("records")
    for key in content["tune"]:
        mine = searched[searched["setting"] == key]
        best = mine[mine["validation_accuracy"] == mine["validation_accuracy"].max()]
        assert float(run[key]) in set(best["candidate"].astype(float))
    second = searched[searched["setting"] == "optimizer.weight_decay"]
    assert set(second["optimizer.lr"]) == {run["optimizer.lr"]}
    assert {"search.png", "search_2.png"} <= {path.name for path in out.iterdir()}
    text = (out / "table.md").read_text()
    assert "| optimizer.lr | optimizer.weight_decay |" in text
    capsys.readouterr()
    assert compare.main([str(out), "--format", "md"]) == 0
    assert capsys.readouterr().out == text


def test_a_file_becomes_a_study():
    content = {**PLAIN, "baseline": "SGD", "tune": {"optimizer.lr": [1, 0.1]}, "seeds": 7, "metric": "test_loss"}
    study = make_study("mine", content, "mine.yaml")
    (preset,) = study.presets.values()
    rungs = study.rungs(preset)
    assert (study.title, list(study.presets), preset.seeds, study.metric) == ("mine", ["mnist1d"], 7, "test_loss")
    assert [(rung.name, rung.overrides) for rung in rungs] == [
        ("SGD", (*WORDS, "regime=sgd")), ("full batch", (*WORDS, "regime=full_batch"))
    ]  # fmt: skip
    assert study.baseline == {"rung": "SGD"}
    assert isinstance(study.execute, NestedTuning)
    assert study.execute.candidates(preset) == {"SGD": (0.1, 1.0), "full batch": (0.1, 1.0)}
    # Whole numbers stay whole, as sizes must.
    assert study.execute.set("SGD", 16.0) == ("optimizer.lr=16",)
    assert study.held == ("optimizer.lr",)
    assert list(study.figures) == ["ladder.png", "curves.png", "search.png"]
    # As the study.json of its folder has it.
    again = json.loads(json.dumps(study.definition))
    assert make_study("mine", again).rungs(preset) == rungs


def test_claims_and_baselines_by_labels():
    content = {
        "rungs": BOTH,
        "baseline": {"training": "full batch"},
        "across": "training",
        "claims": [
            {"name": "ahead", "left": {"ingredient": "none", "training": "SGD"}, "right": "none, full batch"},
            {"name": "level", "left": "clipping, SGD", "right": "clipping, full batch", "rule": "within 0.5"},
            {"name": "below", "left": "none, SGD", "right": "none, full batch", "rule": "lower"},
        ],
    }
    study = make_study("mine", content)
    assert (study.baseline, study.across) == ({"training": "full batch"}, "training")
    noise = np.array([-1e-3, 0, 1e-3])
    means = {"none, SGD": 0.95, "none, full batch": 0.90, "clipping, SGD": 0.93, "clipping, full batch": 0.93}
    runs = pd.DataFrame(
        {**BOTH[name]["labels"], "seed": seed, "status": "done", "test_accuracy": mean + noise[(seed + place) % 3]}
        for place, (name, mean) in enumerate(means.items()) for seed in range(3)
    )  # fmt: skip
    findings = judge(study.claims, Evidence(study.describe("", None, study.rungs(study.presets[DATA]), []), runs))
    assert [finding.verdict for finding in findings] == ["supported", "supported", "opposite"]
    assert [finding.value for finding in findings] == pytest.approx([5, 0, 5], abs=1e-6)
    assert findings[0].quantity == "none, SGD minus none, full batch, test accuracy, points"


def test_a_loss_is_compared_as_it_is_and_drawn():
    claims = [{"name": "worse", "left": "SGD", "right": "full batch", "rule": "higher"}]
    study = make_study("mine", {**PLAIN, "metric": "test_loss", "claims": claims})
    runs = pd.DataFrame(
        {"rung": name, "seed": seed, "status": "done", "test_loss": mean + 0.01 * seed}
        for name, mean in (("SGD", 2.0), ("full batch", 1.5)) for seed in range(3)
    )  # fmt: skip
    description = study.describe("title", None, study.rungs(study.presets[DATA]), [])
    assert judge(study.claims, Evidence(description, runs))[0].value == pytest.approx(0.5)
    table = runs.groupby("rung", sort=False)["test_loss"].mean().rename("mean").reset_index()
    table = table.assign(n=3, ci_low=table["mean"] - 0.1, ci_high=table["mean"] + 0.1, published=np.nan)
    figure = figures()["ladder.png"](Evidence(description, runs, table=table))
    (axes,) = figure.axes
    assert axes.get_xlabel().startswith("test loss:")
    assert axes.get_xlim()[0] > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rung": {}}, "mine.yaml: 'rung' is unknown; did you mean 'rungs'?"),
        ({"rungs": {}}, "rungs: there must be one at least"),
        ({"rungs": ["a"]}, "rungs: ['a'] is no mapping"),
        ({"rungs": {1: []}}, "rungs: the name 1 is no text; put it in quotes"),
        ({"rungs": {"a": None}}, "rungs: a: nothing is no list"),
        ({"rungs": {"a": "regime=sgd"}}, "rungs: a: 'regime=sgd' is no list"),
        ({"rungs": {"a": [{"optimizer.lr": 1}]}}, "write optimizer.lr=1, without a space"),
        ({"rungs": {"a": ["regime"]}}, "rungs: a: 'regime' is not of the form key=value"),
        ({"rungs": {"a": ["regime=sdg"]}}, "rungs: a: regime=sdg is unknown; did you mean 'sgd'?"),
        ({"rungs": {"a": ["optimizer.lrr=1"]}}, "rungs: a: optimizer.lrr: optimizers.SGD takes no such argument"),
        ({"rungs": {"a": [], "b": ["optimizer.lr=-1"]}}, "rungs: b: optimizer (optimizers.SGD): lr = -1"),
        ({"rungs": {"a": {"words": [], "label": {}}}}, "rungs: a: 'label' is unknown; did you mean 'labels'?"),
        ({"rungs": {"a": {"words": [], "labels": {"x": 1}}}}, "rungs: a: labels: x: 1 is no text"),
        ({"rungs": {"a": {"words": [], "labels": {"x": "1"}}, "b": []}}, "rung 'b' has the labels ['rung'], not ['x']"),
        ({"rungs": {"a": {"words": [], "labels": {"seed": "1"}}}}, "'seed' is no label"),
        ({"words": "model=mlp"}, "words: 'model=mlp' is no list"),
        ({"words": ["seed=1"]}, "words: seed=1: a study counts its own seeds"),
        ({"title": 3}, "title: 3 is no text"),
        ({"seeds": 0}, "seeds: 0 must be a whole number of at least 1"),
        ({"metric": "test_acuracy"}, "metric: 'test_acuracy' is unknown; did you mean 'test_accuracy'?"),
        ({"baseline": "full-batch"}, "baseline: 'full-batch' is unknown; did you mean 'full batch'?"),
        ({"baseline": {"rong": "SGD"}}, "baseline: 'rong' is unknown; did you mean 'rung'?"),
        ({"baseline": {"rung": "full"}}, "baseline: rung: 'full' is unknown"),
        ({"across": "training"}, "across: 'training' is unknown; did you mean 'rung'?"),
        ({"across": "rung"}, "side by side takes rungs of two labels"),
        ({"figures": ["lader.png"]}, "figures: 'lader.png' is unknown; did you mean 'ladder.png'?"),
        ({"figures": ["search.png"]}, "figures: 'search.png' is unknown"),
        ({"figures": "ladder.png"}, "figures: 'ladder.png' is no list"),
        ({"tune": [1]}, "tune: [1] is no mapping"),
        ({"tune": {}}, "tune: nothing is tuned; write {optimizer.lr"),
        ({"tune": {"optimizer.lr": [1, "x"]}}, "tune: optimizer.lr: [1, 'x'] must be one or more numbers"),
        ({"tune": {"optimizer.lr": [1, 1]}}, "holds a number twice"),
        ({"tune": {"optimizer.lr": {"SDG": [1]}}}, "tune: optimizer.lr: 'SDG' is unknown; did you mean 'SGD'?"),
        ({"tune": {"optimizer.lrr": [1, 2]}}, "tune: SGD: optimizer.lrr: optimizers.SGD takes no such argument"),
        ({"tune": {"optimizer.lr": [-1, 2]}}, "tune: SGD: optimizer (optimizers.SGD): lr = -1"),
        (
            {"tune": {"optimizer.lr": [1, 2]}, "words": ["model=mlp"]},
            "rungs: SGD: optimizer.lr is tuned on validation data, and there is none; add data.validation_size=500",
        ),
        ({"claims": {}}, "claims: {} is no list"),
        ({"claims": [{"nam": "x"}]}, "claims: 1: 'nam' is unknown; did you mean 'name'?"),
        ({"claims": [{"name": "x", "left": "SGD", "right": "FB"}]}, "claims: 1: right: 'FB' is unknown"),
        ({"claims": [{"name": "x", "left": "SGD", "right": "SGD"}]}, "left and right are both 'SGD'"),
        (
            {"claims": [{"name": "x", "left": "SGD", "right": "full batch", "rule": "equal"}]},
            "claims: 1: rule: 'equal' must be higher, lower, or within MARGIN",
        ),
        ({"claims": [{"name": "x", "left": {}, "right": "SGD"}]}, "it must fit one"),
    ],
)
def test_every_mistake_is_one_line_with_file_key_and_remedy(change, message, tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**PLAIN, **change}, sort_keys=False))
    assert main([str(path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rungs: {a: [regularizer=[l2]]}", "is not readable as YAML"),
        ("rungs: {a: []}\nrungs: {b: []}", "found duplicate key rungs"),
        ("- a", "must hold keys and values"),
    ],
)
def test_what_is_no_study_file(content, message, tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_files_that_are_not_there_or_named_like_a_built_in_study(tmp_path, capsys):
    (tmp_path / "fair_ladder.yaml").write_text("rungs: {a: []}")
    for words, message in (
        ([], "name the file of a study"),
        ([str(tmp_path / "none.yaml")], "there is no such file"),
        ([str(tmp_path / "fair_ladder.yaml")], "is of other studies; rename the file"),
    ):
        assert main(words) == 2
        assert message in capsys.readouterr().err


def test_the_command_line_overrides_all_rungs_but_not_what_is_tuned(tmp_path, capsys):
    """A changed setting has a folder of its own, and what a study sets itself is refused."""
    for words, message in (
        (["optimizer.lr=1"], "optimizer.lr=1: this study sets it itself"),
        (["data.validation_size=0"], "optimizer.lr is chosen on validation data, and there is none"),
        (["data=digits"], "my_ladder has no preset for it; valid: mnist1d"),
        (["--only", "+ cliping"], "did you mean '+ clipping'"),
    ):
        assert main([str(EXAMPLE), *words, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert main([str(EXAMPLE), "--list", "optimizer=adam"]) == 0
    listed = capsys.readouterr().out
    assert "changed settings" in listed
    assert "[gradient_clipping,gradient_penalty]" in listed
    assert "optimizer.lr from" in listed
    (row,) = [line for line in listed.splitlines() if line.startswith("│ + penalty")]
    assert "│ 0.03, 0.1, 0.3, 1, 3 │" in row


def test_a_damaged_definition_is_named(tmp_path, capsys):
    study = read_study(EXAMPLE)
    check_rungs(study, "my_ladder.yaml")
    content = {"title": "t", "by": ["rung"], "study": "my_ladder", "definition": {**study.definition, "rungs": {}}}
    (tmp_path / "study.json").write_text(json.dumps(content))
    assert compare.main([str(tmp_path), "--rewrite"]) == 2
    assert "study.json: definition: rungs: there must be one at least" in capsys.readouterr().err
    content["definition"] = study.definition
    (tmp_path / "study.json").write_text(json.dumps(content))
    assert study_of(read_description(tmp_path / "study.json")).title == "My ladder"
    # Nothing of the kind stands in the study.json of a study that code defines.
    assert "definition" not in json.loads(to_json(Description("title", ["rung"], study="fair_ladder")))


@pytest.mark.parametrize(
    "words",
    [
        ["schedule.warmup=5", "budget.passes=100", "regime=large_batch"],
        ["data=fashion_mnist", "data.train_size=2000", "data.validation_size=1000", "model=resnet18"],
        ["data=digits", "model=vit", "optimizer=sam"],
        ["data=markov", "model=gpt", "model.layers=6", "budget.gradients_per_sample=30"],
        ["data=cifar10", "model=vgg16", "schedule.horizon_from=warmup", "schedule.warmup=4", "schedule.horizon=10"],
        ["data.train_size=10", "regime=full_batch", "model=strided_cnn"],
    ],
)
def test_any_run_can_be_made_tiny(words):
    config = compose(words)
    tiny = compose([*words, *tiny_words(config)])
    check(tiny)
    assert compose().data.name == DATA
    assert tiny.budget.passes <= 2
    assert tiny.data.train_size <= 48
    assert tiny.regime.block_size * min(2, tiny.data.train_size) <= tiny.data.train_size
    assert bool(tiny.data.validation_size) == bool(config.data.validation_size)
    assert tiny.model["width"] <= 8
    # The course of the learning rate is the same over the budget.
    for name in ("warmup", "horizon"):
        share, before = (own.schedule.get(name, 0) / own.budget.passes for own in (tiny, config))
        assert share == pytest.approx(before)
