"""Giving a study's jobs to a cluster: Slurm by submitit, or Ray."""

# Where the runs of a study can be executed; the first is this computer, and needs nothing of this package.
LAUNCHERS = ("local", "slurm", "ray")
