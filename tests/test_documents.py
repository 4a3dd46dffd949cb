"""What the documents say is true: commands run, examples work, links lead somewhere, tables are the committed ones."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
from files import ROOT
from PIL import Image
from quotes import TABLE, documents, requoted, unquoted, with_tables

from fbgd.commands.main import main as overview
from fbgd.config.groups import choices
from fbgd.programs import PROGRAMS
from fbgd.studies.command import main

PATHS = [ROOT / "CONTRIBUTING.md", *documents()]
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in PATHS}
FASHION = Path("/usr/share/datasets/fashion-mnist")


def settings_only(words: list[str]) -> list[str]:
    """A study's command that prints its settings and runs nothing."""
    return [*(word for word in words if word != "--list"), "--list"]


def as_written(words: list[str]) -> list[str]:
    """A command that is quick enough as it is."""
    return words


def tiny_run(words: list[str]) -> list[str]:
    """A run of seconds."""
    sizes = ["regime.block_size=10", "budget.passes=1", "model.width=2"]
    chosen = {word.partition("=")[2] for word in words if word.startswith("data=")}
    if not chosen and not any(word.startswith("data.source._target_") for word in words):
        sizes += ["data.source.train=40", "data.source.test=10"]
    if "fashion_mnist" in chosen:
        sizes.append("data.train_size=40")
    if any(word.startswith("data.validation_size") for word in words):
        sizes.append("data.validation_size=10")
    if "model=gpt" in words or "model=vit" in words:
        sizes.append("model.width=4")
    if "model=gpt" in words:
        sizes.append("data.train_size=20")
    return [*words, *sizes]


def of_the_checkout(words: list[str]) -> list[str]:
    """A report of committed results, written to the folder of the test, and served to nobody."""
    return [str(ROOT / word) if word.startswith("results/") else word for word in words if word != "--watch"]


# How a script's command becomes one that takes seconds. A new script of a study: one line here.
SCRIPTS: dict[str, Callable[[list[str]], list[str]]] = {
    "train": tiny_run,
    "compare": as_written,
    "report": of_the_checkout,
    "geiping_ladder": settings_only,
    "fair_ladder": settings_only,
    "optimizer_comparison": settings_only,
    "regularizer_comparison": settings_only,
    "double_descent": settings_only,
    "bias_variance": settings_only,
    "weight_decay": settings_only,
    "edge_of_stability": settings_only,
    "implicit_bias": settings_only,
    "calibration": settings_only,
    "minima": settings_only,
    "critical_batch": settings_only,
    "ladder_probed": settings_only,
    "saddles": settings_only,
    "lectures": settings_only,
    "gpu_check": settings_only,
    "noise": settings_only,
    "escape": settings_only,
    "study": settings_only,
    "sweep": settings_only,
}
# Commands that are not for a test: they install, or change the checkout.
UNTESTED = ("pip", "git", "cd", "jupyter")


