"""The project's own rules: who imports whom, what is packaged, and that README and results say what commands print."""

import ast
import json
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pandas as pd
import pytest

from fbgd.report import caption, make_table
from fbgd.study import plan
from fbgd.tables import to_markdown
from scripts import geiping_ladder, train

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMITTED = sorted(path.parent for path in ROOT.glob("results/geiping_ladder/*/table.csv"))
TINY = ["data.source.train=40", "data.source.test=10", "regime.block_size=10", "budget.passes=1", "model.width=2"]


def imports(path):
    """Top-level packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
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
    names = {line.split(">=")[0] for line in declared["options"]["install_requires"].split()}
    modules = {"hydra": "hydra-core", "sklearn": "scikit-learn"}
    own = {"fbgd", "optimizers", "regularizers", "scripts"}
    for package in own:
        for path in (ROOT / package).rglob("*.py"):
            used = {modules.get(name, name) for name in imports(path)} - set(sys.stdlib_module_names) - own
            assert used <= names, path
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert names <= pinned


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
        assert train.main([*words[2:], *tiny, *sizes]) == 0, capsys.readouterr().err
    elif words[:2] == ["python", "scripts/geiping_ladder.py"]:
        assert geiping_ladder.main([*words[2:], "--list"]) == 0
    else:
        assert words[0] in ("git", "cd"), line


def test_python_of_the_readme_runs():
    for block in code_blocks("python"):
        exec(compile(block, "README.md", "exec"), {})


def test_links_of_the_readme_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_tables_come_from_the_committed_runs(folder):
    """Table and page are made anew from runs.csv by the code that made them."""
    data = folder.name.split("_augment-")[0]
    augment = folder.name.partition("_augment-")[2] or None
    rungs = geiping_ladder.choose(data, augment, quick=False, changed=False)
    runs = pd.read_csv(folder / "runs.csv")
    table = make_table(runs, rungs, geiping_ladder.BASELINE)
    pd.testing.assert_frame_equal(table, pd.read_csv(folder / "table.csv"), check_dtype=False, rtol=1e-12)
    config = plan(rungs, [], 1, folder)[0].config
    texts = caption(runs, rungs, config, geiping_ladder.BASELINE, geiping_ladder.SOURCE)
    assert (folder / "table.md").read_text() == to_markdown(
        table, ", ".join(["Geiping ladder", *folder.name.split("_augment")]), texts
    )
    # And the runs are those of today's settings.
    planned = plan(rungs, [], runs["seed"].nunique(), folder)
    identities = {(run.rung, run.seed): run.path.name.rpartition("-")[2] for run in planned}
    for row in runs.dropna(subset=["identity"]).to_dict("records"):
        assert row["identity"].startswith(identities[row["rung"], row["seed"]])


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
