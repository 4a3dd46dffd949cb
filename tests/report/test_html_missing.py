"""Without a browser its tests are skipped, and fail where one was installed."""

import shutil

import pytest
from files import ROOT
from report_browser import EXPECTED, found_browser


@pytest.mark.parametrize(
    ("expected", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)], ids=["skipped", "failed"]
)
def test_a_missing_browser(monkeypatch, expected, outcome):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv(EXPECTED, expected)
    with pytest.raises(outcome, match="needs chromium"):
        found_browser()


def test_ci_expects_the_browser_that_it_installed():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.count(f"export {EXPECTED}=1") == 2