@cache
def script(name: str):
    """A script, loaded from its file."""
    spec = spec_from_file_location(f"documented_{name}", ROOT / "scripts" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every command line of all documents, each once."""
    text = "".join(block for document in DOCUMENTS.values() for block in blocks(document, "bash"))
    lines = text.replace("\\\n", " ").splitlines()
    return sorted({line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")})


@cache
def yaml_files() -> dict[str, str]:
    """The YAML files that documents show, by the names in their first lines."""
    return {
        name: content
        for document in DOCUMENTS.values()
        for block in blocks(document, "yaml")
        for name, content in re.findall(r"\A# (\S+\.yaml)\n(.*)", block, flags=re.DOTALL)
    }


@cache
def modules() -> dict[str, str]:
    """The modules that documents show, by the names in their first lines."""
    shown = [block for document in DOCUMENTS.values() for block in blocks(document, "python")]
    return {name: block for block in shown for name in re.findall(r"\A# (\w+\.py)\n", block)}


def write_data(folder: Path) -> None:
    """The data files that commands name: arrays, a table, and a folder of images."""
    draws = np.random.default_rng(0)
    labels = np.arange(40) % 2
    np.savez(folder / "my_arrays.npz", x=draws.normal(size=(40, 1, 12)), y=labels)
    lines = [f"{index},{draws.normal():.3f},{'ab'[label]}\n" for index, label in enumerate(labels)]
    (folder / "my_table.csv").write_text("name,length,kind\n" + "".join(lines))
    for index, label in enumerate(labels):
        place = folder / "my_images" / "ab"[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(place / f"{index}.png")


def write_saved(folder: Path) -> None:
    """A data set of Hugging Face."""
    datasets = pytest.importorskip("datasets")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 9, 8, 3), dtype=np.uint8)
    columns = {"image": list(map(Image.fromarray, pixels)), "label": [index % 2 for index in range(40)]}
    datasets.Dataset.from_dict(columns).save_to_disk(str(folder / "my_saved"))


@cache
def make_targets() -> set[str]:
    """What ``make`` can make."""
    database = subprocess.run(["make", "-qp"], cwd=ROOT, capture_output=True, text=True).stdout
    return set(re.findall(r"^([\w-]+):", database, flags=re.MULTILINE))


@pytest.mark.parametrize("line", commands())
def test_every_command_works(line, tmp_path, monkeypatch, capsys):
    words = shlex.split(line)
    if words[0] == "make":
        # Variables are set with a word of their own.
        assert {word for word in words[1:] if "=" not in word} <= make_targets()
        return
    if words[0] in UNTESTED:
        return
    if words[0] == "fbgd":
        if words[1] not in PROGRAMS:
            assert overview(words[1:]) == 0
            return
        # The same words and options, see tests/commands/.
        words[:2] = ["python", f"scripts/{PROGRAMS[words[1]].script}.py"]
    if words[0] == "torchrun":
        # The same run on one process; tests/runs/test_torchrun.py starts several.
        script_at = next(place for place, word in enumerate(words) if word.startswith("scripts/"))
        words = ["python", *words[script_at:]]
    assert words[0] == "python", line
    path = Path(words[1])
    if path.parent == Path("docs/examples"):
        # Those of the Python API are run by tests/api/test_examples.py.
        study = run_path(str(ROOT / path)).get("STUDY")
        assert study is None or main(study, settings_only(words[2:])) == 0
        return
    assert path.parent == Path("scripts"), line
    if path.stem not in SCRIPTS:
        pytest.fail(f"{path}: name it in SCRIPTS, with what makes its command quick")
    if "data=fashion_mnist" in words and path.stem == "train" and not FASHION.exists():
        pytest.skip("needs the Debian package dataset-fashion-mnist")
    monkeypatch.chdir(ROOT if path.stem == "compare" else tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, content in (yaml_files() | modules()).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    if "my_" in line:
        write_data(tmp_path)
    if "my_saved" in line:
        write_saved(tmp_path)
    assert script(path.stem).main(SCRIPTS[path.stem](words[2:])) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(yaml_files()))
def test_every_yaml_file_is_used(name):
    assert any(name in line.split("=")[-1] or f"={name}" in line for line in commands())


def test_files_that_documents_show_are_those_of_the_examples():
    shown = {name: content for name, content in yaml_files().items() if "/" in name}
    assert set(shown) == {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/examples").glob("*.yaml")}
    for name, content in shown.items():
        assert (ROOT / name).read_text() == f"# {name}\n{content}"


@pytest.mark.parametrize("name", [name for name, text in DOCUMENTS.items() if blocks(text, "python")])
def test_python_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks(DOCUMENTS[name], "python"):
        exec(compile(block, name, "exec"), {})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_exist(name):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", DOCUMENTS[name]):
        if not target.startswith("http"):
            assert ((ROOT / name).parent / target).exists(), target


@pytest.mark.parametrize("group", ["optimizer", "regularizer", "data", "model", "objective", "probe"])
def test_every_choice_is_listed(group):
    pages = {"data": "data", "objective": "objectives-and-probes", "probe": "objectives-and-probes"}
    page = DOCUMENTS[f"docs/{pages.get(group, f'{group}s')}.md"]
    rows = re.search(rf"\| `{group}=` \|.*?(\n\n|\Z)", page, flags=re.DOTALL).group(0)
    listed = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in rows.splitlines()[2:] if line)))
    assert listed == set(choices(group)) - {"custom", "none"}


def test_every_exported_name_is_on_its_page():
    import optimizers
    import regularizers

    for package in (optimizers, regularizers):
        shown = set(re.findall(r"::: [\w.]+\.(\w+)$", DOCUMENTS[f"docs/api/{package.__name__}.md"], flags=re.MULTILINE))
        assert shown == {name for name in package.__all__ if callable(getattr(package, name))}


@pytest.mark.parametrize("name", [name for name, text in DOCUMENTS.items() if TABLE.search(text)])
def test_tables_are_the_committed_ones(name):
    assert with_tables(DOCUMENTS[name]) == DOCUMENTS[name]


def test_some_tables_are_shown():
    assert sum(len(TABLE.findall(text)) for text in DOCUMENTS.values()) >= 5


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_numbers_in_prose_are_those_of_claims_and_words_follow_their_verdicts(path):
    text, wrong = requoted(path.read_text())
    assert text == path.read_text()
    assert wrong == []
    assert unquoted(text) == []


def test_a_wrong_number_or_verdict_in_prose_is_found():
    quote = "so <!--claim geiping_ladder/mnist1d :: clipping :: :: opposite-->+9.00 (8.00 to\n10.00)<!--/--> points"
    text, wrong = requoted(quote)
    assert "+9.00" not in text
    assert len(wrong) == 1
    assert requoted(text)[0] == text
    assert len(unquoted("It is 3.1 (0.4 to 5.8).\n| a | 3.1 (0.4 to 5.8) |\n")) == 1
    with pytest.raises(ValueError, match="no claim 'clippin'"):
        requoted(quote.replace("clipping", "clippin"))


def test_benchmark_numbers_are_the_measured_ones():
    page = DOCUMENTS["docs/performance.md"]
    shown = re.search(r"<!-- results/benchmark\.json -->\n\|.*?\n\|-.*?\n(.*?)\n\n", page, flags=re.DOTALL).group(1)
    measured = json.loads((ROOT / "results/benchmark.json").read_text())["ratios"]
    assert shown.splitlines() == [f"| {row['name']} | {row['value']:.2f} | {row['wanted']} |" for row in measured]


def test_the_readme_is_short():
    assert len(DOCUMENTS["README.md"].splitlines()) <= 150
