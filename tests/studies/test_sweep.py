"""Sweeps: the grammar, what is chosen and counted, pages made again, a search that is resumed and repeatable."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from inprocess import run_here

from fbgd.errors import ConfigError
from fbgd.report.evidence import read_evidence
from fbgd.runs import launch as launching
from fbgd.runs.plan import Rung
from fbgd.runs.rows import read_rows
from fbgd.studies.execution import Execution
from fbgd.studies.given import GivenPreset
from fbgd.studies.sweep.choice import Selection, choice_paragraphs
from fbgd.studies.sweep.command import main
from fbgd.studies.sweep.grammar import Axis, Range, product, read_words
from fbgd.studies.sweep.plots import search_plot
from fbgd.studies.sweep.search import ROUND, Search
from fbgd.studies.sweep.study import make_sweep
from scripts import compare

TINY = [
    "data.source.train=60",
    "data.source.test=40",
    "data.validation_size=20",
    "model=mlp",
    "model.width=4",
    "regime.block_size=10",
    "budget.passes=2",
    "impl.threads=1",
]


def files_of(folder):
    """The files of a results folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def remade(folder, capsys):
    """The page of a folder, made again from its files."""
    capsys.readouterr()
    assert compare.main([str(folder), "--format", "md"]) == 0
    return capsys.readouterr().out


class TestGrammar:
    @pytest.mark.parametrize(
        "values",
        [
            {"optimizer": ["sgd", "adam", "muon"], "optimizer.lr": ["0.03", "0.1"]},
            {"regime": ["sgd", "full_batch"], "model": ["mlp", "cnn"], "budget.passes": ["1", "2", "3"]},
            {
                "regularizer": ["[]", "[l2,mixup]"],
                "optimizer.nesterov": ["true", "false"],
                "precision": ["fp32", "fp64"],
            },
        ],
    )
    def test_rungs_are_the_product(self, values):
        words = ["seed=0,1", "schedule=cosine", *(f"{key}={','.join(own)}" for key, own in values.items())]
        swept = read_words(words)
        found = [rung.overrides[1:] for rung in product(swept)]
        expected = itertools.product(*([f"{key}={value}" for value in own] for key, own in values.items()))
        assert found == list(expected)
        assert swept.seeds == (0, 1)
        names = [rung.name for rung in product(swept)]
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("optimizer.lr=range(1,4)", ("1", "2", "3")),
            ("optimizer.lr=range(0,1,0.25)", ("0", "0.25", "0.5", "0.75")),
            ("optimizer.lr=choice(1e-1,3)", ("0.1", "3")),
            ("optimizer=choice(sgd,adam)", ("sgd", "adam")),
            ("optimizer.betas=[0.9,0.99],[0.9,0.999]", ("[0.9,0.99]", "[0.9,0.999]")),
            ("data.train_size=null,100", ("null", "100")),
        ],
    )
    def test_every_form_of_values(self, word, expected):
        (axis,) = read_words([word]).axes
        assert axis.values == expected

    def test_labels_are_the_shortest_that_no_column_has(self):
        words = ["optimizer=sgd,adam", "optimizer.lr=1,2", "budget.passes=1,2", "seed=3", "record.train=true,false"]
        assert [axis.label for axis in read_words(words).axes] == ["optimizer", "lr", "budget passes", "train"]
        words = ["regularizer.a.strength=1,2", "regularizer.b.strength=1,2"]
        assert [axis.label for axis in read_words(words).axes] == ["a strength", "b strength"]

    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("a.b=interval(1e-3,1)", Range(1e-3, 1, log=True)),
            ("a.b=interval(0.5,1)", Range(0.5, 1)),
            ("a.b=interval(0,1)", Range(0, 1)),
            ("a.b=tag(log,interval(0.5,1))", Range(0.5, 1, log=True)),
            ("a.b=tag(linear,interval(1e-3,1))", Range(1e-3, 1)),
            ("a.b=int(interval(8,64))", Range(8, 64, whole=True)),
            ("a.b=int(interval(1,64))", Range(1, 64, log=True, whole=True)),
        ],
    )
    def test_ranges(self, word, expected):
        assert read_words([word]).axes[0].range == expected

    @pytest.mark.parametrize(
        ("word", "message"),
        [
            ("optimizer=glob(*)", "a sweep takes key=a,b"),
            ("optimizer.lr=shuffle(1,2)", "a sweep takes key=a,b"),
            ("optimizer.lr=1,1.0", "holds a value twice"),
            ("optimizer.lr=range(3,3)", "holds no value"),
            ("optimizer.lr=1,,2", "is not readable"),
            ("optimizer.lr=interval(1,0)", "low < high"),
            ("optimizer.lr=tag(log,interval(0,1))", "0 < low < high"),
            ("optimizer.lr=tag(lag,interval(0,1))", "the tag 'lag' is unknown"),
            ("seed=0,0", "seeds are different whole numbers"),
            ("seed=a", "seeds are different whole numbers"),
            ("optimizer", "not of the form key=value"),
        ],
    )
    def test_mistakes(self, word, message):
        with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
            read_words([word])


