"""The project's own rules: who imports whom, how large a file may become, what is packaged."""

import ast
import sys
from configparser import ConfigParser

import pytest
from files import ROOT

# Who may import whom; everyone may import the leaves, and models and data each other's leaves at most.
LEAVES = {"schedules", "seeds", "errors", "programs"}
ALLOWED = {
    "api": {"commands", "studies", "report", "runs", "config"},
    "commands": {"studies", "report", "runs", "config"},
    "studies": {"report", "runs", "config", "engine", "probes", "models", "data"},
    "report": {"runs"},
    "runs": {"config", "engine", "models", "data"},
    "config": {"engine", "probes", "models", "data"},
    "probes": {"engine", "models", "data"},
    "engine": {"models", "data"},
    "models": set(),
    "data": set(),
    **{leaf: set() for leaf in LEAVES},
}
LONGEST_MODULE, LONGEST_FUNCTION = 300, 60
# Of packages that fbgd imports where they are needed.
EXTRAS = ("translation", "sweep", "slurm", "ray", "images", "huggingface", "tensorboard", "wandb", "mlflow", "trackio")


def imports(path):
    """Top-level packages that a file imports."""
    yield from imported(ast.walk(ast.parse(path.read_text())))


def imports_when_loaded(path):
    """Those that it imports as soon as it is imported itself, outside functions and ``if TYPE_CHECKING``."""
    nodes = list(ast.parse(path.read_text()).body)
    for node in nodes:
        later = isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        )
        nodes += [] if later else ast.iter_child_nodes(node)
    yield from imported(nodes)


def required(lines):
    """The packages of a list of requirements, without their versions."""
    return {line.split(">=")[0] for line in lines.split()}


def imported(nodes):
    """Top-level packages of the import statements among syntax nodes."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def packages_imported(path):
    """The packages of fbgd that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" if node.module == "fbgd" else node.module for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("fbgd."))


def sources(package):
    """All files of a package, or the module itself."""
    folder = ROOT / "fbgd" / package
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def test_the_table_of_imports_holds():
    """Dependencies inside fbgd point downwards, by DESIGN's table of packages."""
    entries = {path.stem for path in (ROOT / "fbgd").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert entries - {"__init__", "__pycache__"} == set(ALLOWED)
    for package, allowed in ALLOWED.items():
        for path in sources(package):
            found = set(packages_imported(path)) - {package} - LEAVES - {"__version__"}
            assert found <= allowed, f"{path.relative_to(ROOT)} imports {found - allowed}"


def test_the_table_has_no_cycle():
    below = {package: set(allowed) for package, allowed in ALLOWED.items()}
    order = []
    while below:
        bottom = [package for package, allowed in below.items() if allowed <= set(order)]
        assert bottom
        order += bottom
        below = {package: allowed for package, allowed in below.items() if package not in order}


def test_the_house_has_few_rooms():
    assert len(ALLOWED.keys() - LEAVES) <= 10
    assert len(LEAVES) <= 4


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("optimizers", {"fbgd", "regularizers", "scripts"}),
        ("regularizers", {"fbgd", "optimizers", "scripts"}),
        ("fbgd", {"scripts"}),
    ],
)
def test_dependencies_point_one_way(package, forbidden):
    for path in (ROOT / package).rglob("*.py"):
        assert not forbidden & set(imports(path)), path


@pytest.mark.parametrize("package", ["fbgd", "optimizers", "regularizers", "scripts"])
def test_no_module_and_no_function_is_too_long(package):
    """What is longer asks to be two."""
    for path in (ROOT / package).rglob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST_MODULE, path.relative_to(ROOT)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = node.end_lineno - node.lineno + 1
                assert length <= LONGEST_FUNCTION, f"{path.relative_to(ROOT)}: {node.name} has {length} lines"


def test_every_import_is_a_declared_dependency():
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    names = required(declared["options"]["install_requires"])
    extras = {name for extra in EXTRAS for name in required(declared["options.extras_require"][extra])}
    modules = {
        "PIL": "pillow",
        "hydra": "hydra-core",
        "sklearn": "scikit-learn",
        "yaml": "pyyaml",
        "mlflow": "mlflow-skinny",
    }
    own = {"fbgd", "optimizers", "regularizers", "scripts"}
    found: set[str] = set()
    for package in own:
        for path in (ROOT / package).rglob("*.py"):
            used = {modules.get(name, name) for name in imports(path)} - set(sys.stdlib_module_names) - own
            assert used <= names | extras, path
            # Who has not installed an extra can import every file all the same.
            assert not extras & {modules.get(name, name) for name in imports_when_loaded(path)}, path
            found |= used
    assert extras <= found
    assert {f"fbgd[{extra}]" for extra in EXTRAS} <= set(declared["options.extras_require"]["test"].split())
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert names | extras <= pinned


@pytest.mark.parametrize("package", ["commands", "config", "engine", "report", "runs", "studies"])
def test_plots_and_statistics_are_imported_in_the_functions_that_use_them(package):
    """A command that lists, refuses or trains draws nothing, and need not wait for what does."""
    for path in sources(package):
        assert not {"matplotlib", "scipy", "seaborn"} & set(imports_when_loaded(path)), path.relative_to(ROOT)


def test_packages_and_data_are_in_a_built_wheel():
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    data = declared["options.package_data"]["fbgd"].split()
    found = {path for pattern in data for path in (ROOT / "fbgd").glob(pattern)}
    held = {path for path in (ROOT / "fbgd").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert found == held
    for path in (ROOT / "fbgd").rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path
