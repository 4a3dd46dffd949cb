"""Launchers: their options are checked, jobs are lost and tried again, GPUs are dealt, directories travel."""

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import fields
from typing import ClassVar

import pytest
from files import ROOT
from inprocess import launch_here

from fbgd import api
from fbgd.errors import ConfigError
from fbgd.runs.devices import device_for
from fbgd.runs.directory import RunDirectory
from fbgd.runs.launch import launch, settle
from fbgd.runs.launchers import bundle as bundles
from fbgd.runs.launchers.away import Away
from fbgd.runs.launchers.bundle import Bundle, Once
from fbgd.runs.launchers.choice import make_launcher
from fbgd.runs.launchers.cluster import ClusterLauncher, Ending
from fbgd.runs.launchers.events import Reader, Writer
from fbgd.runs.launchers.home import pack, unpack
from fbgd.runs.launchers.options import KINDS, SlurmOptions, options_table, read_options
from fbgd.runs.launchers.submitting import parameters
from fbgd.runs.plan import Rung, collect, plan
from fbgd.runs.signals import Interrupted, heard_by
from fbgd.runs.worker_process import Failure, worker_environment
from fbgd.studies.command import main
from fbgd.studies.execution import places
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


class TestDevices:
    @pytest.mark.parametrize(
        ("visible", "asked", "expected"),
        [
            (None, (None, None), (4, ("0", "1", "2", "3"))),
            (None, (None, 3), (12, ("0", "1", "2", "3"))),
            (None, (6, None), (6, ("0", "1", "2", "3"))),
            ("2,GPU-3f1c,7,5", (None, 2), (8, ("2", "GPU-3f1c", "7", "5"))),
        ],
    )
    def test_how_many_run_where(self, visible, asked, expected, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert places(*asked) == expected

    def test_the_same_number_is_not_said_twice(self, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
        with pytest.raises(ConfigError, match="leave one of them out"):
            places(3, 2)

    @pytest.mark.parametrize(("devices", "workers"), [(2, 4), (4, 12), (3, 7)])
    def test_the_dealing_is_even_and_stays_so(self, devices, workers):
        words = [str(number) for number in range(devices)]
        taken = []
        for _ in range(workers):
            taken.append(device_for(words, taken))
        counts = Counter(taken)
        assert max(counts.values()) - min(counts.values()) <= 1
        # Of one that has ended its successor takes the place that is now the emptiest.
        taken.pop(1)
        assert device_for(words, taken) in [word for word in words if taken.count(word) == min(map(taken.count, words))]

    def test_a_worker_sees_one_gpu(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
        assert worker_environment(1, "5")["CUDA_VISIBLE_DEVICES"] == "5"
        assert worker_environment(1)["CUDA_VISIBLE_DEVICES"] == "4,5"

    @pytest.mark.parametrize(
        ("device", "expected"), [("auto", {"0": 2, "1": 2}), ("cuda:1", {None: 4})], ids=["dealt", "named"]
    )
    def test_workers_of_a_study_are_dealt_to_gpus(self, device, expected, tmp_path, monkeypatch):
        """All four are busy at a time; whoever names a GPU by its number sees all."""
        seen = []

        class Seeing(ScriptedWorker):
            def __init__(self, threads, device=None):
                super().__init__()
                seen.append(device)
                self.device = device

            def execute(self, job, on_message, limit=None):
                while len(seen) < 4:
                    os.sched_yield()

        monkeypatch.setattr("fbgd.runs.launch.Worker", Seeing)
        planned = plan([Rung("plain", SHORT)], [], 4, tmp_path)
        for run in planned:
            run.config.impl.device = device
        launch(planned, 4, devices=("0", "1"))
        assert Counter(seen) == expected


class ScriptedWorker:
    """A worker whose jobs end as they are told to."""

    ends: ClassVar[list] = []
    made: ClassVar[list] = []

    def __init__(self, threads=1, device=None, apart=False):
        self.made.append(self)
        self.apart, self.stopped, self.closed = apart, False, False

    def execute(self, job, on_message, limit=None):
        on_message({"run": 0, "row": {"step": 1}, "steps": 2})
        ending = self.ends.pop(0) if self.ends else None
        if isinstance(ending, int):
            os.kill(os.getpid(), ending)
        return ending

    def stop(self):
        self.stopped = True

    def close(self):
        self.closed = True


KILLED = Failure("no message\nexit status -9: no message\n", again=True, killed=True)


class TestBundle:
    @pytest.fixture(autouse=True)
    def scripted(self, monkeypatch):
        monkeypatch.setattr(bundles, "Worker", ScriptedWorker)
        ScriptedWorker.made, ScriptedWorker.ends = [], []

    def said(self, jobs, ends):
        """What a bundle says, each message in short."""
        ScriptedWorker.ends = list(ends)
        said = []
        Bundle([[{}]] * jobs, 1, "/nowhere").execute(lambda **message: said.append(message))
        return [(message["job"], *(set(message) - {"job", "steps", "run"})) for message in said], said

    def test_jobs_share_a_worker_which_hears_no_signal_to_the_group(self):
        kinds, said = self.said(2, [])
        assert kinds == [(0, "started"), (0, "row"), (0, "ended"), (1, "started"), (1, "row"), (1, "ended")]
        assert said[2]["ended"] is None
        (worker,) = ScriptedWorker.made
        assert worker.apart
        assert worker.closed
        assert not worker.stopped

    def test_a_killed_worker_is_replaced_and_its_job_tried_once_more(self):
        kinds, said = self.said(1, [KILLED])
        assert kinds == [(0, "started"), (0, "row"), (0, "again"), (0, "row"), (0, "ended")]
        assert said[2]["again"] == "exit status -9: no message"
        assert said[4]["ended"] is None
        assert len(ScriptedWorker.made) == 2

    def test_killed_twice_it_has_failed_and_the_next_job_goes_on(self):
        _, said = self.said(2, [KILLED, KILLED])
        assert [message["ended"] for message in said if "ended" in message] == [KILLED.text, None]
        assert len(ScriptedWorker.made) == 3

    def test_a_job_that_fails_by_itself_is_not_tried_again(self):
        _, said = self.said(1, [Failure("ValueError: no\n")])
        assert [message["ended"] for message in said if "ended" in message] == ["ValueError: no\n"]

    def test_asked_to_end_its_worker_is_stopped_and_later_signals_change_nothing(self):
        once = Once()
        with heard_by(once, (signal.SIGUSR2, signal.SIGTERM)):
            with pytest.raises(Interrupted) as interruption:
                self.said(2, [int(signal.SIGUSR2)])
            os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.value.number == once.number == signal.SIGUSR2
        assert [worker.stopped for worker in ScriptedWorker.made] == [True]


@pytest.mark.parametrize("module", ["slurm_task", "ray_task"])
def test_what_a_node_calls_loads_no_pytorch(module):
    """It is there for as long as its runs are, and its worker has PyTorch already."""
    code = f"import sys, fbgd.runs.launchers.{module}; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=worker_environment(1)).returncode == 0


class Display:
    """What shows nothing, and remembers what it was told."""

    def __init__(self):
        self.said, self.log = [], []

    def started(self, run):
        self.log.append(("started", run.seed))

    def advanced(self, run, row, steps):
        self.log.append(("row", run.seed))

    def finished(self, run, succeeded):
        self.log.append(("done" if succeeded else "failed", run.seed))

    def say(self, text, style=None):
        self.said.append(text)


class Memory(ClusterLauncher):
    """A cluster in memory, which loses what it is told to lose, by number of the submission, after so many jobs."""

    def __init__(self, losses=(), per_part=1, parallel=None, retries=2, again=True):
        super().__init__(1, per_part, parallel, retries)
        self.losses, self.again = dict(losses), again
        self.submitted, self.most, self.cancelled = [], 0, []
        self.running = set()

    def submit(self, parts, limit):
        for part in parts:
            number = len(self.submitted)
            self.submitted.append([runs[0].seed for runs in part.jobs])
            finished = self.losses.get(number, len(part.jobs))
            messages = []
            for index in range(finished):
                messages += [{"job": index, "started": "here"}, {"job": index, "ended": None}]
            if finished < len(part.jobs):
                messages.append({"job": finished, "started": "here"})
            part.handle = messages
            self.running.add(id(part))
        self.most = max(self.most, len(self.running))

    def messages(self, part):
        said, part.handle = part.handle, []
        return said

    def ending(self, part):
        self.running.discard(id(part))
        return Ending("its node was lost", self.again)

    def cancel(self, parts):
        self.cancelled += parts

    def finish(self):
        pass

    def close(self):
        pass


class TestCluster:
    def run(self, cluster, tmp_path, runs=5):
        planned = plan([Rung("plain", SHORT)], [], runs, tmp_path)
        display = Display()
        cluster.run([[run] for run in planned], display, None)
        return planned, display

    def test_every_run_starts_and_ends_once(self, tmp_path):
        cluster = Memory(per_part=2, parallel=2)
        _, display = self.run(cluster, tmp_path)
        assert cluster.submitted == [[0, 1], [2, 3], [4]]
        assert cluster.most == 2
        assert Counter(display.log) == Counter([(what, seed) for what in ("started", "done") for seed in range(5)])
        assert cluster.clean

    def test_what_was_lost_is_submitted_anew_without_what_was_finished(self, tmp_path):
        cluster = Memory({0: 1, 2: 0}, per_part=3, retries=2)
        _, display = self.run(cluster, tmp_path)
        assert cluster.submitted == [[0, 1, 2], [3, 4], [1, 2], [1, 2]]
        assert display.said[0] == "plain, seed 1: its node was lost; it is tried once more"
        assert Counter(display.log) == Counter([(what, seed) for what in ("started", "done") for seed in range(5)])
        assert not cluster.clean

    def test_lost_too_often_it_has_failed_with_the_reason_in_the_table(self, tmp_path):
        cluster = Memory(dict.fromkeys(range(1, 9), 0), retries=2)
        planned, display = self.run(cluster, tmp_path, runs=2)
        assert cluster.submitted == [[0], [1], [1], [1]]
        assert display.log.count(("failed", 1)) == 1
        assert collect(planned[1:])["error"][0] == "its node was lost"
        assert collect(planned[1:])["status"][0] == "failed"

    def test_what_somebody_cancelled_is_not_tried_again(self, tmp_path):
        cluster = Memory({0: 0}, again=False)
        _, display = self.run(cluster, tmp_path, runs=1)
        assert cluster.submitted == [[0]]
        assert display.log == [("started", 0), ("failed", 0)]

    def test_an_interruption_cancels_what_is_under_way(self, tmp_path, monkeypatch):
        cluster = Memory(parallel=2)

        def interrupt(part):
            raise KeyboardInterrupt

        monkeypatch.setattr(cluster, "ending", interrupt)
        with pytest.raises(KeyboardInterrupt):
            self.run(cluster, tmp_path)
        assert len(cluster.cancelled) == 2


class TestEvents:
    def test_each_message_once_and_none_in_part(self, tmp_path):
        path = tmp_path / "0.events"
        reader, writer = Reader(path), Writer(path)
        assert reader.read() == []
        writer.send(job=0, started="here")
        with open(path, "a") as file:
            file.write('{"job": 0, "row"')
        assert reader.read() == [{"job": 0, "started": "here"}]
        with open(path, "a") as file:
            file.write(': 1}\n{"job": 0, "row"')
        assert reader.read() == [{"job": 0, "row": 1}]
        # Its writer was killed within the line, and its successor begins anew.
        Writer(path).send(job=1, ended=None)
        assert reader.read() == [{"job": 1, "ended": None}]

    def test_no_file_says_nothing(self, tmp_path):
        assert Reader(tmp_path / "none").read() == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run."""
    planned = plan([Rung("plain", SHORT)], [], 1, tmp_path_factory.mktemp("finished"))
    launch_here(planned, 1)
    return planned[0]


class TestHome:
    def test_a_run_travels_whole_and_is_believed(self, finished, tmp_path):
        (finished.path / ".metrics.csv.123").write_text("half")
        files = pack(finished.path)
        assert ".plan.json" in files
        assert not {".lock", ".metrics.csv.123"} & set(files)
        unpack(files, tmp_path / "home")
        assert RunDirectory(tmp_path / "home").read_summary(finished.identity) is not None
        again = pack(tmp_path / "home")
        assert again == files

    def test_a_finished_run_at_home_is_left_as_it_is(self, finished, tmp_path):
        unpack(pack(finished.path), tmp_path / "home")
        unpack({"metrics.csv": b"other"}, tmp_path / "home")
        assert (tmp_path / "home" / "metrics.csv").read_bytes() == RunDirectory(finished.path).metrics.read_bytes()

    def test_the_summary_is_written_last(self, finished, tmp_path, monkeypatch):
        written = []
        monkeypatch.setattr(
            "fbgd.runs.launchers.home.write_atomically", lambda path, content: written.append(path.name)
        )
        unpack(pack(finished.path), tmp_path / "home")
        assert written[-1] == "summary.json"

    def test_no_file_leads_out_of_the_folder(self, tmp_path):
        with pytest.raises(ValueError, match="leads out"):
            unpack({"../escaped": b""}, tmp_path / "home")
        assert not (tmp_path / "escaped").exists()

    def test_what_is_new_is_sent_before_what_tells_of_it(self, finished, tmp_path, monkeypatch):
        """A run that was begun at home goes on away from it, and is brought home with its end."""
        monkeypatch.setattr(bundles, "Worker", ScriptedWorker)
        ScriptedWorker.ends = []
        job = [{"path": f"/home/runs/{finished.path.name}"}]
        said = []
        Away(Bundle([job], 1, "/nowhere"), tmp_path, [[pack(finished.path)]], lambda **m: said.append(m)).execute()
        assert [sorted(message) for message in said[1:]] == [
            ["files", "home", "job"], ["job", "row", "run", "steps"], ["ended", "job"],
        ]  # fmt: skip
        assert said[1]["files"] == pack(finished.path)


def test_a_launcher_s_own_failure_is_recorded_as_any(tmp_path):
    planned = plan([Rung("plain", SHORT)], [], 1, tmp_path)
    settle(planned, "OSError: gone\n", Display())
    assert collect(planned)["error"][0] == "OSError: gone"
    settle(planned, None, Display())
    assert not RunDirectory(planned[0].path).error.exists()
