"""The command ``fbgd``: it lists all others, each has the words of its script and its own name in its help."""

import argparse
import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from files import ROOT

import fbgd
from fbgd.commands.main import main
from fbgd.config.compose import compose
from fbgd.errors import ConfigError, check_packages
from fbgd.programs import PROGRAMS, as_called, make_parser
from fbgd.runs.directory import default_folder


def script(name):
    """The module of a script."""
    spec = spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def help_of(call, capsys):
    """What a command says of itself."""
    try:
        assert call() == 0
    except SystemExit as ended:
        assert ended.code == 0
    return capsys.readouterr().out


def test_every_script_is_a_command():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert {program.script for program in PROGRAMS.values()} == scripts
    assert len(PROGRAMS) == len(scripts)


def test_scripts_are_thin():
    for path in (ROOT / "scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 20, path


def test_the_overview_names_all_and_loads_none():
    code = (
        "import sys\nfrom fbgd.commands.main import main\nassert main(['--help']) == 0\n"
        "assert not {'torch', 'numpy', 'pandas', 'omegaconf'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    for name, program in PROGRAMS.items():
        assert re.search(rf"^  {name} +{re.escape(program.about)}$", done.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_is_that_of_the_script_under_the_command_s_name(name, capsys, monkeypatch):
    """Words, options and text are the same but for the names of the commands."""
    monkeypatch.setenv("COLUMNS", "200")
    program = PROGRAMS[name]
    monkeypatch.setattr(sys, "argv", [f"{program.script}.py", "--help"])
    of_script = help_of(script(program.script).main, capsys)
    shown = help_of(lambda: main([name, "--help"]), capsys)
    assert shown.startswith(f"usage: fbgd {name} ")
    assert "scripts/" not in shown
    assert f"fbgd {name}" in shown.split("\n\n", 1)[1]

    def without_names(text):
        # Names of different lengths break lines of the usage elsewhere.
        return as_called(text.replace(f"{program.script}.py", f"fbgd {name}", 1), f"fbgd {name}").split()

    assert without_names(shown) == without_names(of_script)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["laddr"], "fbgd laddr is unknown; did you mean 'ladder'?"),
        (["--hlep"], "fbgd --hlep is unknown"),
        (["train", "optimizer=adm"], "did you mean 'adam'"),
        (["compare"], "runs: there is no such file or folder"),
        (["ladder", "--only", "FB cliped"], "did you mean 'FB clipped'"),
        (["double-descent", "model_wise", "--augment", "2x"], "unrecognized arguments"),
        (["study"], "name the file of a study"),
        (["sweep", "optimizer=sgd"], "nothing is swept"),
        (["report", "results/none"], "results/none: there is no such folder"),
    ],
)
def test_mistakes_are_those_of_the_scripts(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        assert main(words) == 2
    except SystemExit as ended:
        assert ended.code == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_nothing_asked_and_the_version(capsys):
    assert main([]) == 2
    assert "usage: fbgd COMMAND" in capsys.readouterr().err
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fbgd {fbgd.__version__}\n"


def test_a_run_goes_below_the_current_folder_and_compare_finds_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny = ["data.source.train=60", "data.source.test=20", "model=mlp", "model.width=4", "impl.threads=1"]
    words = ["optimizer=adam", "budget.passes=1", "regime.block_size=20", *tiny]
    assert main(["train", *words]) == 0
    assert main(["compare"]) == 0
    assert "optimizer Adam (lr" in " ".join(capsys.readouterr().out.split())
    (run,) = (tmp_path / "runs").iterdir()
    assert run.relative_to(tmp_path) == default_folder(compose(words))


def test_a_package_of_the_user_s_that_hides_one_of_these(tmp_path, monkeypatch):
    check_packages()
    monkeypatch.syspath_prepend(tmp_path)
    # A folder without code hides nothing.
    (tmp_path / "regularizers").mkdir()
    (tmp_path / "my_optimizers").mkdir()
    (tmp_path / "my_optimizers" / "__init__.py").write_text("")
    check_packages(["regularizers"])
    with pytest.raises(ConfigError, match=r"import my_optimizers finds .*my_optimizers.*__init__\.py, not "):
        check_packages(["my_optimizers"])


def test_parsers_show_help_as_it_is_written():
    parser = make_parser("first\n    python scripts/sweep.py a=1,2\n", "fbgd sweep")
    assert isinstance(parser, argparse.ArgumentParser)
    assert "first\n    fbgd sweep a=1,2\n" in parser.format_help()
