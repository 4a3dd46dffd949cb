"""What the packages import is what setup.cfg asks for: always, or by the extra that a message about it names."""

import ast
import re
import sys
from configparser import ConfigParser

import pytest
from files import ROOT

PACKAGES = ("fbgd", "optimizers", "regularizers")
# Where a distribution has another name than what is imported from it.
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn", "hydra": "hydra-core",
                 "mlflow": "mlflow-skinny"}  # fmt: skip
# Modules that are imported only after another one's ``needs(EXTRA)`` has let them pass.
BEHIND_GUARDS = {
    "fbgd/runs/launchers/slurm.py": ["slurm"],
    "fbgd/runs/launchers/slurm_task.py": ["slurm"],
}


def requirements(lines):
    """The names of distributions in a list of requirements."""
    return {re.split(r"[\[<>=!~ ]", line)[0].lower() for line in lines.splitlines() if line and line[0] != "#"}


SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg")
ALWAYS = requirements(SETUP["options"]["install_requires"])
EXTRAS = {name: requirements(lines) for name, lines in SETUP["options.extras_require"].items()}


def imports(node):
    """Every module that a tree imports, in functions too."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        yield node.module
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


def extras_of(tree):
    """The extras that a file names where a package is missing: ``needs("EXTRA")``, or a tracker's ``extra``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "needs" and isinstance(node.args[0], ast.Constant):
            yield node.args[0].value
        named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "extra"
        if named and isinstance(node.value, ast.Constant):
            yield node.value.value


def third_party(source):
    """The distributions of what a source imports beyond Python and these packages."""
    names = {module.partition(".")[0] for module in imports(ast.parse(source))} - {*PACKAGES, *sys.stdlib_module_names}
    return {DISTRIBUTIONS.get(name, name).lower() for name in names}


def missing(source, *extras):
    """What neither every installation has nor the extras of the file."""
    return third_party(source) - ALWAYS.union(*(EXTRAS[extra] for extra in (*extras_of(ast.parse(source)), *extras)))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_a_requirement(package):
    paths = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / package).rglob("*.py")}
    found = {name: missing(source, *BEHIND_GUARDS.get(name, ())) for name, source in paths.items()}
    assert {name: names for name, names in found.items() if names} == {}
    assert any(third_party(source) for source in paths.values())


def test_every_requirement_is_imported():
    sources = [path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert set().union(*map(third_party, sources)) >= ALWAYS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy.linalg", set()),
        ("def f():\n    import tokenizers", {"tokenizers"}),
        ("def f():\n    with needs('translation'):\n        from tokenizers import Tokenizer", set()),
        ("with needs('images'):\n    import tokenizers", {"tokenizers"}),
        ("from PIL import Image", {"pillow"}),
        ("class Tracker:\n    extra = 'wandb'\n    def log(self):\n        import wandb", set()),
        ("if TYPE_CHECKING:\n    import wandb", set()),
    ],
)
def test_what_is_missing_is_found(source, expected):
    assert missing(source) == expected
