"""A study of 40 runs through each launcher, with a job, a node or the study itself lost in between: the same table.

Slurm is played by ``slurm_in_miniature`` where its commands are wanted; submitit and Ray are what they are.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import slurm_in_miniature
from files import ROOT

from fbgd.runs.directory import RunDirectory
from fbgd.runs.launch import launch
from fbgd.runs.launchers.choice import make_launcher
from fbgd.runs.launchers.events import Reader
from fbgd.runs.launchers.options import SlurmOptions
from fbgd.runs.plan import Rung, collect, plan

STUDY = """
title: SGD and full batch on next to nothing
words: [data=mnist1d, data.source.train=40, data.source.test=20, model=mlp, model.width=3,
        regime.block_size=10, budget.passes=15, impl.blocks_per_call=1, impl.checkpoint_seconds=0]
rungs:
  SGD: []
  full batch: [regime=full_batch]
"""
SEEDS = 20
TINY = ("data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10")
pytestmark = pytest.mark.slow


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_left():
    """After a failure too."""
    yield
    while STARTED:
        study = STARTED.pop()
        study.kill()
        study.wait()


def wait_for(condition, seconds=240):
    """Poll until something is the case, while a study is under way."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came"
        assert not STARTED or STARTED[-1].returncode is not None or STARTED[-1].poll() is None, "the study has ended"
        # Not a fixed time: the processor is left to the workers between two looks.
        time.sleep(0.05)
    return found


def start(folder, *words, seeds=SEEDS):
    """Start the study's command, with its page and runs in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.yaml").write_text(STUDY)
    command = [sys.executable, str(ROOT / "scripts" / "study.py"), "tiny.yaml", "--out", "out", "--seeds", str(seeds)]
    with open(folder / "log.txt", "a") as log:
        # Tests in the background of a shell ignore Ctrl-C, and so would what they start.
        hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        STARTED.append(subprocess.Popen([*command, *words], cwd=folder, stdout=log, stderr=log, preexec_fn=hear))
    return STARTED[-1]


def ended(process, folder, status=0):
    """Wait for the study's end; returns its table without what a clock says."""
    assert process.wait(1200) == status, (folder / "log.txt").read_text()
    return pd.read_csv(folder / "out" / "table.csv").drop(columns="seconds")


def summaries(folder):
    """The finished runs so far."""
    return list((folder / "out" / "runs").glob("*/summary.json"))


def checkpoints(folder):
    """The runs that are under way."""
    paths = (folder / "out" / "runs").glob("*/checkpoint.pt")
    return [path for path in paths if not path.with_name("summary.json").exists()]


def losses(folder):
    """The test loss of every run of a study."""
    return pd.read_csv(folder / "out" / "runs.csv").set_index(["rung", "seed"])["test_loss"]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The study by the local launcher."""
    folder = tmp_path_factory.mktemp("local")
    table = ended(start(folder, "--workers", "2"), folder)
    assert list(table["n"]) == [SEEDS, SEEDS]
    return folder


@pytest.fixture(scope="module")
def expected(local):
    """The table of the local launcher."""
    return pd.read_csv(local / "out" / "table.csv").drop(columns="seconds")


def assert_same_runs(folder, local, seeds):
    """A study over fewer seeds has the runs that the local launcher has."""
    found = losses(folder)
    assert len(found) == 2 * seeds
    pd.testing.assert_series_equal(found, losses(local).loc[found.index])


def processes(word):
    """The processes whose command line has a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def workers_of(folder):
    """The workers of this study, which stand in its folder."""
    found = []
    for number in processes("fbgd.runs.worker"):
        with suppress(OSError):
            if Path(f"/proc/{number}/cwd").resolve() == folder.resolve():
                found.append(number)
    return found


def job_processes(folder):
    """The processes of submitit's jobs of this study."""
    return processes(f"submitit.core._submit {folder}")


LOCAL = ("--launcher", "slurm", "--workers", "2", "--launcher-options", "cluster=local,runs_per_job=5")


def test_submitit_with_a_job_killed_and_one_preempted(tmp_path, expected):
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    study = start(tmp_path, *LOCAL)
    for number in (signal.SIGKILL, signal.SIGUSR2):
        done = len(summaries(tmp_path))
        wait_for(lambda done=done: len(summaries(tmp_path)) > done and checkpoints(tmp_path))
        os.kill(wait_for(lambda: job_processes(tmp_path))[0], number)
    pd.testing.assert_frame_equal(ended(study, tmp_path), expected)
    log = (tmp_path / "log.txt").read_text()
    assert log.count("it is tried once more") == 1
    assert "40 of 40" in log
    # What was killed left something to look up.
    assert list((tmp_path / "out" / "runs" / ".launcher").glob("*/*_log.err"))


