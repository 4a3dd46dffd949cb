"""Services that show runs live. One is made from a :class:`TrackedRun` and has two methods.

log(step, values)    the numbers of a row, by the names of the columns of metrics.csv; steps ascend
finish(summary)      the run has ended
"""

from fbgd.runs.trackers.mlflow import MLflow
from fbgd.runs.trackers.run import TrackedRun
from fbgd.runs.trackers.tensorboard import TensorBoard
from fbgd.runs.trackers.trackio import Trackio
from fbgd.runs.trackers.wandb import WeightsAndBiases

__all__ = ["MLflow", "TensorBoard", "TrackedRun", "Trackio", "WeightsAndBiases"]
