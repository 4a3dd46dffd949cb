"""Pictures of whole pages in both themes, wide and narrow: for people to look at, in the folder ``FBGD_PICTURES``."""

import io
import os
from pathlib import Path

import matplotlib.image
import pytest
from files import ROOT
from report_browser import opened

from fbgd.report.html.command import make
from fbgd.studies.known import recipe_of

# Nothing is written without it, and only the made-up study is looked at.
FOLDER = os.environ.get("FBGD_PICTURES")
COMMITTED = ["geiping_ladder/mnist1d", "optimizer_comparison/mnist1d"] if FOLDER else []


@pytest.fixture(scope="module")
def pages(file, tmp_path_factory):
    """Pages as files, by study."""
    made = {"made_up": file[0]}
    for name in COMMITTED:
        made[name] = tmp_path_factory.mktemp("page") / "report.html"
        made[name].write_text(make([ROOT / "results" / name], recipe_of))
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("study", ["made_up", *COMMITTED])
def test_a_whole_page_is_a_picture(browser, pages, study, width, scheme):
    """It is as wide as the window, taller than it, light or dark, and every part of it shows something."""
    with opened(browser, pages[study].as_uri(), viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        if (seeds := page.get_by_label("single seeds")).count():
            seeds.check()
        # The bar at the top stays where the reader is.
        page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
        content = page.screenshot(full_page=True)
    if FOLDER:
        path = Path(FOLDER) / f"{study.replace('/', '-')}-{scheme}-{width}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    picture = matplotlib.image.imread(io.BytesIO(content))[..., :3]
    height, wide = picture.shape[:2]
    assert wide == width
    assert height > 800
    # Above the study's own figures, which are white in either theme.
    brightness = picture[:600].mean()
    assert brightness > 0.8 if scheme == "light" else brightness < 0.35
    # A window's height without anything in it is a hole.
    rows = (picture.max(axis=(1, 2)) - picture.min(axis=(1, 2))) > 0.1
    assert all(rows[top : top + 400].any() for top in range(0, height - 400, 200))
