"""fbgd: what does stochastic training do that full-batch training does not, and what replaces it?

What this package offers stands in :mod:`fbgd.api`; it and all modules are imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fbgd.api import Study, compare, load, run, runs_frame, sweep

__version__ = "0.1.0"
__all__ = ["Study", "compare", "load", "run", "runs_frame", "sweep"]

MODULES = (
    "api",
    "commands",
    "config",
    "data",
    "engine",
    "errors",
    "models",
    "probes",
    "programs",
    "report",
    "runs",
    "schedules",
    "seeds",
    "studies",
)


def __dir__() -> list[str]:
    return sorted([*__all__, *MODULES])


if not TYPE_CHECKING:
    # For type checkers an unknown name stays unknown.
    def __getattr__(name: str) -> object:
        if name in __all__:
            import_module("fbgd.errors").check_packages()
            return getattr(import_module("fbgd.api"), name)
        if name in MODULES:
            return import_module(f"fbgd.{name}")
        raise AttributeError(f"module 'fbgd' has no attribute {name!r}")