def test_submitit_leaves_no_files_where_nothing_went_wrong(tmp_path):
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    ended(start(tmp_path, *LOCAL, seeds=1), tmp_path)
    assert not (tmp_path / "out" / "runs" / ".launcher").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_jobs_of_this_computer_end_with_their_study(tmp_path, local, number):
    """Asked to end, with checkpoints and nothing failed; killed, within a second; the same command goes on."""
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    study = start(tmp_path, *LOCAL, seeds=5)
    wait_for(lambda: summaries(tmp_path) and checkpoints(tmp_path))
    assert workers_of(tmp_path)
    study.send_signal(number)
    assert study.wait(60) == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    wait_for(lambda: not job_processes(tmp_path) and not workers_of(tmp_path), 20)
    assert 0 < len(summaries(tmp_path)) < 10
    assert not list((tmp_path / "out" / "runs").glob("*/error.txt"))
    ended(start(tmp_path, *LOCAL, seeds=5), tmp_path)
    assert_same_runs(tmp_path, local, 5)


def test_a_run_that_fails_is_a_row_as_anywhere(tmp_path):
    """A run that reaches its limit, and one that was cut off too often."""
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    endless = Rung("endless", (*TINY, "budget.passes=1000000", "impl.threads=1"))
    planned = plan([endless], [], 1, tmp_path)
    launch(planned, 1, limit=30.0, cluster=make_launcher("slurm", ["cluster=local"], 1))
    assert collect(planned)["error"][0].startswith("reached --run-limit 30 seconds")
    assert RunDirectory(planned[0].path).read_checkpoint(pytest.fail)["progress"]["step"] > 0


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A cluster in miniature."""
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    home = slurm_in_miniature.install(tmp_path / "slurm", monkeypatch)
    yield home
    for file in home.glob("*.state"):
        slurm_in_miniature.signal_job(file.stem, signal.SIGKILL)


def running(home):
    """The jobs that run."""
    return sorted(file.stem for file in home.glob("*.state") if file.read_text().startswith("RUNNING"))


SLURM = ("--launcher", "slurm", "--workers", "2", "--launcher-options", "array=3,retries=2,runs_per_job")
TENS = (*SLURM[:-1], f"{SLURM[-1]}=10")
FOURS = (*SLURM[:-1], f"{SLURM[-1]}=4")


def events(folder):
    """All that the jobs of a study have said."""
    files = (folder / "out" / "runs" / ".launcher").glob("*/*.events")
    return [message for file in files for message in Reader(file).read()]


def test_slurm_in_miniature(tmp_path, expected, slurm):
    """One array of three jobs and one of one; a job is preempted and requeued, one is killed and submitted anew."""
    folder = tmp_path / "study"
    study = start(folder, *TENS)
    wait_for(lambda: summaries(folder) and checkpoints(folder))
    scripts = [file.read_text() for file in sorted(slurm.glob("*.submitted"))]
    assert ["--array" in script for script in scripts] == [True, False]
    assert "#SBATCH --array=0-2%2" in scripts[0]
    slurm_in_miniature.signal_job(running(slurm)[0], signal.SIGUSR2)
    wait_for(lambda: any("requeued" in message for message in events(folder)))
    done = len(summaries(folder))
    wait_for(lambda: len(summaries(folder)) > done and checkpoints(folder))
    slurm_in_miniature.signal_job(running(slurm)[-1], signal.SIGKILL)
    pd.testing.assert_frame_equal(ended(study, folder), expected)
    assert (folder / "log.txt").read_text().count("it is tried once more") <= 1


def test_a_study_that_was_killed_finds_its_jobs_again(tmp_path, local, slurm):
    """Jobs of Slurm go on without it; the same command submits nothing that is there."""
    folder = tmp_path / "study"
    study = start(folder, *FOURS, seeds=6)
    wait_for(lambda: summaries(folder))
    study.kill()
    study.wait()
    # Until the command is there again nothing happens.
    there = workers_of(folder) + [number for job in running(slurm) for number in slurm_in_miniature.members(job)]
    for number in there:
        os.kill(number, signal.SIGSTOP)
    study = start(folder, *FOURS, seeds=6)
    wait_for(lambda: "jobs of an earlier call are still there" in (folder / "log.txt").read_text())
    for number in there:
        os.kill(number, signal.SIGCONT)
    ended(study, folder)
    assert_same_runs(folder, local, 6)
    assert len(list(slurm.glob("*.submitted"))) == 1


def test_ctrl_c_cancels_the_jobs_of_slurm(tmp_path, slurm):
    folder = tmp_path / "study"
    study = start(folder, *FOURS)
    wait_for(lambda: checkpoints(folder))
    study.send_signal(signal.SIGINT)
    assert study.wait(90) == 130
    assert not running(slurm)
    assert {file.read_text() for file in slurm.glob("*.state")} <= {"CANCELLED by 0", "COMPLETED"}
    assert any("stopped" in message for message in events(folder))
    assert not list((folder / "out" / "runs").glob("*/error.txt"))


def test_where_preemption_is_the_end_a_job_is_submitted_anew(tmp_path, slurm, monkeypatch):
    """Slurm says no more than that it was preempted, and never puts it back."""
    from fbgd.runs.launchers import slurm as launchers

    monkeypatch.setattr(launchers, "PREEMPTED_SECONDS", 3.0)
    monkeypatch.setattr(launchers, "ASK_SECONDS", 1.0)
    rung = Rung("plain", (*TINY, "budget.passes=300", "impl.checkpoint_seconds=0", "impl.threads=1"))
    planned = plan([rung], [], 1, tmp_path / "out")
    launcher = launchers.SlurmLauncher(SlurmOptions())
    study = threading.Thread(target=launch, args=(planned, 1), kwargs={"cluster": launcher})
    study.start()
    wait_for(RunDirectory(planned[0].path).checkpoint.exists)
    (job,) = running(slurm)
    workers = slurm_in_miniature.members(job)
    slurm_in_miniature.say_state(job, "PREEMPTED")
    for number in workers:
        os.kill(number, signal.SIGKILL)
    study.join(300)
    assert not study.is_alive()
    assert list(collect(planned)["status"]) == ["done"]
    assert len(list(slurm.glob("*.submitted"))) == 2


RAY = "runs_per_task=5"


@pytest.fixture
def nodes(monkeypatch):
    """A Ray cluster of two nodes on this computer, each with one core; the second may be killed."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    yield cluster, second
    cluster.shutdown()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shared", ["auto", "no"])
