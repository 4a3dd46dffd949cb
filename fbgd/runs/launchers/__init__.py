"""Giving a study's jobs to a cluster: Slurm by submitit, or Ray."""
