"""The report in a real browser: sorting, filtering, curves, settings, copying; and no request."""

import threading
from itertools import pairwise

import pytest
from report_browser import NASTY, first_cells, opened
from report_folders import RUNGS, begin_run, loss, recipe_of, write_folder

from fbgd.report.compare import compare
from fbgd.report.formats import render
from fbgd.report.html.command import make
from fbgd.report.html.serve import LivePage, make_server


def test_a_header_sorts_up_down_and_back(page):
    own = [*RUNGS, NASTY]
    assert first_cells(page) == own
    header = page.get_by_role("columnheader", name="test accuracy %")
    orders = []
    for _ in range(3):
        header.get_by_role("button").click()
        orders.append((header.get_attribute("aria-sort"), first_cells(page)))
    up = [NASTY, "FB 9", "FB 10", "SGD"]
    assert orders == [("ascending", up), ("descending", up[::-1]), ("none", own)]
    # Words with numbers in them go by these; what is unknown stands last both ways.
    page.get_by_role("columnheader", name="rung").get_by_role("button").click()
    assert first_cells(page)[1:] == ["FB 9", "FB 10", "SGD"]
    difference = page.get_by_role("columnheader", name="Δ baseline").get_by_role("button")
    for _ in range(2):
        difference.click()
        assert first_cells(page)[-1] == "SGD"


def test_sorting_by_keyboard(page):
    header = page.get_by_role("columnheader", name="test accuracy %")
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert header.get_attribute("aria-sort") == "descending"
    assert page.locator('th[aria-sort]:not([aria-sort="none"])').count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_by_role("columnheader", name="95 % interval").get_attribute("aria-sort") == "ascending"


def test_rows_are_filtered_by_words(page):
    field = page.get_by_label("Filter rows")
    field.fill("fb")
    assert first_cells(page) == ["FB 9", "FB 10"]
    assert page.get_by_text("2 of 4 rows").is_visible()
    field.fill("fb 95.00")
    assert first_cells(page) == ["FB 10"]
    field.fill("no such row")
    assert first_cells(page) == []
    field.fill("")
    assert len(first_cells(page)) == 4


def test_groups_are_switched_and_scales_changed(page):
    lines = page.locator(".plot").first.locator("path.line")
    assert lines.count() == 4
    page.get_by_role("checkbox", name="SGD").uncheck()
    assert lines.count() == 3
    page.get_by_role("button", name="none", exact=True).click()
    assert page.get_by_text("no group is chosen").count() == 3
    page.get_by_role("button", name="all", exact=True).click()
    assert lines.count() == 4
    assert page.locator(".plot path.band").count() == 12
    page.get_by_label("single seeds").check()
    assert page.locator(".plot").first.locator("path.seed").count() == 12
    assert page.locator(".plot path.band").count() == 0

    def drawn():
        return lines.first.get_attribute("d")

    before = drawn()
    log = page.locator("figure.panel").first.get_by_label("logarithmic")
    assert log.is_checked()
    log.uncheck()
    linear = drawn()
    page.get_by_label("passes on a logarithmic scale").check()
    assert len({before, linear, drawn()}) == 3
    # The loss falls as 1 / passes: on two logarithmic scales that is a straight line.
    log.check()
    corners = [tuple(map(float, corner.split())) for corner in drawn()[1:].split("L")]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(corners)]
    assert slopes == pytest.approx([slopes[0]] * 3, rel=0.02)


