"""The project's own rules: who imports whom, what is packaged, and that README and results say what commands print."""

import ast
import json
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from fbgd.config import choices
from fbgd.description import published_values, read_description
from fbgd.rows import read_rows, setting_columns
from fbgd.study import collect, plan
from fbgd.tuning import read_choice
from scripts import compare, fair_ladder, geiping_ladder, optimizers, regularizers, train

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMITTED = sorted(path.parent for path in ROOT.glob("results/**/runs.csv") if "quick" not in path.parts)


def searched(study):
    """The rungs of a study's preset with the learning rates that its committed search chose."""
    rungs, candidates = study.make_rungs(study.PRESETS["mnist1d"])
    folder = ROOT / "results" / study.__name__.rpartition(".")[2] / "mnist1d"
    return read_choice(folder / "search.csv", rungs, study.KEY, candidates)


# Every committed study, and the rungs that its script makes for it.
STUDIES = {
    "geiping_ladder/mnist1d": lambda: geiping_ladder.choose("mnist1d", None, quick=False, changed=False),
    "geiping_ladder/fashion_mnist": lambda: geiping_ladder.choose("fashion_mnist", None, quick=False, changed=False),
    "regularizers/mnist1d": lambda: regularizers.make_rungs(regularizers.PRESETS["mnist1d"]),
    "optimizers/mnist1d": lambda: searched(optimizers),
    "fair_ladder/mnist1d": lambda: searched(fair_ladder),
}
COMPARISONS = {"optimizers": optimizers, "regularizers": regularizers, "fair_ladder": fair_ladder}
TINY = ["data.source.train=40", "data.source.test=10", "regime.block_size=10", "budget.passes=1", "model.width=2"]


def named(folder):
    """A study's folder below results/."""
    return folder.relative_to(ROOT / "results").as_posix()


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


def test_every_import_is_a_declared_dependency():
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    names = required(declared["options"]["install_requires"])
    extras = required(declared["options.extras_require"]["translation"])
    modules = {"hydra": "hydra-core", "sklearn": "scikit-learn", "yaml": "pyyaml"}
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
    assert "fbgd[translation]" in declared["options.extras_require"]["test"].split()
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert names | extras <= pinned


def test_packages_and_data_are_in_a_built_wheel():
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    data = declared["options.package_data"]["fbgd"].split()
    found = {path for pattern in data for path in (ROOT / "fbgd").glob(pattern)}
    assert found == set((ROOT / "fbgd" / "conf").rglob("*.yaml"))
    for path in (ROOT / "fbgd").rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


def code_blocks(language):
    """The README's code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    """Every command line of the README."""
    lines = "".join(code_blocks("bash")).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_readme_works(line, tmp_path, monkeypatch, capsys):
    words = shlex.split(line)
    if words[0] == "make":
        names = subprocess.run(["make", "-qp"], cwd=ROOT, capture_output=True, text=True).stdout
        assert re.search(rf"^{words[1]}:", names, flags=re.MULTILINE)
    elif words[:2] == ["python", "scripts/train.py"]:
        monkeypatch.chdir(tmp_path)
        for name, content in re.findall(r"```yaml\n# (\S+)\n(.*?)```", README, flags=re.DOTALL):
            (tmp_path / name).write_text(content)
        tiny = [word for word in TINY if "data=" not in line or not word.startswith("data.")]
        if "data=fashion_mnist" in line and not Path("/usr/share/datasets/fashion-mnist").exists():
            pytest.skip("needs the Debian package dataset-fashion-mnist")
        sizes = ["data.train_size=40"] if "data=fashion_mnist" in line else []
        if "data.validation_size" in line:
            sizes.append("data.validation_size=10")
        assert train.main([*words[2:], *tiny, *sizes]) == 0, capsys.readouterr().err
    elif words[:2] == ["python", "scripts/geiping_ladder.py"]:
        assert geiping_ladder.main([*words[2:], "--list"]) == 0
    elif words[:2] in [["python", f"scripts/{name}.py"] for name in COMPARISONS]:
        assert COMPARISONS[Path(words[1]).stem].main([*words[2:], "--list"]) == 0
    elif words[:2] == ["python", "scripts/compare.py"]:
        monkeypatch.chdir(ROOT)
        assert compare.main(words[2:]) == 0, capsys.readouterr().err
    else:
        assert words[0] in ("git", "cd"), line


def test_python_of_the_readme_runs():
    for block in code_blocks("python"):
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("group", ["optimizer", "regularizer"])
def test_the_readme_lists_every_choice(group):
    rows = re.search(rf"\| `{group}=` \|.*?\n\n", README, flags=re.DOTALL).group(0)
    listed = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in rows.splitlines()[2:] if line)))
    assert listed == set(choices(group)) - {"custom", "none"}


def test_links_of_the_readme_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("folder", COMMITTED, ids=named)
def test_committed_tables_come_from_the_committed_runs(folder, capsys):
    """Table and page are made anew from runs.csv and study.json."""
    for form, name in (("csv", "table.csv"), ("md", "table.md")):
        assert compare.main([str(folder), "--format", form]) == 0
        assert capsys.readouterr().out == (folder / name).read_text()


def test_every_committed_study_can_be_planned_again():
    assert {named(folder) for folder in COMMITTED} == set(STUDIES)


@pytest.mark.parametrize("folder", COMMITTED, ids=named)
def test_committed_runs_are_those_of_today_s_settings(folder):
    rungs = STUDIES[named(folder)]()
    held = read_rows(folder / "runs.csv")
    seeds = sorted(set(held["seed"].tolist()))
    planned = {run.path.name.rpartition("-")[2]: run for run in plan(rungs, [], seeds, folder)}
    composed = collect(list(planned.values()))
    settings = setting_columns(composed)
    assert settings == setting_columns(held)
    for row in held.dropna(subset=["identity"]).to_dict("records"):
        run = planned[row["identity"][:10]]
        assert (run.labels, run.seed) == ({key: row[key] for key in run.labels}, row["seed"])
        mine = composed.loc[list(planned.values()).index(run), settings]
        assert {key: row[key] for key in settings} == mine.to_dict()
    description = read_description(folder / "study.json")
    assert description.published == published_values(rungs, description.by)


def test_the_readme_s_tables_are_the_committed_ones():
    shown = re.findall(r"<!-- (results/\S+/table\.md) -->\n(.*?)\n\n", README, flags=re.DOTALL)
    assert len(shown) >= 2
    for path, table in shown:
        text = (ROOT / path).read_text()
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert table.splitlines() == rows, path


def test_the_readme_s_ratios_are_the_measured_ones():
    shown = re.search(r"<!-- results/benchmark\.json -->\n\|.*?\n\|-.*?\n(.*?)\n\n", README, flags=re.DOTALL).group(1)
    measured = json.loads((ROOT / "results/benchmark.json").read_text())["ratios"]
    assert shown.splitlines() == [f"| {row['name']} | {row['value']:.2f} | {row['wanted']} |" for row in measured]
