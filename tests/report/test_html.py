"""The report as a file: what stands in it, that nothing in data is markup, and that it is the same every time."""

import base64
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from files import ROOT
from report_folders import PASSES, RECIPES, RUNGS, begin_run, loss, picture, write_folder

from fbgd.report.compare import compare
from fbgd.report.formats import render
from fbgd.report.html.bars import MARGIN, WIDTH, Interval, first_number, own_bar, read_interval, scale_of
from fbgd.report.html.command import main
from fbgd.report.html.curves import POINTS, line, thinned
from fbgd.report.html.data import VARIES, Source
from fbgd.report.html.document import document, to_script

NASTY = "</script><script>alert(1)</script> & \"'<!-- \u2028"
VOID = {"meta", "link", "img", "input"}


class Elements(HTMLParser):
    """All elements of a page with their attributes and texts; checks that they are closed in their order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.all, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.all.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append(self.all[-1])

    def handle_startendtag(self, tag, attrs):
        self.all.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        for entry in self.open:
            entry[2] += text

    def named(self, tag):
        return [entry for entry in self.all if entry[0] == tag]


def page_of(folder, **options):
    """The page of a folder, and its elements."""
    text = document([Source(folder, RECIPES, **options).read()], "v" if options else "")
    return text, Elements(text)


def embedded(elements):
    """What the script reads."""
    return json.loads(next(text for tag, given, text in elements.all if given.get("id") == "data"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for all tests that only look at it."""
    return write_folder(tmp_path_factory.mktemp("study") / "mnist1d")


def test_the_page_has_the_table_claims_notes_and_figures_of_the_folder(folder):
    text, elements = page_of(folder)
    page = compare([folder], recipes=RECIPES)
    shown = [entry[2].split("\n") for entry in elements.named("tr")]
    for row in page.rows:
        assert any([part for part in map(str.strip, parts) if part] == row for parts in shown)
    verdicts = [entry[2].strip() for entry in elements.all if entry[1].get("class") == "verdict"]
    assert verdicts == ["supported", "opposite", "supported", "undecided"]
    # A share is no difference: it has no bar around 0.
    bars = [bool(verdict.bar) for verdict in Source(folder, RECIPES).read().verdicts]
    assert bars == [True, True, False, True]
    assert "+24.00 (21.00 to 27.00)" in text
    assert "published: +11.94 (CIFAR-10)" in text
    assert "A note." in text
    assert "<span>9 runs.</span>" in text
    assert "Revision 0123456789ab; torch 2.13.0; cpu" in text
    image = elements.named("img")[0][1]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == picture()
    assert (image["width"], image["height"]) == ("1", "1")
    assert "accuracy by rung" in image["alt"]
    order = [entry[2] for entry in elements.named("h2")]
    assert order == ["Claims", "Validation table", "Curves", "Settings in which two rows differ", "Notes", "Figures"]
    copies = embedded(elements)[0]["copies"]
    assert copies == {form: render(page, form) for form in ("csv", "latex", "md")}


def test_nothing_in_the_page_leads_elsewhere(folder):
    text, elements = page_of(folder)
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert "@import" not in text
    for _, given, _ in elements.all:
        assert not any(key.startswith("on") or key == "style" for key in given)
        for key in ("src", "href"):
            assert given.get(key, "#").startswith(("#", "data:"))
    policy = next(given["content"] for _, given, _ in elements.all if given.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_text_from_data_is_never_markup(tmp_path):
    plain = page_of(write_folder(tmp_path / "plain" / "mnist1d"))[1]
    rungs = {NASTY: [0.9, 0.8, 0.7], "b": [0.6, 0.5, 0.7], "c": [0.6, 0.5, 0.71]}
    folder = write_folder(tmp_path / "nasty" / "mnist1d", rungs, paragraphs=[NASTY], source=NASTY)
    content = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**content, "title": NASTY}))
    text, elements = page_of(folder)
    assert [entry[0] for entry in elements.named("script")] == ["script", "script"]
    assert len(elements.named("script")) == len(plain.named("script"))
    assert "alert(1)" not in elements.named("script")[1][2]
    assert elements.named("title")[0][2] == NASTY
    assert elements.named("h1")[0][2] == NASTY
    assert NASTY in [entry[2] for entry in elements.named("th")]
    assert embedded(elements)[0]["curves"]["groups"][0]["label"] == NASTY
    assert NASTY in embedded(elements)[0]["settings"]
    assert "<i>" not in text


