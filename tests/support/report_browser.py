"""Pages of the report in a browser."""

import importlib.util
import os
import shutil
from contextlib import contextmanager

import pytest

NASTY = "<script>document.title = 'run'</script>"


# Set where there must be a browser: by .ci/run, once it is installed.
EXPECTED = "FBGD_BROWSER"


def found_browser():
    """The path of chromium; skips without it or without playwright, and fails where these are expected."""
    missing = pytest.fail if os.environ.get(EXPECTED) else pytest.skip
    if importlib.util.find_spec("playwright") is None:
        missing("needs playwright: pip install 'fbgd[test]'")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        missing("needs chromium, on Debian: apt-get install chromium")
    return chromium


@contextmanager
def opened(browser, address, *, allowed=(), script=None, **options):
    """A page that is open; fails when it asks for anything else than itself, or says anything on the console."""
    context = browser.new_context(**options)
    wrong = []

    def answer(route):
        url = route.request.url
        if url in (address, *allowed):
            route.continue_()
        else:
            wrong.append(url)
            route.abort()

    context.route("**/*", answer)
    if script:
        context.add_init_script(script)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert wrong == []


def first_cells(page):
    """The rows that are shown, by their names, in their order."""
    return page.locator("table.values tbody tr:visible th").all_inner_texts()
