"""The project's own rules: who imports whom, what is packaged, and that results come from their runs."""

import ast
import sys
from configparser import ConfigParser
from functools import partial

import pytest
from files import ROOT

from fbgd.report.description import published_values, read_description
from fbgd.report.formats import render
from fbgd.runs.plan import collect, plan
from fbgd.runs.rows import read_rows, setting_columns
from fbgd.studies.double_descent import emc, model_wise, random_feature_figure
from fbgd.studies.double_descent import study as descent
from fbgd.studies.double_descent.tidy import run_table
from fbgd.studies.tuning import read_choice
from scripts import (
    compare,
    double_descent,
    fair_ladder,
    geiping_ladder,
    optimizers,
    regularizers,
    weight_decay,
)

FOUND = sorted(path.parent for path in ROOT.glob("results/**/table.csv") if "quick" not in path.parts)
DESCENT = [folder for folder in FOUND if "double_descent" in folder.parts]
DECAY = [folder for folder in FOUND if "weight_decay" in folder.parts]
COMMITTED = [folder for folder in FOUND if folder not in (*DESCENT, *DECAY)]


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
    assert found == {*(ROOT / "fbgd" / "config" / "conf").rglob("*.yaml"), ROOT / "fbgd" / "py.typed"}
    for path in (ROOT / "fbgd").rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


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


def descent_of(folder):
    """Figure, its name, sizes, data set and model of a folder results/double_descent/<figure>_<data>_<model>."""
    for name, figure in {**double_descent.FIGURES, "random_features": random_feature_figure}.items():
        if folder.name.startswith(f"{name}_"):
            rest = folder.name.removeprefix(f"{name}_")
            models = {"digits": {"relu": None}, "fashion_mnist": {"relu": None}}
            if figure is not random_feature_figure:
                models = double_descent.presets_of(figure)
            data, model = next((d, m) for d in models for m in models[d] if rest == f"{d}_{m}")
            return figure, data, model, models[data][model]
    raise ValueError(folder)


@pytest.mark.parametrize("folder", DESCENT, ids=named)
def test_pages_of_double_descent_come_from_their_tables(folder):
    """The page is made anew from table.csv, and what a table says of a run's end is what runs.csv says."""
    figure, data, model, sizes = descent_of(folder)
    table = descent.read_table(folder)
    closed = figure is random_feature_figure
    runs = None if closed else read_rows(folder / "runs.csv")
    summarise = partial(figure.summarise, references=sizes.references) if figure is model_wise else figure.summarise
    title = f"{figure.TITLE}, {data}, {model}"
    assert render(descent.page(title, summarise(table), runs), "md") == (folder / "table.md").read_text()
    assert set(table["figure"]) == {figure.NAME}
    if not closed:
        keys = ["width", "label_noise", "train_size", "procedure", "seed"]
        last = table.loc[table.groupby(keys, sort=False)["passes"].idxmax()]
        both = run_table(figure.NAME, runs).merge(last, on=keys, suffixes=("", "_table"))
        assert len(both) == len(last) == runs["status"].isin(["done", "diverged"]).sum()
        for name in ("parameters", "passes", "train_error", "test_error", "train_loss", "test_loss"):
            assert both[name].to_numpy() == pytest.approx(both[f"{name}_table"].to_numpy(), rel=1e-7, abs=1e-12), name


@pytest.mark.parametrize("folder", [one for one in DESCENT if (one / "runs.csv").exists()], ids=named)
def test_runs_of_double_descent_are_those_of_today_s_settings(folder):
    figure, *_, sizes = descent_of(folder)
    held = read_rows(folder / "runs.csv")
    points = {**{(p.width, p.label_noise, p.train_size, p.procedure.name): p for p in figure.choose(sizes)}}
    if figure is emc:
        for row in held.to_dict("records"):
            point = sizes.point(int(row["width"]), train_size=int(row["train_size"]))
            points[point.width, point.label_noise, point.train_size, point.procedure.name] = point
    study = descent.Study(sizes, 1, [], folder, 1)
    planned = {run.path.name.rpartition("-")[2] for run in study.plan(list(points.values()), sorted(set(held["seed"])))}
    assert {identity[:10] for identity in held["identity"]} <= planned


@pytest.mark.parametrize("folder", DECAY, ids=named)
def test_pages_of_weight_decay_come_from_their_tables(folder):
    """Of a folder results/weight_decay/<figure>, or <figure>_<data> for another data set than the usual one."""
    figure = next(one for name, one in weight_decay.FIGURES.items() if folder.name.split("_")[0] == name.split("_")[0])
    data = folder.name.removeprefix(figure.NAME).removeprefix("_") or next(iter(figure.PRESETS))
    table, runs = descent.read_table(folder), read_rows(folder / "runs.csv")
    made = descent.page(f"{figure.TITLE}, {data}", figure.summarise(table), runs)
    assert render(made, "md") == (folder / "table.md").read_text()
    assert set(table["figure"]) == {figure.NAME}
