"""One run: made, or read from its directory."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from fbgd.api.words import Folder, Words, split, with_one_error
from fbgd.config.arithmetic import DTYPES, arithmetic_kept
from fbgd.config.build import build_model, load_data
from fbgd.config.compose import compose, explain
from fbgd.config.schema import Config, from_dict
from fbgd.config.targets import import_from
from fbgd.errors import ConfigError
from fbgd.report.sources import is_run
from fbgd.runs.directory import RunDirectory, default_folder
from fbgd.runs.progress import run_on_ranks
from fbgd.runs.ranks import Meeting


@dataclass(frozen=True)
class Run:
    """A run's directory; its files are read when they are asked for.

    Args:
        folder: where it is.
    """

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def config(self) -> Config:
        """All its settings: ``run.config.optimizer["lr"]``, ``run.config.budget.passes``."""
        path = RunDirectory(self.folder).config
        try:
            return from_dict(cast(dict, OmegaConf.to_container(OmegaConf.load(path))))
        except (OSError, UnicodeDecodeError, YAMLError, TypeError) as error:
            raise ConfigError(f"{path} is no configuration of a run: {' '.join(str(error).split())}") from None
        except OmegaConfBaseException as error:
            raise ConfigError(f"{path} is no configuration of a run: {explain(error)}") from None

    @property
    def rows(self) -> pd.DataFrame:
        """What was recorded so far, a row a record: the columns of ``metrics.csv``.

        Raises:
            ConfigError: nothing is yet.
        """
        path = RunDirectory(self.folder).metrics
        try:
            return pd.read_csv(path)
        except FileNotFoundError:
            raise ConfigError(f"{self.folder}: nothing is recorded yet") from None
        except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None

    @property
    def summary(self) -> dict[str, Any]:
        """Final metrics, costs, identity and versions of a finished run, by the names of ``summary.json``.

        Raises:
            ConfigError: it has not finished.
        """
        summary = RunDirectory(self.folder).read_summary()
        if summary is None:
            raise ConfigError(f"{self.folder}: the run has not finished; the command that began it goes on with it")
        return summary

    @with_one_error
    def model(self) -> torch.nn.Module:
        """The trained network in evaluation mode, on the CPU, with the weights that the summary's metrics are of.

        It imports and runs the code that the run's settings name, model and data among it: ask only runs that you
        trust. The data are made anew, for their shape.

        Raises:
            ConfigError: the run has not finished, its checkpoint is gone, or model or data cannot be made here.
        """
        identity, problems = self.summary["identity"], list[str]()
        state = RunDirectory(self.folder).read_checkpoint(problems.append)
        if state is None:
            raise ConfigError("; ".join(problems) or f"{self.folder} has no checkpoint.pt, which holds the weights")
        if state["identity"] != identity:
            raise ConfigError(f"{self.folder}: checkpoint.pt is of another run than summary.json")
        import_from(self.config.impl.module_path)
        model = build_model(self.config, load_data(self.config)).to(DTYPES[self.config.precision])
        try:
            model.load_state_dict(state["model"])
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{self.folder}: its weights do not fit the model that is made here: {reason}") from None
        return model.eval()


@with_one_error
def run(words: Words = (), out: Folder | None = None) -> Run:
    """Train one network in this process, as ``fbgd train`` does: a finished run is read, one that was cut off goes on.

    In a script that torchrun starts, the processes share the run.

    Args:
        words: settings; the defaults for none.
        out: the run's directory; by default ``runs/<data>-<identity>``.

    Raises:
        ConfigError: a word is wrong, or the directory holds another run.
        TimeoutError: another process is at work in it.

    >>> from tempfile import mkdtemp
    >>> tiny = "data.source.train=60 data.source.test=20 model=mlp model.width=4 budget.passes=2 regime.block_size=20"
    >>> trained = run(tiny, out=mkdtemp())
    >>> len(trained.rows), trained.summary["status"], trained.config.budget.passes
    (2, 'done', 2.0)
    >>> trained.model()(torch.zeros(3, 1, 40)).shape
    torch.Size([3, 10])
    """
    config = compose(split(words))
    folder = default_folder(config) if out is None else Path(out)
    with arithmetic_kept(), Meeting() as meeting:
        run_on_ranks(config, folder, meeting)
    # Only rank 0 has to see the directory.
    return load(folder) if meeting.first else Run(folder)


def load(folder: Folder) -> Run:
    """A run from its directory, finished or not.

    Raises:
        ConfigError: it is none.
    """
    path = Path(folder)
    if not is_run(path):
        hint = "runs_frame and compare read folders of runs" if path.is_dir() else "there is no such folder"
        raise ConfigError(f"{path} is no run's directory, which has a config.yaml: {hint}")
    return Run(path)
