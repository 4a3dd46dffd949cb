"""Runs of studies in the test's own process: a worker takes seconds to start, and has tests of its own."""

from fbgd.runs.attempt import execute


def launch_here(planned, workers, idle=None, limit=None, devices=(), cluster=None):
    """What :func:`fbgd.runs.launch.launch` does, one run after another; a failure is an exception."""
    for run in planned:
        if not run.done:
            execute(run.config, run.path)


def run_here(patch):
    """Have studies execute their runs in this process, and start no other that would wait for them."""
    patch.setattr("fbgd.studies.execution.launch", launch_here)
    patch.setattr("fbgd.studies.execution.start_ahead", lambda idle, planned, workers: None)
