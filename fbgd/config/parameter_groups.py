"""``optimizer.groups``: options of the optimizer for parameters by the patterns of their names."""

import difflib
import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from fbgd.config.kinds import is_number, kinds_of_default
from fbgd.config.schema import require
from fbgd.errors import ConfigError, nearest

# Keys of torch's own in every group, and those that the loop adds.
RESERVED = {"params", "param_names", "initial_lr"}


def read_groups(node: Any) -> list[dict[str, Any]]:
    """The entries of ``optimizer.groups``, each with its patterns as a list.

    Raises:
        ConfigError: it is no list of options by patterns.
    """
    if not isinstance(node, list):
        raise ConfigError(f'optimizer.groups = {node!r} is no list, such as [{{match: "*.bias", weight_decay: 0}}]')
    groups = []
    for index, entry in enumerate(node):
        key = f"optimizer.groups[{index}]"
        if not isinstance(entry, dict) or "match" not in entry:
            raise ConfigError(f"{key} = {entry!r} has no match: a pattern of parameter names, such as '*.bias'")
        patterns = [entry["match"]] if isinstance(entry["match"], str) else entry["match"]
        if not isinstance(patterns, list) or not patterns or not all(isinstance(one, str) for one in patterns):
            raise ConfigError(f"{key}.match = {entry['match']!r} is no pattern of parameter names, and no list of them")
        if len(entry) == 1:
            raise ConfigError(f"{key} sets nothing: give lr_factor, weight_decay, or another option of the optimizer")
        if "lr" in entry and "lr_factor" in entry:
            raise ConfigError(
                f"{key}: lr and lr_factor are one rate given twice; lr_factor is relative to optimizer.lr"
            )
        groups.append({**entry, "match": patterns})
    return groups


def check_options(groups: Sequence[Mapping[str, Any]], options: Mapping[str, Any], target: str) -> None:
    """Raise :class:`ConfigError` for an option that the optimizer does not have in its groups, or of a wrong kind.

    Args:
        groups: the entries.
        options: those that the optimizer has in every group, with their values.
        target: what the optimizer is called.
    """
    known = sorted(set(options) - RESERVED)
    for index, entry in enumerate(groups):
        for name, value in entry.items():
            key = f"optimizer.groups[{index}].{name}"
            if name == "match":
                continue
            if name == "lr_factor" and "lr" not in options:
                raise ConfigError(f"{key}: {target} has no learning rate")
            if name != "lr_factor" and name not in known:
                raise ConfigError(f"{key}: {target} has no such option in its groups; {nearest(name, known)}")
            kinds = kinds_of_default(options.get(name))
            if kinds and not any(kind.holds(value) for kind in kinds):
                raise ConfigError(f"{key} = {value!r} is not what {target} takes there: {kinds[0].name}")
            if name in ("lr", "lr_factor", "weight_decay"):
                require(is_number(value) and 0 <= value < math.inf, key, value, "[0, inf)")


def assign(names: Sequence[str], groups: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """For every parameter the number of the first group one of whose patterns its name matches; ``None``: none does.

    >>> assign(["0.weight", "0.bias", "norm.bias"], [{"match": ["norm.*"]}, {"match": ["*.bias"]}])
    [None, 1, 0]

    Raises:
        ConfigError: a pattern matches nothing, or a group gets nothing, with the nearest names.
    """
    for index, entry in enumerate(groups):
        for pattern in entry["match"]:
            if not any(fnmatchcase(name, pattern) for name in names):
                close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.0)
                raise ConfigError(
                    f"optimizer.groups[{index}].match = {pattern!r} matches no parameter; nearest: {', '.join(close)}"
                )
    places: list[int | None] = []
    for name in names:
        fitting = (index for index, entry in enumerate(groups) if any(fnmatchcase(name, one) for one in entry["match"]))
        places.append(next(fitting, None))
    for index, entry in enumerate(groups):
        if index not in places:
            patterns = ", ".join(map(repr, entry["match"]))
            raise ConfigError(
                f"optimizer.groups[{index}].match = {patterns} matches only parameters that an earlier group has: "
                "put it before that one"
            )
    return places


def parameter_groups(
    params: Sequence[Tensor], names: Sequence[str], groups: Sequence[Mapping[str, Any]], decayed: str
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, none of them empty: first the parameters that no pattern matches.

    Args:
        params: all parameters.
        names: theirs.
        groups: the entries, see :func:`read_groups`; ``lr_factor`` stays in a group, to be taken out of it.
        decayed: ``"all"``, or ``"matrices"``: parameters of fewer than two dimensions get no weight decay, in groups
            that set none themselves.
    """
    places = assign(names, groups) if groups else [None] * len(params)
    made: list[dict[str, Any]] = []
    for number in [None, *range(len(groups))]:
        own = [param for param, place in zip(params, places, strict=True) if place == number]
        options = {} if number is None else {name: value for name, value in groups[number].items() if name != "match"}
        if decayed == "all" or "weight_decay" in options:
            made.append({"params": own, **options})
            continue
        for many, decay in ((True, {}), (False, {"weight_decay": 0.0})):
            made.append({"params": [param for param in own if (param.dim() >= 2) is many], **options, **decay})
    return [group for group in made if group["params"]]
