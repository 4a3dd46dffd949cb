"""Options of launchers, on the command line and in profiles: what is wrong is said before any work."""

from dataclasses import fields

import pytest
from files import ROOT

from fbgd import api
from fbgd.errors import ConfigError
from fbgd.runs.launchers.choice import make_launcher
from fbgd.runs.launchers.options import KINDS, SlurmOptions, options_table, read_options
from fbgd.runs.launchers.submitting import parameters
from fbgd.studies.command import main
from fbgd.studies.geiping_ladder import STUDY
from fbgd.studies.sweep.command import main as sweep

TINY = ("data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10")
SHORT = (*TINY, "budget.passes=2", "impl.blocks_per_call=1")


class TestOptions:
    @pytest.mark.parametrize(
        ("launcher", "word", "said"),
        [
            ("slurm", "partion=gpu", "did you mean 'partition'?"),
            ("slurm", "time=4", "time = 4 must be a time, as 90s, 30m, 4h or 2d"),
            ("slurm", "cpus=0", "cpus = 0 must be a whole number >= 1"),
            ("slurm", "gpus=0.5", "gpus = 0.5 must be a whole number >= 0"),
            ("slurm", "mem=lots", "mem = lots must be a number >= 0"),
            ("slurm", "mem=nan", "mem = nan must be a number >= 0"),
            ("slurm", "cluster=moon", "must be one of slurm, local"),
            ("slurm", "sbatch=exclusive", "must be names and values, in a YAML profile"),
            ("slurm", "partition=", "must be a word"),
            ("slurm", "gpu", "'gpu' is neither key=value nor a YAML file"),
            ("slurm", "nowhere.yaml", "there is no such file"),
            ("ray", "gpus=-1", "gpus = -1 must be a number >= 0"),
            ("ray", "shared=perhaps", "must be one of auto, yes, no"),
            ("ray", "partition=gpu", "the launcher ray has no option 'partition'; valid: address, cpus"),
            ("local", "cpus=2", "the launcher local has no option 'cpus'; it has none"),
        ],
    )
    def test_what_is_wrong_is_said(self, launcher, word, said):
        with pytest.raises(ConfigError) as error:
            read_options(launcher, [word])
        assert said in str(error.value)

    def test_a_profile_and_words_the_last_of_which_counts(self, tmp_path):
        profile = tmp_path / "night.yaml"
        profile.write_text(
            "partition: night\ntime: 8h\nsetup: [module load cuda, ulimit -n 4096]\nsbatch: {nice: 10}\n"
        )
        options = read_options("slurm", [f"cpus=2,{profile}", "time=30m"])
        assert (options.partition, options.time, options.cpus) == ("night", 1800, 2)
        assert options.setup == ("module load cuda", "ulimit -n 4096")
        assert options.sbatch == {"nice": 10}

    def test_a_profile_s_mistakes_are_told_with_its_name(self, tmp_path):
        profile = tmp_path / "night.yaml"
        profile.write_text("cpus: true\n")
        with pytest.raises(ConfigError, match=r"night.yaml: cpus = True must be a whole number >= 1"):
            read_options("slurm", [str(profile)])

    def test_the_defaults_are_values_that_could_be_given(self):
        for launcher, kind in KINDS.items():
            given = {name: value for name, value in vars(kind()).items() if isinstance(value, str | int | float)}
            given |= {"time": "14400s", "notice": "90s"} if launcher == "slurm" else {}
            assert read_options(launcher, [f"{name}={value}" for name, value in given.items()]) == kind()

    @pytest.mark.parametrize("launcher", ["slurm", "ray"])
    def test_the_documentation_has_every_option(self, launcher):
        table = options_table(launcher)
        assert len(table.splitlines()) == 2 + len(fields(KINDS[launcher]))
        assert f"{table}\n\n" in (ROOT / "docs" / "cluster.md").read_text()

    def test_slurm_is_told_what_was_said_and_no_more(self):
        assert parameters(SlurmOptions(), None) == {
            "job_name": "fbgd", "time": 240, "cpus_per_task": 1, "signal_delay_s": 90, "array_parallelism": 1000
        }  # fmt: skip
        options = SlurmOptions(partition="gpu", account="us", gpus=2, mem=16.0, time=90, sbatch={"nice": 10})
        told = parameters(options, 8)
        assert (told["partition"], told["account"], told["gpus_per_node"]) == ("gpu", "us", 2)
        assert (told["mem"], told["time"], told["array_parallelism"]) == ("16384MB", 2, 8)
        assert told["additional_parameters"] == {"nice": 10}


class TestCommandLine:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--launcher", "slurm", "--launcher-options", "partion=gpu"], "has no option 'partion'"),
            (["--launcher", "slurm"], "--launcher slurm: there is no command sbatch here"),
            (["--launcher-options", "cpus=2"], "the launcher local has no option 'cpus'"),
            (["--launcher", "slurm", "--launcher-options", "cluster=local", "--workers", "0"], "must be at least 1"),
            (["--launcher", "slurm", "--launcher-options", "cluster=local", "--runs-per-gpu", "2"], "leave it out"),
            (["--runs-per-gpu", "0"], "--runs-per-gpu = 0 must be at least 1"),
            (["--runs-per-gpu", "2"], "no GPU is seen here"),
        ],
    )
    def test_a_mistake_is_one_line_before_any_work(self, words, said, tmp_path, capsys, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        assert main(STUDY, ["--quick", "--out", str(tmp_path / "out"), *words]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error: ")
        assert said in line
        assert not (tmp_path / "out").exists()

    def test_a_sweep_takes_the_same_options(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        words = ["optimizer.lr=0.1,0.3", "model=mlp", "--out", str(tmp_path / "out"), "--launcher", "slurm"]
        assert sweep(words) == 2
        assert "there is no command sbatch here" in capsys.readouterr().err
        assert sweep([*words, "--list", "--launcher-options", "tme=4h"]) == 2
        assert "did you mean 'time'?" in capsys.readouterr().err

    def test_in_python_too(self, tmp_path):
        study = api.Study("geiping_ladder")
        with pytest.raises(ConfigError, match="did you mean 'time'"):
            study.run(launcher="slurm", launcher_options="cluster=local,tme=4h", out=tmp_path / "out", quick=True)
        with pytest.raises(ConfigError, match="did you mean 'time'"):
            api.sweep("optimizer.lr=0.1,0.3 model=mlp", launcher="slurm", launcher_options=["tme=4h"])
        assert not (tmp_path / "out").exists()

    def test_an_unknown_launcher(self, capsys):
        with pytest.raises(SystemExit):
            main(STUDY, ["--launcher", "slrm"])
        assert "did you mean 'slurm'?" in capsys.readouterr().err
        with pytest.raises(ConfigError, match="did you mean 'slurm'"):
            make_launcher("slrm")
