"""The Python API: what it shows, and that it gives what the commands write."""

import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
from directories import Stopped, stop_after
from files import ROOT

import fbgd
from fbgd.commands import compare as compare_command
from fbgd.commands import train
from fbgd.config.compose import compose
from fbgd.config.data import load_data
from fbgd.errors import ConfigError
from fbgd.report.formats import render
from fbgd.runs.attempt import execute
from fbgd.runs.rows import read_rows
from fbgd.studies.command import main as run_study
from fbgd.studies.sweep.command import main as run_sweep

TINY = [
    "data.source.train=60",
    "data.source.test=20",
    "data.validation_size=20",
    "model=mlp",
    "model.width=4",
    "regime.block_size=10",
    "budget.passes=2",
    "impl.threads=1",
    "impl.blocks_per_call=1",
]
RUNGS = {"words": TINY, "rungs": {"SGD": [], "full batch": ["regime=full_batch"]}, "seeds": 2, "figures": []}


def files_of(folder):
    """The files of a results folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_there_is():
    functions = {"Study", "compare", "load", "run", "runs_frame", "sweep"}
    modules = {path.stem for path in (ROOT / "fbgd").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(dir(fbgd)) == functions | modules - {"__init__", "__pycache__"}
    assert set(fbgd.__all__) == functions
    assert fbgd.schedules.Cosine is not None
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        fbgd.rum  # noqa: B018


def test_importing_it_loads_nothing():
    code = "import sys, fbgd; dir(fbgd); assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


class TestRun:
    def test_a_run_is_that_of_the_command_line(self, tmp_path, capsys):
        words = [*TINY, "optimizer=adam", "seed=3"]
        ours = fbgd.run(words, out=tmp_path / "ours")
        assert train.main([*words, "--out", str(tmp_path / "theirs")]) == 0
        theirs = fbgd.load(str(tmp_path / "theirs"))
        pd.testing.assert_frame_equal(ours.rows.drop(columns="seconds"), theirs.rows.drop(columns="seconds"))
        assert ours.summary["identity"] == theirs.summary["identity"]
        assert ours.rows["test_accuracy"].iloc[-1] == ours.summary["test_accuracy"]
        assert ours.config == compose(words)
        assert ours.config.optimizer["_target_"] == "optimizers.Adam"
        # Once more it is read; words may be one text.
        before = files_of(tmp_path / "ours")
        assert fbgd.run(" ".join(words), out=tmp_path / "ours") == ours
        assert files_of(tmp_path / "ours") == before

    def test_the_default_folder_is_that_of_the_command_line(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        run = fbgd.run(TINY)
        assert train.main(TINY) == 0
        assert [path.relative_to(tmp_path) for path in (tmp_path / "runs").iterdir()] == [run.folder]

    @pytest.mark.parametrize(
        "words",
        [
            ["model=mlp"],
            ["model=cnn", "optimizer=adam"],
            ["model=cnn", "regularizer=ema", "budget.passes=4"],
            ["model=mlp", "regularizer=early_stopping", "precision=fp64"],
            ["model=cnn", "regularizer=dropout"],
        ],
    )
    def test_the_model_has_the_weights_that_were_evaluated(self, tmp_path, words):
        """Its accuracy and loss on the test set, computed here, are those of the summary."""
        run = fbgd.run([*TINY, *words], out=tmp_path)
        model = run.model()
        assert not any(module.training for module in model.modules())
        test = load_data(run.config).test
        dtype = next(model.parameters()).dtype
        with torch.no_grad():
            outputs = model(test.inputs.to(dtype))
        accuracy = (outputs.argmax(1) == test.targets).double().mean().item()
        loss = torch.nn.functional.cross_entropy(outputs, test.targets).item()
        assert accuracy == pytest.approx(run.summary["test_accuracy"], abs=1e-9)
        assert loss == pytest.approx(run.summary["test_loss"], rel=1e-5)

    def test_this_process_stays_as_it_was(self, tmp_path):
        threads, state = torch.get_num_threads(), torch.get_rng_state()
        before = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
        fbgd.run([*TINY, "precision=tf32", "impl.threads=2"], out=tmp_path)
        assert torch.get_num_threads() == threads
        assert torch.get_float32_matmul_precision() == "highest"
        assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == before
        assert torch.equal(torch.get_rng_state(), state)

    def test_one_that_was_cut_off_is_read_and_goes_on(self, tmp_path):
        config = compose([*TINY, "impl.checkpoint_seconds=0"])
        with pytest.raises(Stopped):
            execute(config, tmp_path, stop_after(1))
        run = fbgd.load(tmp_path)
        assert len(run.rows) == 1
        for read in (lambda: run.summary, run.model):
            with pytest.raises(ConfigError, match="the run has not finished"):
                read()
        assert len(fbgd.run([*TINY, "impl.checkpoint_seconds=0"], out=tmp_path).rows) == 2
        assert run.summary["status"] == "done"

    def test_mistakes_are_one_line(self, tmp_path):
        run = fbgd.run(TINY, out=tmp_path / "run")
        other = fbgd.run([*TINY, "seed=2"], out=tmp_path / "other")
        (tmp_path / "other" / "checkpoint.pt").write_bytes((tmp_path / "run" / "checkpoint.pt").read_bytes())
        (tmp_path / "run" / "checkpoint.pt").unlink()
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad" / "config.yaml").write_text("optimiser: {lr: 1}\n")
        for call, message in (
            (lambda: fbgd.run("optimizer=adm"), "did you mean 'adam'"),
            (lambda: fbgd.run("regime.block_size=5000"), "regime.block_size = 5000 is outside"),
            (lambda: fbgd.run("optimizer"), "not of the form key=value"),
            (lambda: fbgd.run([*TINY, "seed=1"], out=tmp_path / "run"), "holds another experiment"),
            (lambda: fbgd.load(tmp_path), "is no run's directory"),
            (lambda: fbgd.load(tmp_path / "none"), "there is no such folder"),
            (lambda: fbgd.load(tmp_path / "bad").config, "is no configuration of a run"),
            (lambda: fbgd.load(tmp_path / "bad").rows, "nothing is recorded yet"),
            (lambda: fbgd.runs_frame(tmp_path / "none"), "there is no such file or folder"),
            (run.model, "has no checkpoint.pt"),
            (other.model, "checkpoint.pt is of another run"),
        ):
            with pytest.raises(ConfigError) as caught:
                call()
            assert message in str(caught.value)
            assert "\n" not in str(caught.value)


def test_reading_imports_no_code_that_a_folder_names(tmp_path, monkeypatch):
    """Only the model does, which is made by that code."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    for kind, name in (("regularizer.stop", "EarlyStopping"), ("model", "MLP"), ("objective", "CrossEntropy")):
        source = {"EarlyStopping": "regularizers", "MLP": "fbgd.models", "CrossEntropy": "fbgd.engine.losses"}[name]
        module = f"trap_{kind.split('.')[0]}"
        (home / f"{module}.py").write_text(f"import {source}\n\nclass Own({source}.{name}):\n    vectorises = True\n")
    words = [*(word for word in TINY if not word.startswith("model")), f"impl.module_path=[{home}]"]
    words += [f"{kind}._target_=trap_{kind.split('.')[0]}.Own" for kind in ("model", "objective", "regularizer.stop")]
    fbgd.run(words, out=tmp_path / "runs" / "one")
    names = ["trap_regularizer", "trap_model", "trap_objective"]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [*sys.path, str(home)])
    run = fbgd.load(tmp_path / "runs" / "one")
    assert run.summary["status"] == "done"
    assert len(run.rows) == 2
    assert run.config.model["_target_"] == "trap_model.Own"
    assert len(fbgd.runs_frame(tmp_path / "runs")) == 1
    assert len(fbgd.compare(tmp_path / "runs").rows) == 1
    assert not set(names) & set(sys.modules)
    assert run.model() is not None
    assert "trap_model" in sys.modules