def test_a_single_run_is_switched_off_and_on(page):
    """Below its group, by pointer and by keys; the mean stays that of all seeds."""
    loss_plot = page.locator(".plot").first
    seeds, mean = loss_plot.locator("path.seed.hue-0"), loss_plot.locator("path.line.hue-0")
    run = page.get_by_role("checkbox", name="SGD, seed 1", exact=True)
    assert page.locator(".runs:visible").count() == 0
    page.get_by_label("single seeds").check()
    assert page.locator(".runs:visible").count() == 4
    assert page.get_by_role("group", name="runs of SGD").get_by_role("checkbox").count() == 3
    before, paths = mean.get_attribute("d"), [entry.get_attribute("d") for entry in seeds.all()]
    run.uncheck()
    assert [entry.get_attribute("d") for entry in seeds.all()] == [paths[0], paths[2]]
    assert mean.get_attribute("d") == before
    assert page.get_by_text("still counts in the thick line").is_visible()
    # The keyboard goes from a group to its runs.
    page.get_by_role("checkbox", name="SGD 3 seeds", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert run.evaluate("(entry) => entry === document.activeElement")
    page.keyboard.press("Space")
    assert run.is_checked()
    assert seeds.count() == 3
    # Those of a group that is switched off are not there; switching all on brings every run back.
    run.uncheck()
    page.get_by_role("checkbox", name="SGD 3 seeds", exact=True).uncheck()
    assert page.locator(".runs:visible").count() == 3
    page.get_by_role("button", name="all", exact=True).click()
    assert run.is_checked()
    assert seeds.count() == 3
    page.get_by_label("single seeds").uncheck()
    assert page.locator(".runs:visible").count() == 0


def test_values_are_read_by_pointer_and_by_keys(page):
    plot = page.get_by_role("slider", name="training loss over passes")
    plot.focus()
    page.keyboard.press("Home")
    mean = loss("SGD", 1, 1)
    assert f"SGD {mean:g} ({mean / 2:g} to {mean * 1.5:g})" in plot.get_attribute("aria-valuetext")
    assert plot.get_attribute("aria-valuenow") == "1"
    page.keyboard.press("ArrowRight")
    assert plot.get_attribute("aria-valuenow") == "2"
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuenow") == "8"
    assert plot.locator(".readout").is_visible()
    page.keyboard.press("Escape")
    assert not plot.locator(".readout").is_visible()
    accuracy = page.get_by_role("slider", name="test accuracy % over passes")
    accuracy.scroll_into_view_if_needed()
    box = accuracy.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 60)
    assert accuracy.locator(".readout").inner_text().splitlines()[0] == "pass 8"
    assert "SGD: 58" in accuracy.locator(".readout").inner_text()
    page.mouse.move(0, 0)
    assert not accuracy.locator(".readout").is_visible()


def test_settings_in_which_two_rows_differ(page):
    section = page.locator("section", has=page.get_by_role("heading", name="Settings in which two rows differ"))
    one, other = section.get_by_label("One"), section.get_by_label("Other")
    assert section.locator("tbody tr").all_inner_texts() == ["regime.blocks_per_step\t1\tall"]
    other.select_option("FB 10")
    assert section.locator("tbody tr").all_inner_texts() == [
        "regime.blocks_per_step\t1\tall",
        "optimizer.lr\t0.1\t0.4",
        "regularizer.clip.max_norm\tnot there\t0.25",
    ]
    assert section.locator("thead th").all_inner_texts() == ["setting", "SGD", "FB 10"]
    one.select_option("FB 10")
    assert "the same row twice" in section.inner_text()
    one.select_option("FB 9")
    other.select_option(NASTY)
    assert "They differ in no setting." in section.inner_text()


COUNTED = """window.copied = [];
Object.defineProperty(navigator, "clipboard", {value: {writeText: async (text) => { window.copied.push(text); }}});"""
REFUSED = """Object.defineProperty(navigator, "clipboard", {value: undefined}); window.copied = [];
document.execCommand = () => { window.copied.push(document.activeElement.value); return %s; };"""


