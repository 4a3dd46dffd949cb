"""With what a run was made: the commit of the code, where the code is that of a checkout."""

import subprocess

import pytest

import fbgd
from fbgd.config.compose import compose
from fbgd.config.schema import to_dict
from fbgd.errors import ConfigError
from fbgd.runs import provenance
from fbgd.runs.provenance import identity, science


@pytest.fixture
def git(tmp_path):
    """A checkout with one committed file in ``fbgd/runs/``, and what runs git in it."""

    def run(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    for folder in ("fbgd/runs", ".venv/lib/fbgd/runs"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "provenance.py").write_text("")
    (tmp_path / ".gitignore").write_text(".venv/\n")
    run("init", "--quiet")
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    return run


def revision_of(path, monkeypatch):
    """The revision that is recorded where the module lies at ``path``."""
    monkeypatch.setattr(provenance, "__file__", str(path))
    return provenance.git_revision.__wrapped__()


def test_a_checkout_has_its_commit(git, tmp_path, monkeypatch):
    code = tmp_path / "fbgd" / "runs" / "provenance.py"
    assert revision_of(code, monkeypatch) == git("rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("no code")
    assert revision_of(code, monkeypatch) == git("rev-parse", "HEAD")
    code.write_text("changed = True\n")
    assert revision_of(code, monkeypatch) == git("rev-parse", "HEAD") + "+changes"


def test_an_installed_package_has_not_that_of_the_checkout_around_it(git, tmp_path, monkeypatch):
    assert revision_of(tmp_path / ".venv" / "lib" / "fbgd" / "runs" / "provenance.py", monkeypatch) == "unknown"


def test_the_version_is_recorded_too():
    assert provenance.environment()["fbgd"] == fbgd.__version__


def test_a_part_of_the_data_is_another_experiment_and_the_first_one_is_none():
    """Runs made before there were parts keep their identity."""
    sizes = ["data.train_size=100"]
    plain, first, second = (compose([*sizes, *words]) for words in ([], ["data.part=0"], ["data.part=1"]))
    assert identity(plain) == identity(first) != identity(second)
    assert "part" not in science(to_dict(first))["data"]
    with pytest.raises(ConfigError, match=r"data\.part = -1"):
        compose(["data.part=-1"])