def test_json_in_a_script_element_cannot_end_it():
    content = {NASTY: [1.5, math.nan, math.inf, None, "é"]}
    text = to_script(content)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {NASTY: [1.5, None, None, None, "é"]}


def test_the_page_is_the_same_for_the_same_folders(folder):
    assert page_of(folder)[0] == page_of(folder)[0]
    both = [Source(folder, RECIPES).read()] * 2
    elements = Elements(document(both))
    names = [given["id"] for _, given, _ in elements.all if "id" in given]
    assert len(names) == len(set(names))
    assert [entry[2] for entry in elements.named("h1")] == ["2 studies"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+17.67 (7.9 to 27.4)", Interval(17.67, 7.9, 27.4)),
        ("-49.32, error × 14 (12 to 16)", Interval(14, 12, 16, True)),
        ("-3.93, error × 1.87 (0.00097 to 3.6e+03)", Interval(1.87, 0.00097, 3600, True)),
        ("-2.08, error × 0 (0 to 0.1)", None),
        ("87.48 to 101.73", Interval(None, 87.48, 101.73)),
        ("1,234.5 to 1,300.0", Interval(None, 1234.5, 1300)),
        ("2.7 (2-5)", Interval(2.7, 2, 5)),
        ("-0.06 (-6.4 to 6.3), p 1", Interval(-0.06, -6.4, 6.3)),
        ("10 (5.3e-16)", None),
        ("96.17 ± 0.51", None),
        ("from 3 to 4", None),
        ("–", None),
    ],
)
def test_intervals_are_read_from_cells(text, expected):
    assert read_interval(text) == expected


def test_numbers_that_cells_begin_with():
    texts = ["60,000", "2e-18", "-0.5 (1 to 2)", "3, 1 of 3 diverged", "none", "–", "", "5x", "0.15, published"]
    assert [first_number(text) for text in texts] == [60000, 2e-18, -0.5, 3, None, None, None, None, 0.15]


def test_bars_stand_where_their_numbers_say():
    scale = scale_of([Interval(1, 0, 2), Interval(3, 2, 4)], factor=False, about_zero=False)
    bar = scale.bar(Interval(2, 1, 3))
    assert bar.value == pytest.approx(WIDTH / 2)
    assert (bar.low - MARGIN) / (WIDTH - 2 * MARGIN) == pytest.approx((1 + 0.12) / 4.24, abs=0.01)
    assert not (bar.cut_low or bar.cut_high or bar.outside)
    ratios = scale_of([Interval(2, 1, 4, True), Interval(0.5, 0.25, 1, True)], factor=True, flipped=True)
    # On a flipped logarithmic scale half the error is as far right of 1 as twice the error is left of it.
    places = [ratios.bar(Interval(value, value, value, True)).value for value in (2, 1, 0.5)]
    assert places[0] < places[1] == ratios.place(0) < places[2]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.11)
    assert ratios.ticks[0][1].startswith("×4")


def test_one_row_far_away_does_not_press_the_others_together():
    near = [Interval(90 + index, 89.5 + index, 90.5 + index) for index in range(6)]
    scale = scale_of([*near, Interval(20, 15, 25)], factor=False, about_zero=False)
    assert scale.low > 80
    far = scale.bar(Interval(20, 15, 25))
    assert far.outside and far.cut_low and not far.cut_high and far.value is None
    wide = [Interval(0.1 * index, -1, 1 + index / 9) for index in range(20)]
    scale = scale_of([*wide, Interval(0.5, -500, 500)], factor=False)
    cut = scale.bar(Interval(0.5, -500, 500))
    assert cut.cut_low and cut.cut_high and cut.value is not None and scale.high < 10


def test_a_claim_s_bar_has_zero_in_the_middle():
    assert own_bar(1.0, 1.0, 1.0) is None
    assert own_bar(1.0, math.nan, math.nan) is None
    bar = own_bar(2.0, -1.0, 5.0)
    assert bar.reference == WIDTH / 2
    assert bar.low < bar.reference < bar.value < bar.high


