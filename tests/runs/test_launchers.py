"""What launchers do with jobs: they share workers, are lost and tried again, and their directories travel."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from inprocess import launch_here
from scripted_worker import ScriptedWorker

from fbgd.runs.directory import RunDirectory
from fbgd.runs.launch import settle
from fbgd.runs.launchers import bundle as bundles
from fbgd.runs.launchers.away import Away
from fbgd.runs.launchers.bundle import Bundle, Once
from fbgd.runs.launchers.cluster import ClusterLauncher, Ending
from fbgd.runs.launchers.events import Reader, Writer
from fbgd.runs.launchers.home import pack, unpack
from fbgd.runs.plan import Rung, collect, plan
from fbgd.runs.signals import Interrupted, heard_by
from fbgd.runs.worker_process import Failure, worker_environment

TINY = ("data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10")
SHORT = (*TINY, "budget.passes=2", "impl.blocks_per_call=1")


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
