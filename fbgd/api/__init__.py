"""What ``import fbgd`` gives: runs, studies, sweeps and tables, by the functions behind the commands.

Words are those of the command line, a list, ``["optimizer=adam", "optimizer.lr=0.01"]``, or a text,
``"optimizer=adam optimizer.lr=0.01"``. A mistake is a ``fbgd.errors.ConfigError``, the line that a command prints. What
reads folders imports no code that they name, except :meth:`Run.model`, which says so.
"""

from fbgd.api.results import Results, Study, sweep
from fbgd.api.single import Run, load, run
from fbgd.api.tables import compare, runs_frame

__all__ = ["Results", "Run", "Study", "compare", "load", "run", "runs_frame", "sweep"]