def test_curves_are_mean_and_range_over_the_seeds(folder):
    curves = Source(folder, RECIPES).read().curves
    assert curves.source == f"9 of 9 runs have their records in {folder.parent.name}/runs/."
    assert [panel["key"] for panel in curves.panels] == ["loss", "test_accuracy", "learning_rate"]
    assert [group["label"] for group in curves.groups] == list(RUNGS)
    for group in curves.groups:
        expected = np.array([[loss(group["label"], seed, passes) for passes in PASSES] for seed in range(3)])
        drawn = group["lines"]["loss"]
        assert drawn["x"] == PASSES
        assert drawn["mean"] == pytest.approx(expected.mean(axis=0), rel=1e-4)
        assert drawn["low"] == pytest.approx(expected[0], rel=1e-4)
        assert drawn["high"] == pytest.approx(expected[2], rel=1e-4)
        assert [seed["seed"] for seed in drawn["single"]] == [0, 1, 2]
        assert drawn["single"][2]["y"] == pytest.approx(expected[2], rel=1e-4)
        assert group["lines"]["test_accuracy"]["x"] == [2, 8]
        assert group["lines"]["test_accuracy"]["mean"] == pytest.approx([52, 58])


def test_seeds_of_other_passes_are_interpolated_and_never_beyond_their_ends():
    long, short = (pd.DataFrame({"passes": passes, "loss": values}) for passes, values in (
        ([0.0, 2.0, 4.0], [4.0, 2.0, 0.0]), ([1.0, 2.0, 3.0], [1.0, math.inf, 5.0])))  # fmt: skip
    drawn = line([(0, long), (1, short)], "loss", single=True)
    assert drawn["x"] == [0, 1, 2, 3, 4]
    assert drawn["n"] == [1, 2, 2, 2, 1]
    assert drawn["mean"] == [4, 2, 2.5, 3, 0]


def test_of_very_many_runs_single_seeds_are_left_out_and_said_to_be(folder, monkeypatch):
    monkeypatch.setattr("fbgd.report.html.curves.MOST_SINGLE", 8)
    curves = Source(folder, RECIPES).read().curves
    assert "With more than 8 runs, single seeds are left out." in curves.source
    assert [len(group["lines"]["loss"]["single"]) for group in curves.groups] == [0, 0, 0]
    assert curves.groups[0]["lines"]["loss"]["n"] == [3] * 4


def test_long_curves_keep_both_ends_in_few_points():
    grid = np.arange(1.0, 5001.0)
    kept = thinned(grid, POINTS)
    assert len(kept) <= POINTS
    assert (kept[0], kept[-1]) == (1, 5000)
    assert set(np.diff(kept[:5])) == {1.0}
    assert np.diff(kept).max() < 100


def test_without_run_directories_curves_are_those_of_measurements_or_none(tmp_path):
    folder = write_folder(tmp_path / "mnist1d", directories=False)
    curves = Source(folder, RECIPES).read().curves
    assert curves.groups == []
    assert "so no curves can be drawn" in curves.source
    text, elements = page_of(folder)
    assert curves.source in text
    assert not [entry for entry in elements.all if entry[1].get("class") == "curves"]
    rows = [(rung, seed, passes, 1 / passes, 0.5) for rung in RUNGS for seed in (0, 1) for passes in PASSES]
    table = pd.DataFrame(rows, columns=["rung", "seed", "passes", "train_loss", "test_error"])
    table.to_csv(folder / "measurements.csv", index=False)
    curves = Source(folder, RECIPES).read().curves
    assert "measurements.csv" in curves.source
    assert [(group["label"], group["seeds"]) for group in curves.groups] == [(rung, 2) for rung in RUNGS]
    assert curves.groups[0]["lines"]["loss"]["mean"] == [1, 0.5, 0.25, 0.125]
    assert curves.groups[0]["lines"]["test_accuracy"]["mean"] == [50] * 4


