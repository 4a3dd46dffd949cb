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
from report_folders import begin_run, picture, recipe_of, write_folder

from fbgd.commands.report import make_report_parser
from fbgd.report.compare import compare
from fbgd.report.formats import render
from fbgd.report.html.bars import MARGIN, WIDTH
from fbgd.report.html.command import carry_out
from fbgd.report.html.data import VARIES, Source
from fbgd.report.html.document import document, to_script
from fbgd.studies import known

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
    text = document([Source(folder, recipe_of, **options).read()], "v" if options else "")
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
    page = compare([folder], recipe_of=recipe_of)
    shown = [entry[2].split("\n") for entry in elements.named("tr")]
    for row in page.rows:
        assert any([part for part in map(str.strip, parts) if part] == row for parts in shown)
    verdicts = [entry[2].strip() for entry in elements.all if entry[1].get("class") == "verdict"]
    assert verdicts == ["supported", "opposite", "supported", "undecided"]
    # A share is no difference: it has no bar around 0.
    bars = [bool(verdict.bar) for verdict in Source(folder, recipe_of).read().verdicts]
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
    both = [Source(folder, recipe_of).read()] * 2
    elements = Elements(document(both))
    names = [given["id"] for _, given, _ in elements.all if "id" in given]
    assert len(names) == len(set(names))
    assert [entry[2] for entry in elements.named("h1")] == ["2 studies"]


def test_settings_are_those_in_which_rows_differ(tmp_path):
    folder = write_folder(tmp_path / "mnist1d")
    runs = pd.read_csv(folder / "runs.csv", dtype=str, keep_default_na=False)
    runs["data.seed"] = runs["seed"].where(runs["rung"] == "SGD", "0")
    runs.to_csv(folder / "runs.csv", index=False)
    settings = Source(folder, recipe_of).read().settings
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
    report = Source(folder, recipe_of, live=True).read()
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
    assert Source(folder, recipe_of).read().unfinished is None
    # Runs on other data, which share the folder, are of other pages.
    assert Source(write_folder(tmp_path / "my_study" / "digits"), recipe_of, live=True).read().unfinished == []


def test_the_command_writes_the_page_and_says_what_is_wrong(folder, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert carry_out(make_report_parser().parse_args([str(folder), str(folder), "--out", str(out)]), recipe_of) == 0
    assert out.read_text() == page_of(folder)[0]
    assert str(out) in capsys.readouterr().out
    cases = {
        tmp_path / "nowhere": "no such folder",
        folder.parent: f"did you mean {folder.as_posix()}?",
        tmp_path: "no study.json",
    }
    for place, message in cases.items():
        assert carry_out(make_report_parser().parse_args([str(place), "--out", str(out)]), recipe_of) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
    broken = write_folder(tmp_path / "broken")
    (broken / "ladder.png").write_bytes(b"no picture")
    assert carry_out(make_report_parser().parse_args([str(broken), "--out", str(out)]), recipe_of) == 2
    assert "ladder.png is no PNG file" in capsys.readouterr().err


def test_committed_studies_have_a_page(tmp_path):
    """Every kind of table: by groups, side by side, and measured ones."""
    names = ("geiping_ladder/mnist1d", "fair_ladder/mnist1d", "double_descent/random_features_digits_relu")
    reports = [Source(ROOT / "results" / name, known.recipe_of).read() for name in names]
    Elements(document(reports))
    bars = [[column.name for column in report.columns if column.scales] for report in reports]
    assert bars == [["95 % interval", "Δ baseline (95 %)"], ["SGD - full batch (95 %)"], ["ridge: rise % (95 %)"]]
    assert list(reports[1].settings)[:2] == ["short / SGD", "short / full batch"]
    assert reports[2].curves.source == "No run was recorded over passes, so there are no curves."
    verdicts = pd.read_csv(ROOT / "results/geiping_ladder/mnist1d/claims.csv")["verdict"]
    assert reports[0].counts == {name: int((verdicts == name).sum()) for name in reports[0].counts}
    claims = re.findall(r'<li class="(\w+)">\s*<p class="verdict">', document(reports[:1]))
    assert claims == list(verdicts)


def test_rows_with_a_baseline_of_their_own_have_a_scale_of_their_own():
    """SGD's intervals of a point are not drawn on the scale of full batch's fifty."""
    report = Source(ROOT / "results" / "optimizer_comparison" / "mnist1d", known.recipe_of).read()
    column = next(column for column in report.columns if column.name.startswith("Δ"))
    place = report.columns.index(column)
    assert [(scale.name, scale.hue) for scale in column.scales] == [("SGD", 0), ("full batch", 1)]
    lengths = {}
    for row in report.rows:
        if (bar := row[place].bar) is not None:
            assert bar.hue == ["SGD", "full batch"].index(row[0].text)
            assert bar.reference == column.scales[bar.hue].place(0)
            lengths.setdefault(bar.hue, []).append(bar.high - bar.low)
    low, high = (float(row[place].text.split("(")[1].split(" to ")[0]) for row in (report.rows[1], report.rows[-1]))
    # By hand: as many pixels as the ends are apart on their own scale.
    for row, end in ((report.rows[1], low), (report.rows[-1], high)):
        scale = column.scales[row[place].bar.hue]
        share = (end - scale.low) / (scale.high - scale.low)
        assert row[place].bar.low == pytest.approx(MARGIN + (WIDTH - 2 * MARGIN) * share, abs=0.06)
    assert np.median(lengths[0]) > 8
    assert ">full batch</text>" in document([report])
    ladder = Source(ROOT / "results" / "geiping_ladder" / "mnist1d", known.recipe_of).read()
    assert {scale.name for column in ladder.columns for scale in column.scales} == {""}


def test_the_study_of_a_file_has_its_claims(tmp_path):
    rungs = {"SGD": ["regime=sgd"], "FB 9": ["regime=full_batch"], "FB 10": ["regime=full_batch", "optimizer.lr=0.4"]}
    claim = {"name": "falls", "sentence": "It falls short.", "left": "FB 9", "right": "SGD", "rule": "lower"}
    definition = {"rungs": rungs, "baseline": "SGD", "claims": [claim]}
    folder = write_folder(tmp_path / "mnist1d", study="mine", definition=definition, baseline={"rung": "SGD"})
    (verdict,) = Source(folder, known.recipe_of).read().verdicts
    assert verdict.finding.verdict == "supported"
    assert verdict.finding.value == pytest.approx(-25)