def test_what_is_chosen_and_what_the_table_has(tmp_path, in_process, capsys):
    """Two optimizers, two rates, two seeds: the choice by hand from runs.csv, the table from the chosen runs."""
    words = ["optimizer=sgd,adam", "optimizer.lr=0.001,0.1", "seed=0,1", *TINY, "--baseline", "optimizer=sgd"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert "Sweep over optimizer, lr, mnist1d" in capsys.readouterr().out
    runs, table = read_rows(tmp_path / "runs.csv"), pd.read_csv(tmp_path / "table.csv")
    assert len(runs) == 8
    assert list(zip(runs["optimizer"], runs["lr"], strict=True))[:4] == [
        ("sgd", "0.001"), ("sgd", "0.1"), ("adam", "0.001"), ("adam", "0.1")
    ]  # fmt: skip
    assert (runs["lr"] == runs["optimizer.lr"]).all()
    assert list(table["optimizer"]) == ["sgd", "adam"]
    for row in table.to_dict("records"):
        own = runs[runs["optimizer"] == row["optimizer"]]
        scores = {lr: mine["validation_accuracy"].to_numpy() for lr, mine in own.groupby("lr")}
        best = max(scores, key=lambda lr: scores[lr].mean())
        error = scores[best].std(ddof=1) / math.sqrt(2)
        near = [lr for lr, score in scores.items() if score.mean() >= scores[best].mean() - error]
        # Of two that are equally near the middle, the better one.
        assert str(row["lr"]) == max(near, key=lambda lr: scores[lr].mean())
        counted = own[own["lr"] == str(row["lr"])]
        assert row["mean"] == pytest.approx(100 * counted["test_accuracy"].mean())
        assert row["n"] == 2
    page = (tmp_path / "table.md").read_text()
    assert "The same seeds chose and count" in page
    assert remade(tmp_path, capsys) == page
    written = files_of(tmp_path)
    assert len(written["search.png"]) > 10_000
    assert len(written["accuracy.png"]) > 10_000
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert files_of(tmp_path) == written
    # Fresh seeds of what was chosen, and nothing else, are run; the search keeps its runs.
    finished = set((tmp_path / "runs").iterdir())
    assert main([*words, "--fresh", "3", "--out", str(tmp_path)]) == 0
    assert len(set((tmp_path / "runs").iterdir()) - finished) == 6
    fresh, searched = read_rows(tmp_path / "runs.csv"), read_rows(tmp_path / "search.csv")
    pd.testing.assert_frame_equal(searched, runs)
    assert sorted(fresh["seed"]) == [2, 2, 3, 3, 4, 4]
    chosen = set(zip(table["optimizer"], table["lr"].astype(str), strict=True))
    assert set(zip(fresh["optimizer"], fresh["lr"], strict=True)) == chosen
    again = pd.read_csv(tmp_path / "table.csv")
    assert list(again["lr"]) == list(table["lr"])
    for row in again.to_dict("records"):
        own = fresh[fresh["optimizer"] == row["optimizer"]]
        assert row["mean"] == pytest.approx(100 * own["test_accuracy"].mean())
    page = (tmp_path / "table.md").read_text()
    assert "None of the seeds that chose counts in the table" in page
    assert remade(tmp_path, capsys) == page


def test_a_row_for_every_combination_where_nothing_is_chosen(tmp_path, in_process, capsys):
    words = ["optimizer=sgd,adam", "optimizer.lr=0.001,0.1", *TINY, "--seeds", "1", "--over", "none"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 4
    assert list(table["mean"]) == pytest.approx(list(100 * read_rows(tmp_path / "runs.csv")["test_accuracy"]))
    assert "chosen" not in (tmp_path / "table.md").read_text()
    assert remade(tmp_path, capsys) == (tmp_path / "table.md").read_text()


def sweep_runs(score, lr=(0.1, 0.2, 0.4, 0.8), decay=(0.0,), seeds=3, metric="validation_accuracy"):
    """Runs of two optimizers whose score is a function of optimizer, rate, decay and seed."""
    return pd.DataFrame(
        {"optimizer": name, "lr": str(rate), "decay": str(own), "seed": seed, metric: score(name, rate, own, seed)}
        for name in ("sgd", "adam") for rate in lr for own in decay for seed in range(seeds)
    )  # fmt: skip


class TestChoice:
    def test_of_a_plateau_the_middle(self):
        def score(name, rate, own, seed):
            return {0.1: 0.5, 0.2: 0.90, 0.4: 0.899, 0.8: 0.898}[rate] + 0.01 * seed

        selection = Selection("validation_accuracy", ("lr",), ("optimizer",), plateau=True, numeric=("lr",))
        found = selection.choose(sweep_runs(score))
        assert {group: choice.values for group, choice in found.items()} == {
            ("sgd",): {"lr": "0.4"}, ("adam",): {"lr": "0.4"}
        }  # fmt: skip
        best = replace(selection, plateau=False).choose(sweep_runs(score))
        assert best[("sgd",)].values == {"lr": "0.2"}
        assert best[("sgd",)].score == pytest.approx(0.91)

    def test_two_numbers_are_chosen_together_and_losses_are_low(self):
        def loss(name, rate, own, seed):
            return (math.log(rate) - math.log(0.4)) ** 2 + (own - (0.1 if name == "sgd" else 0.2)) ** 2 + 0.01 * seed

        selection = Selection("loss", ("lr", "decay"), ("optimizer",), numeric=("lr", "decay"))
        found = selection.choose(sweep_runs(loss, decay=(0.0, 0.1, 0.2), metric="loss"))
        assert found[("sgd",)].values == {"lr": "0.4", "decay": "0.1"}
        assert found[("adam",)].values == {"lr": "0.4", "decay": "0.2"}
        assert found[("sgd",)].ends == ()
        assert found[("adam",)].ends == ("decay",)

    def test_what_lacks_a_seed_is_not_chosen_and_that_is_said(self):
        def score(name, rate, own, seed):
            return math.nan if name == "adam" or (rate == 0.8 and seed == 1) else rate

        selection = Selection("validation_accuracy", ("lr",), ("optimizer",), plateau=True, numeric=("lr",))
        runs = sweep_runs(score)
        found = selection.choose(runs)
        assert found[("sgd",)].values == {"lr": "0.4"}
        assert found[("adam",)] is None
        told = " ".join(choice_paragraphs(selection, runs, {"lr": "optimizer.lr"}, fresh=False))
        assert "so not to be chosen: sgd (0.8)." in told
        assert "Nothing was chosen in adam" in told
        assert list(selection.keep(runs, found.values())["lr"].unique()) == ["0.4"]

    def test_how_surely_is_said(self):
        def score(name, rate, own, seed):
            return [0.9, 0.5, 0.5, 0.5][(0.1, 0.2, 0.4, 0.8).index(rate)] if seed else rate

        selection = Selection("validation_accuracy", ("lr",), ("optimizer",), plateau=True, numeric=("lr",))
        told = choice_paragraphs(selection, sweep_runs(score), {"lr": "optimizer.lr"}, fresh=True)
        assert any("chooses another value in so many of its draws" in text for text in told)
        single = choice_paragraphs(selection, sweep_runs(score, seeds=1), {"lr": "optimizer.lr"}, fresh=True)
        assert not any("bootstrap" in text for text in single)

    def test_figures_of_one_two_and_three_numbers(self):
        def score(name, rate, own, seed):
            return 0.5 + rate / 2 - own + 0.01 * seed

        axes = [Axis("optimizer.lr", "lr", ("0.1", "0.8")), Axis("optimizer.decay", "decay", ("0", "0.1"))]
        runs = sweep_runs(score)
        one = Selection("validation_accuracy", ("lr",), ("optimizer",), plateau=True, numeric=("lr",))
        figure = search_plot(one, axes[:1], runs, "title", grid=True)
        assert [panel.get_title() for panel in figure.axes] == ["sgd", "adam"]
        grid = sweep_runs(score, decay=(0.0, 0.1))
        two = Selection("validation_accuracy", ("lr", "decay"), ("optimizer",), numeric=("lr", "decay"))
        figure = search_plot(two, axes, grid, "title", grid=True)
        shown = [text.get_text() for text in figure.axes[0].texts]
        # The top row is of the larger decay: the means over three seeds, in percent.
        assert shown[:4] == ["46", "51", "61", "81"]
        assert shown[4:] == ["56", "61", "71", "91"]
        figure = search_plot(replace(two, numeric=()), axes, grid, "title", grid=False)
        assert [panel.get_xlabel() for panel in figure.axes] == ["optimizer.lr", "optimizer.decay"]
        points = figure.axes[0].collections[0].get_offsets()
        assert sorted(points[:, 1]) == pytest.approx(sorted([46, 51, 61, 81, 56, 61, 71, 91]))
        nothing = grid.assign(validation_accuracy=np.nan)
        assert search_plot(two, axes, nothing, "title", grid=True) is None


def make_search(seed=0):
    """A search over a rate and a width."""
    axes = (Axis("optimizer.lr", "lr", range=Range(1e-3, 1, log=True)), Axis("model.width", "width", ("4", "8")))
    return Search(axes, Selection("validation_accuracy", ("lr", "width"), ("optimizer",)), seed)


GROUPS = [Rung(f"{name}", (*TINY, f"optimizer={name}"), labels={"optimizer": name}) for name in ("sgd", "adam")]


@pytest.fixture
def scored(monkeypatch):
    """Runs are not trained: their score has its best rate at 0.1; the widest networks at small rates have none."""

    def scores(planned):
        rows = []
        for run in planned:
            lr, width = run.config.optimizer["lr"], run.config.model["width"]
            score = math.nan if width == 8 and lr < 0.01 else 1 - abs(math.log10(lr) + 1) / 4 + 0.01 * run.seed
            rows.append({**run.labels, "seed": run.seed, "validation_accuracy": score})
        return pd.DataFrame(rows)

    monkeypatch.setattr("fbgd.studies.sweep.search.collect", scores)


def make_execution(folder, rounds=math.inf):
    """An execution that trains nothing, and is interrupted in the round after so many."""
    execution = Execution(GivenPreset(rungs=()), 2, [], folder, 1)
    done = []

    def run(planned):
        done.append(len(planned))
        execution.finished = len(done) <= rounds
        return planned

    execution.execute = run
    return execution


class TestSearch:
    def names(self, folder, trials, seed=0, rounds=math.inf):
        """The trials that a call has made, by name."""
        rungs = make_search(seed)(make_execution(folder, rounds), GROUPS, (0, 1), trials)
        return [rung.name for rung in rungs]

    def test_a_search_is_repeatable_and_goes_on_after_an_interruption(self, tmp_path, scored):
        straight = self.names(tmp_path / "straight", 12)
        assert len(straight) == 24
        assert straight[0].startswith("sgd, lr ")
        cut = tmp_path / "cut"
        assert len(self.names(cut, 12, rounds=1)) == 2 * 2 * ROUND
        assert self.names(cut, 12) == straight
        # Nothing is left to do, and a larger number continues.
        assert self.names(cut, 12) == straight
        more = self.names(cut, 13)
        assert more[:12] == straight[:12]
        assert len(more) == 26
        assert self.names(tmp_path / "other", ROUND, seed=1)[:ROUND] != straight[:ROUND]

    def test_it_finds_the_best_rate(self, tmp_path, scored):
        names = self.names(tmp_path, 24)
        rates = [float(name.split("lr ")[1].split(",")[0]) for name in names if name.startswith("sgd")]
        assert all(1e-3 <= rate <= 1 for rate in rates)
        proposed = np.abs(np.log10(rates) + 1)
        # After its random beginning the search stays nearer to the best rate than that.
        assert proposed[10:].mean() < proposed[:10].mean()
        assert proposed.min() < 0.2

    def test_both_ends_are_checked_before_anything_runs(self, tmp_path):
        search = replace(make_search(), axes=(Axis("optimizer.lr", "lr", range=Range(-1, 1)),))
        with pytest.raises(ConfigError, match="lr = -1"):
            search(make_execution(tmp_path / "out"), GROUPS, (0,), 4)
        assert not (tmp_path / "out").exists()

    @pytest.mark.slow
    def test_a_small_search_on_the_workers_and_a_larger_one(self, tmp_path, capsys, monkeypatch):
        """Rounds and counted runs share their workers, and the page is made again from the folder."""
        started = []
        start = launching.Worker.__init__
        monkeypatch.setattr(
            launching.Worker, "__init__", lambda self, *given: started.append(self) or start(self, *given)
        )
        words = ["optimizer.lr=interval(1e-3,1)", "seed=0,1", *TINY, "--workers", "1", "--out", str(tmp_path)]
        assert main([*words, "--search", str(ROUND + 1), "--fresh", "1"]) == 0
        assert len(started) == 1
        assert started[0].process.poll() is not None
        searched = read_rows(tmp_path / "search.csv")
        assert len(searched) == 2 * (ROUND + 1)
        means = searched.groupby("lr")["validation_accuracy"].mean()
        (chosen,) = read_rows(tmp_path / "runs.csv")["lr"]
        assert means[chosen] == means.max()
        page = (tmp_path / "table.md").read_text()
        assert f"from {ROUND + 1} trials of a search (optimizer.lr 0.001 to 1 (logarithmic); seed 0)" in page
        assert remade(tmp_path, capsys) == page
        run_here(monkeypatch)
        assert main([*words, "--search", str(ROUND + 2), "--fresh", "1"]) == 0
        larger = read_rows(tmp_path / "search.csv")
        assert len(larger) == 2 * (ROUND + 2)
        assert set(searched["identity"]) < set(larger["identity"])
        assert len(read_evidence(tmp_path).description.definition["sweep"]) == 2 + len(TINY)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer=sgd"], "nothing is swept"),
        (["optimizer=sgd,adm"], "adm: optimizer=adm is unknown; did you mean 'adam'?"),
        (["optimizer.lrr=1,2"], "did you mean 'lr'?"),
        (["optimizer.lr=-1,2"], "lr = -1"),
        (["optimizer.lr=1,2", "--select", "test_accuracy"], "choosing on the test set"),
        (["optimizer.lr=1,2", "--select", "los"], "did you mean 'loss'?"),
        (["optimizer.lr=1,2", "--over", "optimizer"], "--over optimizer is not swept"),
        (["optimizer.lr=interval(0.1,1)"], "say with --search N how many trials"),
        (["optimizer.lr=1,2", "--search", "3"], "no key has a range"),
        (
            ["optimizer=sgd,adam", "optimizer.lr=interval(0.1,1)", "--search", "3", "--over", "optimizer"],
            "in --over too",
        ),
        (["optimizer=sgd,adam", "--fresh", "3"], "nothing is chosen"),
        (["optimizer.lr=1,2", "--fresh", "-3"], "--fresh -3 must be at least 0"),
        (["optimizer.lr=1,2", "seed=0,1", "--seeds", "3"], "seed=... says the seeds already"),
        (["optimizer.lr=1,2", "--baseline", "lr=1"], "'lr' tells no rows apart"),
        (["optimizer=sgd,adam", "--baseline", "optimizer=adm"], "did you mean 'adam'?"),
        (["optimizer.lr=1,2", "data=digits"], "there is none: set data.validation_size"),
        (["optimizer.lr=1,2", "data.train_size=100"], "there is none: set data.validation_size"),
        (["optimizer.lr=1,2", "--only", "lr 3"], "fits no setting; did you mean 'lr 2'?"),
    ],
)
def test_mistakes_end_in_one_line_before_anything_runs(words, message, tmp_path, capsys):
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_sweep_lists_its_settings_and_shrinks(capsys):
    words = ["optimizer=sgd,adam", "optimizer.lr=interval(1e-3,1)", "--search", "9"]
    assert main([*words, "--list"]) == 0
    listed = capsys.readouterr().out
    assert "optimizer.lr: 0.001 to 1 (logarithmic), 9 trials a setting" in listed
    assert "adam" in listed
    assert "data.validation_size=500" in "".join(listed.split())
    study = make_sweep({"sweep": words[:2], "trials": 9})
    assert list(study.presets) == ["mnist1d"]
    tiny = study.quick(study.presets["mnist1d"], "mnist1d")
    assert (tiny.trials, tiny.seeds) == (2, 2)
    assert "budget.passes=2" in tiny.rungs[0].overrides


def test_sweeps_that_need_folders_of_their_own_have_them():
    def name(**changes):
        return make_sweep({"sweep": ["optimizer.lr=1,2", "optimizer=sgd,adam"], **changes}).name

    assert name() == name(search_seed=0)
    assert name(fresh=3) == name(fresh=5)
    names = [name(), name(fresh=3), name(over=[]), name(select="loss"), name(baseline={"optimizer": "sgd"})]
    assert len(set(names)) == len(names)
    assert name().startswith("lr-optimizer-")
    study = make_sweep({"sweep": ["optimizer.lr=1,2"]})
    assert make_sweep(json.loads(json.dumps(study.definition))).name == study.name
