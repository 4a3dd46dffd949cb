"""The wheel, installed into an environment of its own: its commands work in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pandas as pd
import pytest
from files import ROOT

pytestmark = pytest.mark.slow


def checked(*words, **options):
    """The output of a command that succeeds."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the files that it is made of."""
    folder = tmp_path_factory.mktemp("build")
    for package in ("fbgd", "optimizers", "regularizers"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "dist", folder]
    checked(sys.executable, "-m", "pip", *build)
    (path,) = (folder / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs of an environment that has the wheel, and of the present one the packages that it needs."""
    folder = tmp_path_factory.mktemp("environment")
    checked(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    target = checked(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    site = sysconfig.get_path("purelib")
    pip = ["--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    checked(sys.executable, "-m", "pip", *pip)
    # Behind the packages of the new environment. A .pth in that folder, an editable install of fbgd say, is not read.
    with open(f"{target}/dependencies.pth", "w") as file:
        file.write(f"{site}\n")
    return folder / "bin"


def in_folder(programs, folder):
    """Runs a program of an environment in a folder, with nothing of the checkout in its search path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(program, *words):
        return checked(programs / program, *words, cwd=folder, env=environment | {"OMP_NUM_THREADS": "1"})

    return run


@pytest.fixture
def anywhere(installed, tmp_path):
    """Runs a program of the environment in an empty folder."""
    return in_folder(installed, tmp_path)


def test_the_wheel_holds_what_commands_need(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("fbgd", "optimizers", "regularizers"):
        own = [path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        assert {path.relative_to(ROOT).as_posix() for path in own} <= names
        assert f"{package}/py.typed" in names
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    about = archive.read(metadata).decode().partition("\n\n")[0].splitlines()
    assert "Project-URL: Paper, https://arxiv.org/abs/2109.14119" in about
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"fbgd", "optimizers", "regularizers"}


def test_commands_work_in_an_empty_folder(anywhere, tmp_path):
    assert "fair-ladder" in anywhere("fbgd", "--help")
    # What a user has lying about changes nothing, in workers neither.
    for name in ("optimizers", "regularizers", "fbgd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    assert "Written to results/quick/geiping_ladder/mnist1d" in anywhere("fbgd", "ladder", "--quick", "--workers", "2")
    table = pd.read_csv(tmp_path / "results" / "quick" / "geiping_ladder" / "mnist1d" / "table.csv")
    assert len(table) == 7
    assert table["n"].ge(1).all()
    assert "test accuracy" in anywhere("fbgd", "train", "optimizer=adam", "budget.passes=1")
    (run,) = (tmp_path / "runs").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["status"], summary["git_revision"]) == ("done", "unknown")
    assert "test accuracy" in anywhere("fbgd", "compare")
    shown = anywhere("fbgd", "compare", "results/quick/geiping_ladder/mnist1d", "--format", "md")
    assert shown == (tmp_path / "results" / "quick" / "geiping_ladder" / "mnist1d" / "table.md").read_text()
    anywhere("fbgd", "report", "results/quick/geiping_ladder/mnist1d")
    assert "<script>" in (tmp_path / "report.html").read_text()


def test_it_is_the_installed_one_that_is_imported(anywhere, installed):
    code = "import fbgd, optimizers; fbgd.run; print(fbgd.__file__); print(optimizers.__file__)"
    places = anywhere("python", "-P", "-c", code).split()
    assert all(place.startswith(str(installed.parent)) for place in places)
