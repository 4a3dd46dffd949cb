"""Values of the wrong kind are answered with key, value and the kind that the signature says."""

import enum
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Optional, TypeVar, Union

import pytest
import torch
from torch import Tensor

from fbgd.config.compose import compose
from fbgd.config.kinds import kinds_of, misfit
from fbgd.errors import ConfigError

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        (float, [1, 0.5, float("inf")], ["fast", True, None, [1.0], {}]),
        (int, [1, -3], [1.0, "1", True, None]),
        (bool, [True], [1, "yes", None]),
        (str, ["a"], [1, None, ["a"]]),
        (Path, ["a/b"], [1]),
        (str | Path, ["a/b"], [1]),
        (None, [None], [0]),
        (float | None, [None, 2], ["x"]),
        (Optional[int], [None, 2], [2.5]),  # noqa: UP045
        (Union[float, Tensor], [0.1], ["x", [1, 2]]),  # noqa: UP007
        (list[int], [[], [1, 2]], [1, [1, "a"], "ab"]),
        (list, [["a", 1]], [3]),
        (Sequence[float], [[1, 2.5]], [["a"], 1]),
        (tuple[float, float], [[0.9, 0.99]], [[0.9], 0.9, [0.9, "x"]]),
        (tuple[float | Tensor, float | Tensor], [[0.9, 0.99]], [[0.9], ["x", "y"]]),
        (tuple[int, ...], [[], [1, 2, 3]], [[1, 2.5], 3]),
        (dict[str, int], [{"a": 1}], [1, [1]]),
        (Literal["adam", 3], ["adam", 3], ["sgd", 4]),
    ],
)
def test_annotations(annotation, right, wrong):
    kinds = kinds_of(annotation)
    for value in right:
        assert any(kind.holds(value) for kind in kinds), value
    for value in wrong:
        assert not any(kind.holds(value) for kind in kinds), value


@pytest.mark.parametrize(
    "annotation",
    [Any, object, T, Tensor, Callable[[float], float], torch.optim.Optimizer | None, float | Any, int | T, Colour],
)
def test_what_an_annotation_leaves_open_is_not_judged(annotation):
    assert kinds_of(annotation) is None


def test_defaults_stand_in_for_annotations_and_are_always_right():
    def plain(rate=1, name="a", switch=False, anything=None, needed=..., quoted: "int" = 3, odd: int = None):  # noqa: RUF013
        pass

    def judged(name, value):
        return misfit(plain, inspect.signature(plain).parameters[name], value)

    assert judged("rate", 0.5) is None
    assert judged("rate", "x") == "a number"
    assert judged("name", 1) == "a text"
    assert judged("switch", 1) == "true or false"
    assert judged("anything", "x") is judged("needed", 3) is None
    assert judged("quoted", 2.5) == "a whole number"
    assert judged("odd", None) is None
    assert judged("odd", "x") == "a whole number, or null"


def unresolvable(rate: "NoSuchName" = 1.0):  # noqa: F821
    """Annotations that name what does not exist say nothing."""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer.lr=fast"], "optimizer.lr = 'fast' is not what optimizers.SGD takes there: a number"),
        (["optimizer.lr=[1,2]"], "optimizer.lr = [1, 2] is not what optimizers.SGD takes there: a number"),
        (["optimizer._target_=torch.optim.SGD", "optimizer.lr=fast"], "takes there: a number"),
        (["optimizer._target_=torch.optim.Adam", "optimizer.betas=0.9"], "betas = 0.9 is not"),
        (["optimizer._target_=torch.optim.Adam", "optimizer.betas=[0.9]"], "a list of 2: a number, a number"),
        (["optimizer=sam", "optimizer.base.momentum=high"], "optimizer.base.momentum = 'high'"),
        (["model.width=8.5"], "model.width = 8.5 is not what fbgd.models.ResNet takes there: a whole number"),
        (["model.norm=3"], "model.norm = 3 is not what fbgd.models.ResNet takes there: a text"),
        (["schedule.warmup=long"], "schedule.warmup = 'long'"),
        (["data.source.train=many"], "data.source.train = 'many'"),
        (["regularizer=l2", "regularizer.l2.strength=[1]"], "regularizer.l2.strength = [1]"),
        (["objective=mse", "objective.scale=one"], "objective.scale = 'one'"),
        (["optimizer.nesterov=maybe"], "optimizer.nesterov = 'maybe'"),
    ],
)
def test_a_wrong_kind_is_one_line_with_the_key(words, message):
    with pytest.raises(ConfigError) as error:
        compose(words)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_annotations_that_cannot_be_found_are_no_reason_to_refuse(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_kinds", sys.modules[__name__])
    assert compose(["schedule._target_=test_kinds.unresolvable", "schedule.rate=x"]).schedule["rate"] == "x"
