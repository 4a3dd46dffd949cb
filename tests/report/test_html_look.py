"""The report in a real browser: themes, widths, names for screen readers, the keyboard, paper."""

import pytest
from report_browser import opened


def contrast(one, other):
    """The contrast of two colours, by WCAG 2."""

    def luminance(colour):
        numbers = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(", ")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in numbers]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_can_be_read_and_chosen(browser, file, scheme):
    def colour(page, place, name="color"):
        return page.locator(place).first.evaluate(f"(entry) => getComputedStyle(entry)['{name}']")

    with opened(browser, file[0].as_uri(), color_scheme=scheme) as page:
        paper = colour(page, "body", "background-color")
        assert (contrast(paper, "rgb(0, 0, 0)") < 2) == (scheme == "dark")
        for place in ("body", ".hint", ".supported .verdict", ".opposite .verdict", ".undecided .verdict", "nav a"):
            assert contrast(colour(page, place), paper) >= 4.5, place
        for index in range(4):
            assert contrast(colour(page, f".plot path.line.hue-{index}", "stroke"), paper) >= 3, index
        other = {"light": "dark", "dark": "light"}[scheme]
        page.get_by_label("Theme").select_option(other)
        assert colour(page, "body", "background-color") != paper
        page.get_by_label("Theme").select_option(scheme)
        assert colour(page, "body", "background-color") == paper


@pytest.mark.parametrize("width", [1200, 600, 360])
def test_no_width_makes_the_page_scroll_sideways(browser, file, width):
    with opened(browser, file[0].as_uri(), viewport={"width": width, "height": 800}) as page:
        page.get_by_role("slider").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_has_a_name(page):
    """Controls, regions and pictures, and the tables' captions and headers."""
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
            "button, input, select, textarea, [role=slider], [role=region], nav, img")]
        .filter((entry) => !(entry.getAttribute("aria-label") || entry.getAttribute("alt") || entry.textContent.trim()
            || (entry.labels && [...entry.labels].some((label) => label.textContent.trim()))))
        .map((entry) => entry.outerHTML)"""
    )
    assert nameless == []
    assert page.evaluate("document.documentElement.lang") == "en"
    for table in page.locator("table").all():
        assert table.locator("caption").inner_text()
        assert table.locator("thead th:not([scope=col])").count() == 0
        assert table.locator("tbody tr th:first-child:not([scope=row])").count() == 0
    assert page.locator("svg:not([aria-hidden=true])").count() == page.locator("[aria-hidden=true] svg.axis").count()
    assert page.locator(".verdict").all_inner_texts() == ["supported", "opposite", "supported", "undecided"]
    assert page.locator(".claims .shape").count() == 4
    shapes = page.evaluate("""() => [...document.querySelectorAll(".claims .shape")].map((entry) => entry.innerHTML)""")
    assert len(set(shapes)) == 3


def test_the_keyboard_reaches_everything_in_order(page):
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("(document.activeElement.id || document.activeElement.getAttribute('aria-label') "
                                  "|| document.activeElement.textContent).trim()"))  # fmt: skip
    wanted = ["Skip to the content", "Claims", "theme", "filter-0", "Copy CSV", "Copy LaTeX", "rung", "seconds", "all"]
    places = [seen.index(name) for name in wanted]
    assert places == sorted(places)
    assert {"left-0", "right-0"} < set(seen)
    assert any("training loss over passes" in name for name in seen)


def test_it_prints_without_controls(page):
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Copy CSV").is_visible()
    assert page.get_by_role("columnheader", name="rung").is_visible()
    assert page.locator(".plot").first.is_visible()
