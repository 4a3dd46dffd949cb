"""Which experiment a run is, and with what it was made."""

import copy
import functools
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from fbgd import __version__
from fbgd.config.schema import CROSS_ENTROPY, Config, to_dict
from fbgd.config.targets import find_target, is_target
from fbgd.errors import ConfigError
from regularizers import EarlyStopping

PACKAGES = ("torch", "numpy", "mnist1d", "scikit-learn")
# Modules of this package and of one that is recorded anyway: nothing has to be looked up for them.
KNOWN = ("fbgd", "optimizers", "regularizers", "torch")
# Where verified data lies and how it is fetched says nothing about what it is.
PLACES = {"folder": None, "download": None, "verify": None}


def science(settings: dict) -> dict:
    """The part of a configuration, as nested dictionaries, that decides a run's numbers up to rounding.

    It may come from a file of anybody's: nothing that it names is imported.
    """
    verified = settings["data"]["source"].get("verify", False)
    # Early stopping chooses among the evaluated moments, so there it matters how many there are.
    stops = any(stops_early(node) for node in settings["regularizer"].values())
    record = dict.fromkeys(("every", "train", "layers")) if stops else None
    if record and settings["record"].get("growth") == 1:
        record["growth"] = None
    data: dict = {"source": PLACES if verified else {"download": None}}
    leave_out = {"impl": None, "tracker": None, "record": record, "data": data}
    # Keys at the value that they had before there was a choice: older runs keep their identity.
    if settings["data"].get("label_noise_over") == "others":
        data["label_noise_over"] = None
    if not settings["data"].get("part"):
        data["part"] = None
    if settings["budget"].get("gradients_per_sample") is None:
        leave_out["budget"] = {"gradients_per_sample": None}
    if settings.get("objective") == CROSS_ENTROPY:
        leave_out["objective"] = None
    for group in ("probe", "metric"):
        if not settings.get(group):
            leave_out[group] = None
    return _without(settings, leave_out)


def stops_early(node: dict) -> bool:
    """Whether a regulariser's node names :class:`EarlyStopping`, by whatever path, or a class made from it.

    A class in a module that is not loaded is none: see :func:`identity`, which loads those of its own configuration.
    """
    module, _, name = str(node.get("_target_")).rpartition(".")
    target = getattr(sys.modules.get(module), name, None)
    return isinstance(target, type) and issubclass(target, EarlyStopping)


def _without(node: dict, leave_out: dict) -> dict:
    kept = {}
    for key, value in node.items():
        if key not in leave_out:
            kept[key] = copy.deepcopy(value)
        elif leave_out[key] is not None:
            kept[key] = _without(value, leave_out[key])
    return kept


def identity(config: Config) -> str:
    """SHA-256 over the science configuration, floats written exactly: equal for equal experiments only."""
    for name, node in config.regularizer.items():
        with suppress(ConfigError):
            find_target(f"regularizer.{name}", node.get("_target_", ""))
    return identity_of(science(to_dict(config)))


def identity_of(settings: dict) -> str:
    """The same, of a science configuration."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def differences(left: dict, right: dict, prefix: str = "") -> list[str]:
    """Dotted keys in which two nested dictionaries differ, as ``key: left -> right``."""
    changes = []
    for key in sorted(left.keys() | right.keys()):
        here, there = left.get(key, "nothing"), right.get(key, "nothing")
        if isinstance(here, dict) and isinstance(there, dict):
            changes += differences(here, there, f"{prefix}{key}.")
        elif here != there:
            changes.append(f"{prefix}{key}: {here} -> {there}")
    return changes


@functools.cache
def git_revision() -> str:
    """The checkout's commit, with ``+changes`` when files differ from it; "unknown" outside a checkout.

    It is read once a process, at best when it starts: the code that is loaded stays, whatever happens to the files.
    """
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        # An installed package may lie inside the checkout of something else, in its .venv say.
        git("ls-files", "--error-unmatch", Path(__file__).name)
        code = ("--", ":/fbgd", ":/optimizers", ":/regularizers", ":/scripts")
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", *code) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@functools.cache
def installed_packages() -> Mapping[str, list[str]]:
    """The distributions by what can be imported from them; it takes a second to read, so a process does it once."""
    return packages_distributions()


def target_packages(settings: dict) -> set[str]:
    """The installed packages, beside :data:`KNOWN` ones, whose classes a configuration names."""
    packages = set()
    for value in settings.values():
        if is_target(value) and (top := value["_target_"].partition(".")[0]) not in KNOWN:
            packages |= set(installed_packages().get(top, ()))
        if isinstance(value, dict):
            packages |= target_packages(value)
    return packages - {"fbgd"}


def environment(packages: Iterable[str] = ()) -> dict[str, str]:
    """Version, revision, Python, platform, versions of the packages that numbers depend on, ``packages`` among them."""
    versions = {"fbgd": __version__, "git_revision": git_revision()}
    versions |= {"python": platform.python_version(), "platform": platform.machine()}
    for package in (*PACKAGES, *packages):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
