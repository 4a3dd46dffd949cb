"""Every script, run as a user would, at a tiny size."""

import json
import math
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from files import ROOT, write_cifar, write_fashion_mnist

from fbgd.config.compose import compose
from fbgd.config.groups import choices
from fbgd.config.parts import build_schedule
from fbgd.report.tables import COLUMNS
from fbgd.runs.attempt import execute
from fbgd.runs.plan import plan
from fbgd.studies import fair_ladder, geiping_ladder, optimizer_comparison, regularizer_comparison
from fbgd.studies.command import main
from fbgd.studies.request import default_out
from scripts import benchmark, train

RUNGS = [
    "Baseline SGD",
    "Baseline FB",
    "FB train longer",
    "FB clipped",
    "FB regularised",
    "FB strong reg.",
    "FB in practice",
]
TINY = ["data.source.train=40", "data.source.test=10", "model.width=2", "regime.block_size=10", "impl.threads=1"]


def command(script, *words, cwd=ROOT):
    """Run a script in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / f"{script}.py", *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
    )


@pytest.mark.parametrize(
    "script",
    [
        "train",
        "geiping_ladder",
        "optimizer_comparison",
        "regularizer_comparison",
        "fair_ladder",
        "double_descent",
        "weight_decay",
        "implicit_bias",
        "calibration",
        "study",
        "sweep",
        "compare",
        "benchmark",
        "gpu_check",
    ],
)
def test_help_teaches(script, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), run_name="__main__")
    assert ended.value.code == 0
    assert f"python scripts/{script}.py" in capsys.readouterr().out


LADDER = geiping_ladder.STUDY


def rungs_of(data, augment=None, quick=False):
    """The ladder's rungs for a data set, as the command line makes them."""
    preset = geiping_ladder.augmented(data, geiping_ladder.PRESETS[data], augment)
    return geiping_ladder.rungs(geiping_ladder.quick(preset, data) if quick else preset)


