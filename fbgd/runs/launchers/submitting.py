"""Submitit's executors with the options of the launcher ``slurm``."""

import math
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fbgd.errors import ConfigError, needs
from fbgd.runs.launchers.options import SlurmOptions
from fbgd.runs.worker_process import python_path

# As workers do: without it a folder where the user stands could take the place of a package.
PYTHON = f"{shlex.quote(sys.executable)} -P"


def check_cluster(options: SlurmOptions) -> None:
    """Raise unless jobs can be submitted from here.

    Raises:
        ConfigError: there is no Slurm.
        MissingPackageError: submitit is not installed.
    """
    with needs("slurm"):
        import submitit  # noqa: F401
    missing = [command for command in ("sbatch", "srun", "sacct", "scancel") if shutil.which(command) is None]
    if options.cluster == "slurm" and missing:
        raise ConfigError(
            f"--launcher slurm: there is no command {missing[0]} here; start the study on a login node of the cluster, "
            "or try it with --launcher-options cluster=local"
        )


def make_executor(options: SlurmOptions, folder: Path, parallel: int | None) -> Any:
    """Submitit's executor.

    Args:
        options: of the launcher.
        folder: for its files.
        parallel: jobs of an array at a time; ``None``: as many as Slurm runs.
    """
    import submitit

    kind = submitit.LocalExecutor if options.cluster == "local" else submitit.SlurmExecutor
    executor = kind(folder, max_num_timeout=options.requeues, python=PYTHON)
    executor.update_parameters(**(local_parameters if options.cluster == "local" else parameters)(options, parallel))
    return executor


def parameters(options: SlurmOptions, parallel: int | None) -> dict[str, Any]:
    """What :class:`submitit.SlurmExecutor` calls them; what is not said is left to the cluster.

    >>> parameters(SlurmOptions(partition="gpu", time=5400, gpus=1, mem=1.5), None)["mem"]
    '1536MB'
    """
    words = {name: getattr(options, name) for name in ("partition", "account", "qos", "constraint")}
    words |= {
        "job_name": "fbgd",
        "time": minutes(options),
        "cpus_per_task": options.cpus,
        "gpus_per_node": options.gpus or None,
        "mem": None if options.mem is None else f"{round(1024 * options.mem)}MB",
        "signal_delay_s": options.notice,
        "setup": list(options.setup) or None,
        "array_parallelism": parallel or options.array,
        "additional_parameters": options.sbatch or None,
    }
    return {name: value for name, value in words.items() if value is not None}


def local_parameters(options: SlurmOptions, parallel: int | None) -> dict[str, Any]:
    """What :class:`submitit.LocalExecutor` takes of them."""
    words = {"timeout_min": minutes(options), "gpus_per_node": options.gpus, "signal_delay_s": options.notice}
    return words | ({"setup": list(options.setup)} if options.setup else {})


def minutes(options: SlurmOptions) -> int:
    """The limit of a job in whole minutes, as Slurm counts."""
    return math.ceil(options.time / 60)


@contextmanager
def surroundings(*, deaf: bool) -> Iterator[None]:
    """What a job inherits of this process while it is submitted: where this package is.

    Args:
        deaf: whether it is not to hear Ctrl-C, which a terminal says to all processes of a command.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = python_path()
    deaf = deaf and threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if deaf else None
    try:
        yield
    finally:
        if deaf:
            signal.signal(signal.SIGINT, handler)
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
