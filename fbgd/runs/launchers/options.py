"""The options of launchers: words of a command line, or a YAML profile; each is checked before anything is run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fbgd.config.yaml_file import read_yaml
from fbgd.errors import ConfigError, nearest
from fbgd.runs.times import seconds_of

PROFILES = (".yaml", ".yml")


def option(default: Any, read: Callable[[Any], Any], about: str) -> Any:
    """A field of a launcher's options: its default, what reads its value, and a line about it."""
    return field(default=default, metadata={"read": read, "about": about})


def text(value: Any) -> str:
    """A value as text."""
    if isinstance(value, dict | list) or value is None or not str(value).strip():
        raise ValueError("a word")
    return str(value).strip()


def count(value: Any) -> int:
    """A whole number from 1 on.

    Raises:
        ValueError: it is none; with what would be one.
    """
    return within(value, int, 1, "a whole number >= 1")


def count_or_none(value: Any) -> int:
    """A whole number from 0 on."""
    return within(value, int, 0, "a whole number >= 0")


def share(value: Any) -> float:
    """A number from 0 on, also a part of one."""
    return within(value, float, 0, "a number >= 0")


def within(value: Any, kind: Callable[[str], Any], least: float, expected: str) -> Any:
    """A number that is at least so much."""
    try:
        number = kind(str(value))
    except ValueError:
        raise ValueError(expected) from None
    if isinstance(value, bool) or not least <= number < float("inf"):
        raise ValueError(expected)
    return number


def seconds(value: Any) -> int:
    """A time with its unit, in seconds.

    >>> seconds("90s"), seconds("1.5h"), seconds("2d")
    (90, 5400, 172800)
    """
    found = seconds_of(str(value).strip())
    if found is None:
        raise ValueError("a time, as 90s, 30m, 4h or 2d")
    return round(found)


def one_of(*names: str) -> Callable[[Any], str]:
    """What reads one of some words; YAML takes ``yes`` and ``no`` for truth values."""

    def read(value: Any) -> str:
        word = {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        if word not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return word

    return read


def lines(value: Any) -> tuple[str, ...]:
    """Lines of a shell: one, or a list of them."""
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(line, str) and line.strip() for line in listed):
        raise ValueError("a line of a shell, or a list of them")
    return tuple(listed)


def mapping(value: Any) -> dict[str, Any]:
    """Names and plain values, which only a profile can hold."""
    if not isinstance(value, dict) or not all(isinstance(item, str | int | float) for item in value.values()):
        raise ValueError("names and values, in a YAML profile")
    return {str(name): item for name, item in value.items()}


@dataclass(frozen=True)
class LocalOptions:
    """Of the launcher ``local``: none; ``--workers`` and ``--runs-per-gpu`` say all there is to say."""


@dataclass(frozen=True)
class SlurmOptions:
    """Of the launcher ``slurm``."""

    cluster: str = option("slurm", one_of("slurm", "local"), "slurm, or local: submitit's processes of this computer")
    partition: str | None = option(None, text, "sbatch --partition")
    account: str | None = option(None, text, "sbatch --account")
    qos: str | None = option(None, text, "sbatch --qos")
    constraint: str | None = option(None, text, "sbatch --constraint")
    time: int = option(4 * 3600, seconds, "limit of a job, as 4h; a job that reaches it is requeued, and goes on")
    gpus: int = option(0, count_or_none, "GPUs of a job")
    cpus: int = option(1, count, "cores of a job, and threads of a run")
    mem: float | None = option(None, share, "memory of a job in GB")
    array: int = option(1000, count, "most jobs of an array; of each array as many run at a time as --workers says")
    runs_per_job: int = option(1, count, "runs that a job executes one after another")
    requeues: int = option(100, count_or_none, "how often a job may reach its time limit")
    retries: int = option(3, count_or_none, "how often a job that was lost is submitted anew")
    notice: int = option(90, seconds, "how long before its limit a job is told to write a checkpoint")
    setup: tuple[str, ...] = option((), lines, "lines of a shell before a job, as module load")
    sbatch: dict[str, Any] = field(default_factory=dict, metadata={"read": mapping, "about": "further ones of sbatch"})


@dataclass(frozen=True)
class RayOptions:
    """Of the launcher ``ray``."""

    address: str | None = option(None, text, "of a cluster, host:port; otherwise RAY_ADDRESS, or one of this computer")
    cpus: float = option(1, share, "cores of a run; its threads, rounded up")
    gpus: float = option(0, share, "GPUs of a run, as 1, or 0.25 for four runs a GPU")
    memory: float | None = option(None, share, "memory of a run in GB")
    resources: dict[str, Any] = field(
        default_factory=dict, metadata={"read": mapping, "about": "resources of your own, as {a100: 1}"}
    )
    runs_per_task: int = option(1, count, "runs that a task executes one after another")
    retries: int = option(3, count_or_none, "how often a run whose node was lost is begun again")
    shared: str = option("auto", one_of("auto", "yes", "no"), "whether all nodes see the study's folder")


KINDS: Mapping[str, type] = {"local": LocalOptions, "slurm": SlurmOptions, "ray": RayOptions}


def read_options(launcher: str, words: Iterable[str]) -> Any:
    """The options of a launcher.

    Args:
        launcher: one of :data:`fbgd.runs.launchers.LAUNCHERS`.
        words: each several ``key=value`` with commas between them, or YAML profiles; of two about one key the last
            counts.

    Raises:
        ConfigError: a word is none, its key is unknown, or its value is out of range.

    >>> read_options("slurm", ["partition=gpu,time=8h", "gpus=1"]).time
    28800
    """
    kind = KINDS[launcher]
    known = {entry.name: entry for entry in fields(kind)}
    values: dict[str, Any] = {}
    for place, key, value in said(words):
        if key not in known:
            valid = nearest(key, known) if known else "it has none"
            raise ConfigError(f"{place}: the launcher {launcher} has no option {key!r}; {valid}")
        try:
            values[key] = known[key].metadata["read"](value)
        except ValueError as error:
            raise ConfigError(f"{place}: {key} = {value} must be {error}") from None
    return kind(**values)


def said(words: Iterable[str]) -> Iterable[tuple[str, str, Any]]:
    """Where it stands, the key and the value of every option."""
    for word in (part.strip() for given in words for part in given.split(",")):
        if word.endswith(PROFILES) and "=" not in word:
            if not Path(word).is_file():
                raise ConfigError(f"--launcher-options {word}: there is no such file")
            yield from ((word, str(key), value) for key, value in read_yaml(word).items())
        elif "=" in word:
            key, _, value = word.partition("=")
            yield f"--launcher-options {word}", key.strip(), value.strip()
        else:
            raise ConfigError(f"--launcher-options {word!r} is neither key=value nor a YAML file")


def options_table(launcher: str) -> str:
    """A row an option of a launcher, with its default and what it is, as the documentation shows them."""
    rows = ["| option | default | what it is |", "|---|---|---|"]
    for entry in fields(KINDS[launcher]):
        default = getattr(KINDS[launcher](), entry.name)
        shown = "" if default in (None, (), {}) else default
        if entry.metadata["read"] is seconds:
            shown = f"{default // 3600}h" if default % 3600 == 0 else f"{default}s"
        rows.append(f"| `{entry.name}` | {shown} | {entry.metadata['about']} |".replace("|  |", "| |"))
    return "\n".join(rows)