def test_settings_are_those_in_which_rows_differ(tmp_path):
    folder = write_folder(tmp_path / "mnist1d")
    runs = pd.read_csv(folder / "runs.csv", dtype=str, keep_default_na=False)
    runs["data.seed"] = runs["seed"].where(runs["rung"] == "SGD", "0")
    runs.to_csv(folder / "runs.csv", index=False)
    settings = Source(folder, RECIPES).read().settings
    assert settings == {
        "SGD": {"data.seed": VARIES, "regime.blocks_per_step": "1", "optimizer.lr": "0.1",
                "regularizer.clip.max_norm": ""},
        "FB 9": {"data.seed": "0", "regime.blocks_per_step": "all", "optimizer.lr": "0.1",
                 "regularizer.clip.max_norm": ""},
        "FB 10": {"data.seed": "0", "regime.blocks_per_step": "all", "optimizer.lr": "0.4",
                  "regularizer.clip.max_norm": "0.25"},
    }  # fmt: skip


def test_running_runs_are_shown_as_far_as_they_are(tmp_path):
    """Before a study has ended there is no study.json: the page is made of the run directories."""
    pool = tmp_path / "my_study" / "runs"
    begin_run(pool, "sgd", 0)
    begin_run(pool, "sgd", 1, passes=0)
    begin_run(pool, "full-batch", 2, error="ValueError: <too large>")
    folder = tmp_path / "my_study" / "mnist1d"
    report = Source(folder, RECIPES, live=True).read()
    assert report.page.title == "my_study, mnist1d"
    states = {(run.setting, run.seed): (run.passes, run.budget, run.share, run.error) for run in report.unfinished}
    assert states == {
        ("sgd", 0): (2, 8, 0.25, ""),
        ("sgd", 1): (0, 8, 0, ""),
        ("full-batch", 2): (2, 8, 0.25, "ValueError: <too large>"),
    }
    assert [group["label"] for group in report.curves.groups] == ["full-batch", "sgd"]
    text, elements = page_of(folder, live=True)
    assert [entry[1]["value"] for entry in elements.named("progress")] == ["0.25", "0"]
    assert "failed: ValueError: &lt;too large&gt;" in text
    # A finished study's page does not speak of the other runs in its pool.
    write_folder(folder)
    assert Source(folder, RECIPES).read().unfinished is None
    # Runs on other data, which share the folder, are of other pages.
    assert Source(write_folder(tmp_path / "my_study" / "digits"), RECIPES, live=True).read().unfinished == []


def test_the_command_writes_the_page_and_says_what_is_wrong(folder, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert main("Help.", RECIPES, [str(folder), str(folder), "--out", str(out)]) == 0
    assert out.read_text() == page_of(folder)[0]
    assert str(out) in capsys.readouterr().out
    cases = {
        tmp_path / "nowhere": "no such folder",
        folder.parent: f"did you mean {folder.as_posix()}?",
        tmp_path: "no study.json",
    }
    for place, message in cases.items():
        assert main("Help.", RECIPES, [str(place), "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
    broken = write_folder(tmp_path / "broken")
    (broken / "ladder.png").write_bytes(b"no picture")
    assert main("Help.", RECIPES, [str(broken), "--out", str(out)]) == 2
    assert "ladder.png is no PNG file" in capsys.readouterr().err


def test_committed_studies_have_a_page(tmp_path):
    """Every kind of table: by groups, side by side, and measured ones."""
    from fbgd.studies import BUILT_IN

    recipes = {key: study.recipe for key, study in BUILT_IN.items()}
    names = ("geiping_ladder/mnist1d", "fair_ladder/mnist1d", "double_descent/random_features_digits_relu")
    reports = [Source(ROOT / "results" / name, recipes).read() for name in names]
    Elements(document(reports))
    bars = [[column.name for column in report.columns if column.scales] for report in reports]
    assert bars == [["95 % interval", "Δ baseline (95 %)"], ["SGD - full batch (95 %)"], ["ridge: rise % (95 %)"]]
    assert list(reports[1].settings)[:2] == ["short / SGD", "short / full batch"]
    assert reports[2].curves.source == "No run was recorded over passes, so there are no curves."
    verdicts = pd.read_csv(ROOT / "results/geiping_ladder/mnist1d/claims.csv")["verdict"]
    assert reports[0].counts == {name: int((verdicts == name).sum()) for name in reports[0].counts}
    claims = re.findall(r'<li class="(\w+)">\s*<p class="verdict">', document(reports[:1]))
    assert claims == list(verdicts)
