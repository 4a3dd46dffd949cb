"""The launcher that a command line asks for."""

from collections.abc import Iterable

from fbgd.errors import ConfigError, nearest
from fbgd.runs.launch import Cluster
from fbgd.runs.launchers import LAUNCHERS
from fbgd.runs.launchers.options import read_options


def make_launcher(name: str, words: Iterable[str] = (), parallel: int | None = None) -> Cluster | None:
    """A launcher with its options; ``None`` for the local one, which is a study's own.

    Args:
        name: one of :data:`fbgd.runs.launchers.LAUNCHERS`.
        words: of its options, see :func:`fbgd.runs.launchers.options.read_options`.
        parallel: jobs at a time; ``None``: as many as the cluster runs.

    Raises:
        ConfigError: the name, an option or its value is none, or there is no such cluster.
        MissingPackageError: the launcher's library is not installed.
    """
    if name not in LAUNCHERS:
        raise ConfigError(f"--launcher {name!r} is unknown; {nearest(name, LAUNCHERS)}")
    if parallel is not None and parallel < 1:
        raise ConfigError(f"--workers = {parallel} must be at least 1")
    options = read_options(name, words)
    if name == "slurm":
        from fbgd.runs.launchers.slurm import SlurmLauncher

        return SlurmLauncher(options, parallel)
    if name == "ray":
        from fbgd.runs.launchers.ray_launcher import RayLauncher

        return RayLauncher(options, parallel)
    return None
