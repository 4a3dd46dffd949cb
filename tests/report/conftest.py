"""A browser, and a page of the report that is open in it."""

import pytest
from report_browser import NASTY, found_browser, opened
from report_folders import RUNGS, recipe_of, write_folder

from fbgd.report.html.command import make


@pytest.fixture(scope="module")
def browser():
    """A browser for all tests of a module; they are skipped where there is none."""
    chromium = found_browser()
    from playwright import sync_api as playwright

    with playwright.sync_playwright() as started:
        opened_browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened_browser
        opened_browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page as a file, and its study's folder."""
    folder = write_folder(tmp_path_factory.mktemp("study") / "mnist1d", {**RUNGS, NASTY: [0.5, 0.6, 0.55]})
    path = folder.parent / "report.html"
    path.write_text(make([folder], recipe_of))
    return path, folder


@pytest.fixture
def page(browser, file):
    """The open page."""
    with opened(browser, file[0].as_uri(), viewport={"width": 1200, "height": 900}) as page:
        yield page