class TestMany:
    def test_a_study_is_that_of_the_command_line(self, tmp_path, in_process, capsys):
        study = fbgd.Study(RUNGS, name="mine")
        assert list(study.rungs) == ["SGD", "full batch"]
        assert study.rungs["full batch"] == (*TINY, "regime=full_batch")
        results = study.run("optimizer=adam", out=tmp_path / "ours", only="SGD", workers=1)
        assert list(results.runs["status"]) == ["done", "missing"] * 2
        results = study.run("optimizer=adam", out=tmp_path / "ours", workers=1)
        assert capsys.readouterr().out == ""
        assert run_study(study.study, ["optimizer=adam", "--out", str(tmp_path / "theirs"), "--workers", "1"]) == 0
        times = ["seconds"]
        theirs = read_rows(tmp_path / "theirs" / "runs.csv").drop(columns=times)
        pd.testing.assert_frame_equal(results.runs.drop(columns=times), theirs)
        assert list(results.table["rung"]) == ["SGD", "full batch"]
        assert render(results.page, "md") == (tmp_path / "ours" / "table.md").read_text()
        assert "full batch" in str(results)
        assert len(results.claims) == len(results.searched) == len(results.figures) == 0
        # A folder of results can be compared, and its runs are found.
        assert list(fbgd.compare(results, by="regime").table["n"]) == [2, 2]
        frame = fbgd.runs_frame(results)
        assert set(frame["rung"]) == {"SGD", "full batch"}
        for folder, identity in zip(frame["folder"], frame["identity"], strict=True):
            assert fbgd.load(folder).summary["identity"] == identity

    def test_studies_by_name_by_file_and_in_python(self, tmp_path):
        built_in = fbgd.Study("geiping_ladder")
        assert len(built_in.rungs) == 7
        assert fbgd.Study(built_in.study).rungs == built_in.rungs
        example = fbgd.Study(ROOT / "docs" / "examples" / "my_ladder.yaml")
        assert repr(example) == "Study(my_ladder: SGD, full batch, + clipping, + penalty)"
        for call, message in (
            (lambda: fbgd.Study("fair_lader"), "did you mean 'fair_ladder'"),
            (lambda: fbgd.Study(tmp_path / "none.yaml"), "there is no such file"),
            (lambda: fbgd.Study({"rungs": {"a": ["optimizer=adm"]}}), "my_study: rungs: a: optimizer=adm is unknown"),
            (lambda: fbgd.Study(RUNGS, name="fair_ladder"), "is of other studies"),
            (lambda: built_in.run("optimizer.lr=-1"), "lr = -1"),
            (lambda: built_in.run(seeds=0), "--seeds = 0 must be at least 1"),
            (lambda: built_in.run(augment="twice"), "data.augment"),
            (lambda: built_in.run(decay="tuned"), "--decay: geiping_ladder has no such option"),
        ):
            with pytest.raises(ConfigError) as caught:
                call()
            assert message in str(caught.value)
            assert "\n" not in str(caught.value)

    def test_a_sweep_is_that_of_the_command_line(self, tmp_path, in_process, capsys):
        words = ["optimizer=sgd,adam", "optimizer.lr=0.01,0.1", "seed=0,1", *TINY]
        results = fbgd.sweep(words, out=tmp_path / "ours", baseline="optimizer=sgd")
        assert capsys.readouterr().out == ""
        assert run_sweep([*words, "--baseline", "optimizer=sgd", "--out", str(tmp_path / "theirs")]) == 0
        assert len(results.runs) == 8
        assert list(results.table["optimizer"]) == ["sgd", "adam"]
        chosen = pd.read_csv(tmp_path / "theirs" / "table.csv")
        assert list(results.table["mean"]) == pytest.approx(list(chosen["mean"]))
        assert [path.name for path in results.figures] == ["accuracy.png", "search.png"]
        every = fbgd.sweep(words, out=tmp_path / "every", over=[])
        assert len(every.table) == 4
        with pytest.raises(ConfigError, match="choosing on the test set"):
            fbgd.sweep(words, select="test_accuracy")

    def test_a_table_is_that_of_the_command_line(self, tmp_path, capsys):
        runs = [
            fbgd.run([*TINY, f"optimizer={name}", f"seed={seed}"], out=tmp_path / f"{name}-{seed}")
            for name in ("sgd", "adam")
            for seed in (0, 1)
        ]
        words = ["--by", "optimizer", "--baseline", "optimizer=SGD", "--sort", "-mean", "--where", "seed=0,1"]
        assert compare_command.main([*map(str, map(os.fspath, runs)), *words, "--format", "md"]) == 0
        page = fbgd.compare(runs, by=["optimizer"], baseline="optimizer=SGD", sort="-mean", where="seed=0,1")
        assert capsys.readouterr().out == render(page, "md")
        assert sorted(page.table["optimizer"]) == ["Adam", "SGD"]
        frame = fbgd.runs_frame(tmp_path)
        assert len(frame) == 4
        for folder, accuracy in zip(frame["folder"], frame["test_accuracy"], strict=True):
            assert fbgd.load(folder) in runs
            assert fbgd.load(folder).summary["test_accuracy"] == accuracy
        assert set(frame["optimizer._target_"]) == {"optimizers.SGD", "optimizers.Adam"}
        with pytest.raises(ConfigError, match="--metric test_acuracy is unknown"):
            fbgd.compare(runs, metric="test_acuracy")


def test_committed_runs_are_read_without_their_directories():
    frame = fbgd.runs_frame(ROOT / "results" / "geiping_ladder")
    assert set(frame["study"]) >= {"mnist1d", "fashion_mnist"}
    assert frame.loc[frame["study"] == "mnist1d", "rung"].nunique() == 7


def test_scores_of_regressions_are_in_the_frame(tmp_path):
    data = tmp_path / "numbers.csv"
    data.write_text("x,y\n" + "".join(f"{index % 7},{index % 7 * 2 + index % 3}\n" for index in range(60)))
    words = [f"data=csv data.source.path={data}", "data.source.target=y data.source.regression=true"]
    run = fbgd.run(
        " ".join([*words, "objective=squared_error model=mlp budget.passes=1 regime.block_size=16"]),
        out=tmp_path / "run",
    )
    assert fbgd.runs_frame(tmp_path / "run")["test_r2"].tolist() == [run.summary["test_r2"]]
