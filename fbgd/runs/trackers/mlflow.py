"""Runs of MLflow."""

import time
from collections.abc import Mapping

from fbgd.errors import needs
from fbgd.runs.rows import flatten
from fbgd.runs.trackers.run import TrackedRun

IDENTIFIER = "fbgd.identifier"
# What a server takes at a time.
MOST_PARAMS = 100
STATES = {"done": "FINISHED", "diverged": "FINISHED"}


class MLflow:
    """A run at an MLflow server, or in a database of its own.

    A resumed run goes on in the run that has its identifier as a tag. Settings are parameters by their dotted keys,
    columns are metrics over steps.

    Args:
        run: what is tracked.
        experiment: that it belongs to; made where there is none of that name.
        uri: of the server, or ``sqlite:///FILE``, which needs all of mlflow; ``None``: ``MLFLOW_TRACKING_URI``.

    Raises:
        MissingPackageError: mlflow is not installed.
    """

    extra = "mlflow"

    def __init__(self, run: TrackedRun, experiment: str = "fbgd", uri: str | None = None):
        with needs(self.extra):
            from mlflow.entities import Metric, Param
            from mlflow.tracking import MlflowClient
        self.metric = Metric
        self.client = MlflowClient(tracking_uri=uri)
        known = self.client.get_experiment_by_name(experiment)
        place = self.client.create_experiment(experiment) if known is None else known.experiment_id
        begun = self.client.search_runs([place], f"tags.`{IDENTIFIER}` = '{run.identifier}'")
        if begun:
            self.run = begun[0].info.run_id
            self.client.update_run(self.run, status="RUNNING")
            return
        tags = {IDENTIFIER: run.identifier}
        self.run = self.client.create_run(place, tags=tags, run_name=run.name).info.run_id
        params = [Param(key, value) for key, value in flatten(run.settings).items()]
        for start in range(0, len(params), MOST_PARAMS):
            self.client.log_batch(self.run, params=params[start : start + MOST_PARAMS])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write a row."""
        now = int(1000 * time.time())
        # A column that is empty in this row has no value.
        known = [(name, float(value)) for name, value in values.items() if value is not None]
        self.client.log_batch(self.run, metrics=[self.metric(name, value, now, step) for name, value in known])

    def finish(self, summary: Mapping[str, object]) -> None:
        """Say how the run ended."""
        status = str(summary["status"])
        self.client.set_tag(self.run, "status", status)
        self.client.set_terminated(self.run, STATES.get(status, "FAILED"))