@pytest.mark.parametrize(("button", "form"), [("CSV", "csv"), ("LaTeX", "latex"), ("Markdown", "md")])
def test_the_table_is_copied(browser, file, button, form):
    path, folder = file
    expected = render(compare([folder], recipe_of=recipe_of), form)
    with opened(browser, path.as_uri(), script=COUNTED) as page:
        page.get_by_role("button", name=f"Copy {button}").click()
        page.get_by_text(f"{button} of the whole table is copied.").wait_for()
        assert page.evaluate("window.copied") == [expected]
        assert page.locator("#said").get_attribute("role") == "status"
    with opened(browser, path.as_uri(), script=REFUSED % "true") as page:
        page.get_by_role("button", name=f"Copy {button}").press("Enter")
        page.get_by_text(f"{button} of the whole table is copied.").wait_for()
        assert page.evaluate("window.copied") == [expected]
        assert page.evaluate("document.activeElement.textContent") == f"Copy {button}"
        assert page.locator("textarea").count() == 1
    with opened(browser, path.as_uri(), script=REFUSED % "false") as page:
        page.get_by_role("button", name=f"Copy {button}").click()
        area = page.get_by_label("Text to copy")
        assert area.input_value() == expected
        assert page.evaluate("getSelection().toString() || document.activeElement.value") == expected
        page.keyboard.press("Escape")
        assert not area.is_visible()


def test_text_from_data_runs_nothing(page):
    assert page.title() == "Made up, mnist1d"
    assert page.locator("body script").count() == 2
    assert NASTY in first_cells(page)
    assert page.get_by_role("checkbox", name=NASTY).is_checked()


def test_the_page_cannot_ask_for_anything(browser, file):
    """Its own policy forbids scripts, pictures and requests that it did not bring with it."""
    page = browser.new_page()
    page.goto(file[0].as_uri())
    refused = page.evaluate(
        """async () => {
            const found = [];
            document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.ran = 1";
            const image = new Image();
            const failed = new Promise((resolve) => { image.onerror = resolve; });
            image.src = "https://example.org/a.png";
            document.body.append(script, image);
            await failed;
            await fetch("https://example.org/").catch(() => null);
            await new Promise((resolve) => setTimeout(resolve));
            return found;
        }"""
    )
    assert sorted(refused) == ["connect-src", "img-src", "script-src-elem"]
    assert page.evaluate("window.ran") is None
    page.close()


def test_two_studies_stand_below_each_other(browser, file, tmp_path):
    path = tmp_path / "two.html"
    path.write_text(make([file[1], write_folder(tmp_path / "other" / "mnist1d", directories=False)], recipe_of))
    with opened(browser, path.as_uri()) as page:
        first, second = page.locator("article").all()
        second.get_by_label("Filter rows").fill("FB 9")
        assert second.locator("tbody tr:visible th[scope=row]").first.inner_text() == "FB 9"
        assert first.locator("table.values tbody tr:visible").count() == 4
        assert second.locator(".plot").count() == 0


def test_a_live_page_renews_itself_and_keeps_what_was_chosen(browser, tmp_path):
    folder = write_folder(tmp_path / "mnist1d")
    server = make_server(LivePage([folder], lambda version: make([folder], recipe_of, version)), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        with opened(browser, address, allowed=[f"{address}version"]) as page:
            assert page.get_by_text("No run is under way").is_visible()
            page.get_by_label("Filter rows").fill("FB")
            page.get_by_role("columnheader", name="test accuracy %").get_by_role("button").click()
            page.get_by_role("checkbox", name="SGD").uncheck()
            page.get_by_label("Theme").select_option("dark")
            begin_run(tmp_path / "runs", "full-batch", 7)
            page.get_by_role("progressbar", name="full-batch, seed 7").wait_for()
            assert page.get_by_role("progressbar").get_attribute("value") == "0.25"
            assert first_cells(page) == ["FB 9", "FB 10"]
            header = page.get_by_role("columnheader", name="test accuracy %")
            assert header.get_attribute("aria-sort") == "ascending"
            assert not page.get_by_role("checkbox", name="SGD").is_checked()
            assert page.get_by_label("Theme").input_value() == "dark"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
