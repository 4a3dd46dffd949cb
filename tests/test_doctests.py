"""The examples in the docstrings print what they say."""

import doctest
from functools import cache
from importlib import import_module
from types import ModuleType

import pytest
from files import ROOT

import optimizers
import regularizers

PACKAGES = ("optimizers", "regularizers", "fbgd")


def names() -> list[str]:
    """The dotted names of all modules of the packages."""
    paths = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]


def shows_examples(name: str) -> bool:
    """Whether a module's text has an example at all, so that only those are imported."""
    path = ROOT.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ">>> " in path.read_text()


@cache
def examples(name: str) -> dict[str, doctest.DocTest]:
    """A module's docstrings with examples, by dotted name."""
    tests = doctest.DocTestFinder().find(import_module(name), name)
    return {test.name: test for test in tests if test.examples}


@pytest.mark.parametrize("name", [name for name in names() if shows_examples(name)])
def test_examples_print_what_they_say(name):
    reports: list[str] = []
    for test in examples(name).values():
        doctest.DocTestRunner().run(test, out=reports.append)
    assert examples(name)
    assert not reports, "".join(reports)


def exported(package: ModuleType) -> list[object]:
    """The classes and functions that a package exports."""
    values = [getattr(package, name) for name in package.__all__]
    return [value for value in values if callable(value)]


@pytest.mark.parametrize(
    "value", [*exported(optimizers), *exported(regularizers)], ids=lambda value: value.__qualname__
)
def test_everything_exported_has_an_example(value):
    assert f"{value.__module__}.{value.__qualname__}" in examples(value.__module__)
