"""Jobs as tasks of Ray: one a run, with its resources; those of a lost node are begun again from their checkpoints."""

import math
import os
import signal
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fbgd.errors import ConfigError, needs, one_line
from fbgd.runs.launchers.cluster import ClusterLauncher, Ending, Part
from fbgd.runs.launchers.home import pack, unpack
from fbgd.runs.launchers.options import RayOptions
from fbgd.runs.launchers.ray_task import execute
from fbgd.runs.plan import PlannedRun
from fbgd.runs.study_progress import StudyProgress
from fbgd.runs.worker_process import GRACE_SECONDS, python_path

# What a task that was told to end may take, for a step and a checkpoint.
CANCEL_SECONDS = GRACE_SECONDS + 10.0


class RayLauncher(ClusterLauncher):
    """Gives jobs to a Ray cluster: that of ``address``, of ``RAY_ADDRESS``, or one of this computer.

    Args:
        options: of the launcher.
        parallel: tasks at a time; ``None``: as many as the cluster has room for.

    Raises:
        ConfigError: there is no such cluster.
        MissingPackageError: Ray is not installed.
    """

    def __init__(self, options: RayOptions, parallel: int | None = None):
        super().__init__(max(1, math.ceil(options.cpus)), options.runs_per_task, parallel, options.retries)
        with needs("ray"):
            import ray
        self.ray, self.options = ray, options
        self.mine = not ray.is_initialized()
        if self.mine:
            connect(options.address)
        self.heard: dict[str, list[dict]] = defaultdict(list)
        self.endings: dict[str, Ending] = {}
        self.queue: Any = None
        self.mark: Path | None = None
        # Why what a run has written is not at home, by its task and its job.
        self.absent: dict[tuple[str, int], str] = {}

    def begin(self, jobs: list[list[PlannedRun]], display: StudyProgress) -> tuple[list[list[PlannedRun]], list[Part]]:
        """Make what tasks speak into, here, and the file by which they see whether they see this disk."""
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        if self.options.shared == "auto":
            self.mark = jobs[0][0].path.absolute().parent / f".seen-{uuid.uuid4().hex}"
            self.mark.parent.mkdir(parents=True, exist_ok=True)
            self.mark.touch()
        return jobs, []

    def submit(self, parts: list[Part], limit: float | None) -> None:
        """Submit a task a part; Ray keeps those that it has no room for."""
        options = self.options
        wanted: dict[str, Any] = {"num_cpus": options.cpus, "num_gpus": options.gpus, "resources": options.resources}
        wanted["runtime_env"] = {"env_vars": {"PYTHONPATH": python_path()}}
        if options.memory is not None:
            wanted["memory"] = round(options.memory * 1024**3)
        # A task that is lost is submitted anew from here, with what its directory holds by then.
        task = self.ray.remote(execute).options(max_retries=0, name="fbgd", **wanted)
        mark = {"auto": str(self.mark), "yes": "", "no": None}[options.shared]
        for part in parts:
            key = uuid.uuid4().hex
            begun = [[{} if options.shared == "yes" else pack(run.path) for run in job] for job in part.jobs]
            part.handle = key, task.remote(self.bundle(part, limit), key, self.queue, mark, begun)

    def messages(self, part: Part) -> list[dict]:
        """What the part's task has said since the last call; run directories that it sent are put where they belong."""
        for key, message in self.queue.get_nowait_batch(self.queue.qsize()):
            self.heard[key].append(message)
        messages = []
        for message in self.heard.pop(part.handle[0], []):
            job = part.handle[0], message["job"]
            if "files" in message:
                self.absent.pop(job, None)
                try:
                    unpack(message["files"], part.jobs[message["job"]][message["home"]].path)
                except (OSError, ValueError) as error:
                    self.absent[job] = f"{type(error).__name__}: {one_line(error)}\n"
                continue
            if "ended" in message and message["ended"] is None:
                message["ended"] = self.absent.get(job)
            messages.append(message)
        return messages

    def ending(self, part: Part) -> Ending | None:
        """How the task has ended."""
        key, reference = part.handle
        if key not in self.endings:
            ready, _ = self.ray.wait([reference], timeout=0)
            if not ready:
                return None
            self.endings[key] = self.outcome(reference)
        return self.endings[key]

    def outcome(self, reference: Any) -> Ending:
        """Why a task that has ended may not have finished its jobs."""
        errors = self.ray.exceptions
        try:
            self.ray.get(reference)
        except (errors.RayTaskError, errors.TaskCancelledError, errors.RuntimeEnvSetupError) as error:
            return Ending(in_short(error), again=False)
        except errors.RayError as error:
            return Ending(f"its node or process was lost ({type(error).__name__})")
        return Ending()

    def cancel(self, parts: list[Part]) -> None:
        """End all tasks; those that run write checkpoints, which are brought home."""
        parts = [part for part in parts if part.handle is not None]
        for part in parts:
            self.ray.cancel(part.handle[1])
        if parts:
            self.ray.wait([part.handle[1] for part in parts], num_returns=len(parts), timeout=CANCEL_SECONDS)
        for part in parts:
            self.messages(part)
        self.finish()

    def finish(self) -> None:
        """Remove what was made for these jobs."""
        if self.mark is not None:
            self.mark.unlink(missing_ok=True)
        if self.queue is not None:
            self.queue.shutdown(force=True)
        self.queue = self.mark = None

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self.mine:
            self.ray.shutdown()
            self.mine = False


def connect(address: str | None) -> None:
    """Join a cluster: the one at the address, one that is there, or one of this computer alone.

    Raises:
        ConfigError: nothing answers at the address.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with kept_handlers():
        if address or os.environ.get("RAY_ADDRESS"):
            try:
                ray.init(address=address, **settings)
            except (ConnectionError, ValueError, RuntimeError) as error:
                place = address or os.environ["RAY_ADDRESS"]
                raise ConfigError(f"--launcher ray: no cluster answers at {place}: {in_short(error)}") from None
            return
        with suppress(ConnectionError, RuntimeError):
            ray.init(address="auto", **settings)
            return
        ray.init(address="local", include_dashboard=False, **settings)


@contextmanager
def kept_handlers() -> Iterator[None]:
    """What a signal does stays as it is, whatever a library does about it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_short(error: BaseException) -> str:
    """The last line of what an error says, which of Ray's is the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