def test_ray_with_a_node_killed(tmp_path, expected, nodes, shared):
    """With ``no`` the nodes write to folders of their own, from which the runs are brought home."""
    cluster, second = nodes
    study = start(
        tmp_path, "--launcher", "ray", "--launcher-options", f"address={cluster.address},shared={shared},{RAY}"
    )
    wait_for(lambda: len(summaries(tmp_path)) > 1 and checkpoints(tmp_path))
    cluster.remove_node(second, allow_graceful=False)
    pd.testing.assert_frame_equal(ended(study, tmp_path), expected)
    log = (tmp_path / "log.txt").read_text()
    # The task that ran there, and perhaps one that Ray had given to that node already.
    assert 1 <= log.count("its node or process was lost") <= 2
    assert not list((tmp_path / "out" / "runs").glob(".seen-*"))


@pytest.mark.filterwarnings("ignore")
def test_ray_interrupted_brings_checkpoints_home(tmp_path, nodes):
    cluster, _ = nodes
    words = ("--launcher", "ray", "--launcher-options", f"address={cluster.address},shared=no,{RAY}")
    study = start(tmp_path, *words)
    wait_for(lambda: checkpoints(tmp_path))
    study.send_signal(signal.SIGINT)
    assert study.wait(90) == 130
    assert checkpoints(tmp_path)
    assert not list((tmp_path / "out" / "runs").glob("*/error.txt"))


@pytest.mark.filterwarnings("ignore")
def test_ray_s_tasks_end_with_a_study_that_is_killed(tmp_path, nodes):
    cluster, _ = nodes
    study = start(tmp_path, "--launcher", "ray", "--launcher-options", f"address={cluster.address},{RAY}")
    wait_for(lambda: checkpoints(tmp_path) and workers_of(tmp_path))
    study.kill()
    study.wait()
    wait_for(lambda: not workers_of(tmp_path), 60)