class TestTrain:
    def test_one_run_and_the_same_again(self, tmp_path, capsys):
        words = [*TINY, "optimizer=adam", "regime=full_batch", "regularizer=gradient_penalty", "budget.passes=3"]
        assert train.main([*words, "seed=1", "--out", str(tmp_path / "run")]) == 0
        first = capsys.readouterr().out
        assert "test accuracy" in first
        assert train.main([*words, "seed=1", "--out", str(tmp_path / "run")]) == 0
        assert capsys.readouterr().out == first

    def test_an_optimizer_of_torch_by_its_name(self, tmp_path):
        for regime in ("sgd", "full_batch"):
            words = [*TINY, f"regime={regime}", "optimizer._target_=torch.optim.NAdam", "budget.passes=2"]
            assert train.main([*words, "--out", str(tmp_path / regime)]) == 0

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["optimizer=adm"], "did you mean 'adam'"),
            (["optimizer._target_=torch.optim.LBFGS", "optimizer.lr=-1", *TINY], "-1"),
            (["data=cifar10", "data.source.folder=/nowhere"], "data.source.download=true"),
        ],
    )
    def test_mistakes_end_in_one_line(self, tmp_path, capsys, words, message):
        assert train.main([*words, "--out", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1

    def test_default_directory_is_named_by_the_experiment(self, tmp_path):
        result = command("train", *TINY, "budget.passes=1", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert [path.name[:8] for path in (tmp_path / "runs").iterdir()] == ["mnist1d-"]


class TestLadder:
    def test_published_settings(self):
        """The table of the paper, with the code's s = 0.5 as strength 0.25."""
        short, long, higher = (300, 0.1, 5, 300), (3000, 0.4, 400, 4000), (3000, 0.8, 400, 4000)
        fixed = (128, "fixed", "all")
        expected = {
            "Baseline SGD": (*short, None, None, 128, "reshuffle", 1),
            "Baseline FB": (*short, None, None, *fixed),
            "FB train longer": (*long, None, None, *fixed),
            "FB clipped": (*long, 0.25, None, *fixed),
            "FB regularised": (*higher, 0.25, 0.25, *fixed),
            "FB strong reg.": (*higher, 0.25, 0.25, 32, "fixed", "all"),
            "FB in practice": (*higher, 0.25, 0.25, 32, "reshuffle", "all"),
        }
        found = {}
        for run in plan(rungs_of("cifar10"), [], 1, Path("unused")):
            config, schedule, regime = run.config, run.config.schedule, run.config.regime
            clip = config.regularizer.get("gradient_clipping", {}).get("max_norm")
            penalty = config.regularizer.get("gradient_penalty", {}).get("strength")
            budget = (config.budget.passes, config.optimizer["lr"], schedule["warmup"], schedule["horizon"])
            assert schedule["horizon_from"] == "warmup"
            found[run.rung] = (*budget, clip, penalty, regime.block_size, regime.order, regime.blocks_per_step)
            assert schedule["_target_"] == "fbgd.schedules.Cosine"
            assert config.data.augment == "random"
        assert found == expected
        assert [str(rung.published) for rung in rungs_of("cifar10")] == [
            "95.70 ± 0.11",
            "75.42 ± 0.13",
            "87.36 ± 1.23",
            "93.85 ± 0.10 (recalled)",
            "95.36 ± 0.07 (recalled)",
            "95.67 ± 0.08",
            "95.91 ± 0.14 (recalled)",
        ]

    def test_rates_of_the_published_code(self):
        """A cosine of the horizon's length behind the warm-up, in every rung: the rate of the last pass."""
        last = {}
        for run in plan(rungs_of("cifar10"), [], 1, Path("unused")):
            passes = run.config.budget.passes
            last[run.rung] = run.config.optimizer["lr"] * build_schedule(run.config).factor(passes - 1, 1, [])
        short = 0.05 * (1 + math.cos(math.pi * (299 - 5) / 300))
        long = 0.2 * (1 + math.cos(math.pi * (2999 - 400) / 4000))
        expected = [short, short, long, long, 2 * long, 2 * long, 2 * long]
        assert list(last) == RUNGS
        assert list(last.values()) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("data", ["mnist1d", "fashion_mnist"])
    def test_the_other_presets_keep_the_settings_of_their_committed_runs(self, data):
        for run in plan(rungs_of(data), [], 1, Path("unused")):
            assert "horizon_from" not in run.config.schedule
            assert "shortcut" not in run.config.model

    def test_another_network_takes_the_place_of_the_published_one_with_all_its_settings(self):
        for run in plan(rungs_of("cifar10")[:1], ["model=cnn5"], 1, Path("unused")):
            assert "shortcut" not in run.config.model

    def test_the_list_shows_what_distinguishes_the_rungs(self, capsys):
        assert main(LADDER, ["data=cifar10", "--list"]) == 0
        shown = capsys.readouterr().out
        assert "model=resnet18" in shown.splitlines()[1]
        line = next(line for line in shown.splitlines() if "FB clipped" in line)
        assert "93.85 ± 0.10 (recalled)" in line
        assert "0.25" in line
        # What is changed is not the published setting.
        assert main(LADDER, ["data=cifar10", "optimizer.lr=0.2", "--list"]) == 0
        shown = capsys.readouterr().out
        assert "93.85" not in shown
        assert "optimizer.lr=0.2" in shown

    def test_settings_that_all_rungs_of_the_published_ladder_share(self):
        for rung in rungs_of("cifar10"):
            config = plan([rung], [], 1, Path("unused"))[0].config
            assert config.model == {
                "_target_": "fbgd.models.ResNet",
                "depth": 18,
                "width": 64,
                "norm": "batch",
                "stem": "cifar",
                "shortcut": "pool",
            }
            assert config.optimizer["_target_"] == "optimizers.SGD"
            assert (config.optimizer["momentum"], config.optimizer["nesterov"]) == (0.9, True)
            assert config.optimizer["weight_decay"] == 5e-4
            assert config.schedule["final"] == 0.0

    def test_published_values_stand_only_where_the_setting_is_the_published_one(self):
        def published(*arguments, **options):
            return [rung.published for rung in rungs_of(*arguments, **options)]

        assert all(published("cifar10"))
        assert all(published("cifar10", "random"))
        assert sum(value is not None for value in published("cifar10", "none")) == 2
        assert not any(published("cifar10", "40x"))
        assert not any(published("cifar10", quick=True))
        assert not any(published("mnist1d"))
        assert not any(published("mnist1d", "none"))

    @pytest.mark.slow
    def test_a_step_of_each_rung_on_cifar_files(self, tmp_path):
        folder = write_cifar(tmp_path / "files", "cifar10", "binary")
        words = ["data=cifar10", f"data.source.folder={folder}", "data.source.verify=false", "budget.passes=1"]
        words += ["--quick", "--seeds", "1"]
        assert main(LADDER, [*words, "schedule.warmup=0", "--out", str(tmp_path / "out"), "--workers", "2"]) == 0
        runs = pd.read_csv(tmp_path / "out" / "runs.csv")
        assert list(runs["rung"]) == RUNGS
        assert list(runs["status"]) == ["done"] * 7
        assert runs["content_hash"].nunique() == 1
        table = pd.read_csv(tmp_path / "out" / "table.csv")
        assert tuple(table) == ("rung", *COLUMNS)
        assert list(table["rung"]) == RUNGS

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_step_of_each_rung_on_the_python_layout(self, tmp_path, packed):
        folder = write_cifar(tmp_path / "files", "cifar10", "python", packed)
        rungs = rungs_of("cifar10", quick=True)
        words = [
            f"data.source.folder={folder}",
            "data.source.verify=false",
            "budget.passes=1",
            "schedule.warmup=0",
            "impl.threads=1",
        ]
        for run in plan(rungs, words, 1, tmp_path / "out"):
            assert execute(run.config, run.path)["status"] == "done"

    @pytest.mark.slow
    def test_images_of_one_channel_and_a_fixed_larger_set(self, tmp_path):
        folder = write_fashion_mnist(tmp_path / "files", train=80)
        words = ["data=fashion_mnist", f"data.source.folder={folder}", "data.source.verify=false", "--quick"]
        options = ["--seeds", "1", "--augment", "2x", "--only", "Baseline", "--out", str(tmp_path / "out")]
        assert main(LADDER, [*words, *options]) == 0
        runs = pd.read_csv(tmp_path / "out" / "runs.csv")
        assert list(runs["status"]) == ["done"] * 2 + ["missing"] * 5
        assert runs["train_size"].dropna().eq(128).all()

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["data=cifar10", "data.source.folder=/nowhere"], "data.source.folder=DIR"),
            (["data=mnist2d"], "did you mean 'mnist1d'"),
            (["--only", "FB cliped"], "did you mean 'FB clipped'"),
            (["--seeds", "0"], "--seeds"),
            (["--augment", "twice"], "data.augment"),
            (["optimizer.lrr=1"], "did you mean 'lr'"),
            (["optimizer.lr=-1"], "lr = -1"),
            (["schedule.horizon=0.1"], "schedule.horizon"),
            (["regularizer.gradient_penalti.radius=1"], "no rung has the regulariser"),
            (["regime.order=random"], "regime.order"),
            (["model.depth=9"], "model.depth = 9"),
            (["seed=3"], "--seeds N"),
        ],
    )
    def test_mistakes_end_in_one_line(self, tmp_path, capsys, words, message):
        assert main(LADDER, [*words, "--out", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1

    def test_no_setting_overwrites_another_s_table(self):
        outs = {
            default_out(LADDER, *arguments)
            for arguments in (
                ("mnist1d", "", False, []),
                ("mnist1d", "augment-10x", False, []),
                ("mnist1d", "", True, []),
                ("mnist1d", "", False, ["optimizer=adam"]),
                ("mnist1d", "", False, ["optimizer=adamw"]),
                ("mnist1d", "", False, ["optimizer=adamw", "impl.threads=1"]),
                ("cifar10", "", False, []),
            )
        }
        assert len(outs) == 6

    @pytest.mark.slow
    def test_kill_9_of_a_study_and_the_same_command_again(self, tmp_path):
        """The killed study's workers end by themselves, and its finished runs are not computed twice."""
        words = ["--quick", "--seeds", "1", "--workers", "1", "--only", "FB train", "--only", "FB clipped", "--out"]
        overrides = ["budget.passes=6", "impl.checkpoint_seconds=0"]
        assert command("geiping_ladder", *overrides, *words, tmp_path / "straight").returncode == 0
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        script = [sys.executable, ROOT / "scripts/geiping_ladder.py", *overrides, *words, tmp_path / "cut"]
        with subprocess.Popen(
            script, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
        ) as study:
            study.stderr.readline()
            study.send_signal(signal.SIGKILL)
        finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("runs/*/summary.json")}
        assert len(finished) == 1
        assert command("geiping_ladder", *overrides, *words, tmp_path / "cut").returncode == 0
        assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
        timeless = ["rung", *(name for name in COLUMNS if name != "seconds")]
        left, right = (pd.read_csv(tmp_path / name / "table.csv")[timeless] for name in ("straight", "cut"))
        pd.testing.assert_frame_equal(left, right, check_exact=True)


STUDIES = {
    "optimizer_comparison": optimizer_comparison,
    "regularizer_comparison": regularizer_comparison,
    "fair_ladder": fair_ladder,
}


class TestComparisons:
    @pytest.mark.parametrize(
        ("name", "words", "message"),
        [
            ("optimizer_comparison", ["optimizer=adam"], "this study sets it itself"),
            ("optimizer_comparison", ["optimizer.lr=1"], "this study sets it itself"),
            ("optimizer_comparison", ["data=mnist2d"], "did you mean 'mnist1d'"),
            ("optimizer_comparison", ["--only", "Adm, SGD"], "did you mean 'Adam, SGD'"),
            ("optimizer_comparison", ["--seeds", "0"], "--seeds = 0"),
            ("optimizer_comparison", ["--decay", "some"], "--decay some must be none or tuned"),
            ("optimizer_comparison", ["optimizer.base.weight_decay=1"], "this study sets it itself"),
            ("regularizer_comparison", ["regularizer=[mixup]"], "this study sets it itself"),
            ("regularizer_comparison", ["regularizer.mixup.alpha=-1"], "alpha = -1"),
            ("regularizer_comparison", ["data.validation_size=0"], "early_stopping needs a validation split"),
            ("fair_ladder", ["budget.passes=3"], "this study sets it itself"),
            ("fair_ladder", ["regime=sgd"], "this study sets it itself"),
            ("fair_ladder", ["model.wdth=3"], "did you mean 'width'"),
        ],
    )
    def test_mistakes_end_in_one_line(self, name, words, message, tmp_path, capsys):
        assert main(STUDIES[name].STUDY, [*words, "--out", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1

    def test_both_columns_of_the_fair_ladder_cost_the_same(self, tmp_path):
        """Equal gradient evaluations on every rung, by the configuration that will run."""
        rungs = fair_ladder.rungs(fair_ladder.PRESETS["mnist1d"])
        candidates = fair_ladder.candidates(fair_ladder.PRESETS["mnist1d"])
        costs, settings = {}, {}
        for run in plan(rungs, [], 1, tmp_path):
            costs.setdefault(run.labels["ingredient"], set()).add(run.work)
            settings.setdefault(run.labels["ingredient"], []).append(run.config)
        assert {name: len(values) for name, values in costs.items()} == dict.fromkeys(costs, 1)
        assert costs["longer"] == costs["+ warm-up"] == costs["+ clipping"] == costs["+ penalty"] == {150}
        for left, right in settings.values():
            assert (left.regime.blocks_per_step, right.regime.blocks_per_step) == (1, "all")
            assert (left.budget, left.schedule, left.regularizer) == (right.budget, right.schedule, right.regularizer)
            assert left.regime.block_size == right.regime.block_size
        # Both ways of training begin with the same values on every rung; steps of bounded length with larger ones.
        for rung in rungs:
            assert len(candidates[rung.name]) >= 5
            assert candidates[rung.name] == candidates[f"{rung.labels['ingredient']}, SGD"]
        assert candidates["longer, SGD"][-1] < candidates["+ clipping, SGD"][-1]

    def test_the_fair_ladder_has_the_published_network_and_anneals_to_zero(self, tmp_path):
        for run in plan(fair_ladder.rungs(fair_ladder.PRESETS["cifar10"]), [], 1, tmp_path):
            assert (run.config.model["depth"], run.config.model["shortcut"]) == (18, "pool")
            assert build_schedule(run.config).factor(run.config.budget.passes, 1, []) == 0.0

    def test_no_optimizer_gets_more_evaluations(self, tmp_path):
        for run in plan(optimizer_comparison.rungs(optimizer_comparison.PRESETS["mnist1d"]), [], 1, tmp_path):
            assert run.config.budget.gradients_per_sample == 40
            # A decay is complete where the run ends.
            if run.config.schedule["_target_"].endswith("Cosine"):
                evaluations = 2 if run.labels["optimizer"] in ("SAM", "ASAM") else 1
                assert run.config.schedule["horizon"] * evaluations == 40

    @pytest.mark.parametrize("name", ["SAM", "Line search", "L-BFGS", "Adam"])
    def test_the_evaluations_are_used_up_and_not_exceeded_by_more_than_a_step(self, name, tmp_path):
        preset = optimizer_comparison.quick(optimizer_comparison.PRESETS["mnist1d"], "mnist1d")
        for rung in optimizer_comparison.rungs(preset):
            if rung.labels["optimizer"] == name:
                (run,) = plan([rung], ["impl.threads=1"], 1, tmp_path)
                spent = execute(run.config, run.path)["gradient_evaluations"] / 48
                longest = {"Line search": 20, "L-BFGS": 6}.get(name, 2)
                assert 2 <= spent < 2 + longest

    def test_optimizers_differ_in_their_rules_alone(self):
        """No decay for anyone, or everyone's own; Nesterov's momentum wherever there is momentum of its kind."""
        preset = optimizer_comparison.PRESETS["mnist1d"]
        tuned = optimizer_comparison.with_decay("mnist1d", preset, "tuned")
        plain = {rung.name: compose(rung.overrides) for rung in optimizer_comparison.rungs(preset)}
        for config in plain.values():
            found = dict(leaves(config.optimizer))
            assert not any(value for key, value in found.items() if key.endswith("weight_decay"))
            assert config.regularizer == {}
            assert all(value is True for key, value in found.items() if key.endswith("nesterov"))
        search = optimizer_comparison.STUDY.execute.then(tuned)
        own = {rung.name: rung for rung in optimizer_comparison.rungs(tuned)}
        assert set(own) - set(plain) == {"AdamW, SGD", "AdamW, full batch"}
        assert optimizer_comparison.STUDY.execute.then(preset) is None
        for name, rung in own.items():
            config = compose((*rung.overrides, *search.set(name, 0.125)))
            decays = [value for key, value in leaves(config.optimizer) if key.endswith("weight_decay")]
            decays += [node["strength"] for node in config.regularizer.values()]
            assert set(decays) == {0.125}, name
            assert len(search.candidates(tuned)[name]) >= 5

    def test_regularisers_of_a_regime_cost_the_same_and_none_counts_twice(self, tmp_path):
        rungs = regularizer_comparison.rungs(regularizer_comparison.PRESETS["mnist1d"])
        costs = {}
        for run in plan(rungs, [], 1, tmp_path):
            costs.setdefault(run.labels["regime"], set()).add(run.work)
            assert run.config.schedule["horizon"] == run.config.budget.passes
            assert run.config.optimizer["weight_decay"] == 0
        assert costs == {"SGD": {40}, "full batch": {80}}
        names = {regime: {rung.labels["ingredient"] for rung in rungs if rung.labels["regime"] == regime}
                 for regime in costs}  # fmt: skip
        assert names["full batch"] - names["SGD"] == {"full_gradient_penalty", "block_clipping"}
        assert set(regularizer_comparison.candidates(regularizer_comparison.PRESETS["mnist1d"]).values()) == {
            (0.03, 0.095, 0.3, 0.95, 3.0)
        }

    def test_every_regulariser_is_in_the_study(self):
        # SGD's noise on full batch has a study of its own, fbgd/studies/noise.py.
        chosen = set(choices("regularizer")) - {"none", "sgd_noise"}
        assert set(regularizer_comparison.ALONE) == chosen


def leaves(node, prefix=""):
    """The dotted keys and values of nested settings."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@pytest.mark.slow
def test_benchmark_measures_and_writes(tmp_path, capsys):
    assert benchmark.main(["--quick", "--json", str(tmp_path / "ratios.json")]) == 0
    written = json.loads((tmp_path / "ratios.json").read_text())
    assert len(written["ratios"]) == 23
    assert all(ratio["value"] > 0 and ratio["wanted"] for ratio in written["ratios"])
    assert re.search(r"e-1\d in float64", written["ratios"][0]["note"])
    assert "engine / bare autograd.grad" in capsys.readouterr().out
