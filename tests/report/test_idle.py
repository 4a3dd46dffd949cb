"""Ingredients that did not act are named, by real runs whose numbers they leave as they are."""

import pandas as pd
import pytest

from fbgd.report.captions import caption
from fbgd.report.description import Description
from fbgd.report.idle import idle_paragraphs
from fbgd.runs.plan import Rung, collect
from fbgd.runs.rows import read_rows, setting_columns
from fbgd.studies.execution import Execution
from fbgd.studies.study import Preset

TINY = (
    "data.source.train=40",
    "data.source.test=20",
    "model=mlp",
    "model.width=4",
    "regime.block_size=10",
    "budget.passes=3",
    "impl.threads=1",
)
CLIPPING = "regularizer=[gradient_clipping]"


def made(tmp_path, *rungs):
    execution = Execution(Preset(), 2, [], tmp_path, 1)
    return collect(execution.run([Rung(name, (*TINY, *words)) for name, words in rungs]))


def test_a_threshold_that_is_never_reached_did_not_act(tmp_path, in_process):
    runs = made(
        tmp_path,
        ("plain", ()),
        ("never clipped", (CLIPPING, "regularizer.gradient_clipping.max_norm=1e9")),
        ("clipped", (CLIPPING, "regularizer.gradient_clipping.max_norm=0.01")),
    )
    (sentence,) = idle_paragraphs(runs, ["rung"])
    assert sentence.startswith("never clipped: regularizer gradient_clipping (max_norm 1000000000")
    assert sentence.endswith(") never clipped anything.")
    # Of runs of an earlier version only the numbers tell.
    runs = runs.drop(columns="clipped_off/gradient_clipping")
    (sentence,) = idle_paragraphs(runs, ["rung"])
    assert sentence.startswith("The numbers of never clipped are those of plain to the last digit: regularizer grad")
    assert sentence.endswith(" did not act.")
    # One other digit with one seed is another training; a run that is not done says nothing.
    changed = runs.copy()
    changed.loc[changed.index[runs["rung"] == "plain"][1], "test_loss"] *= 1 + 1e-12
    assert idle_paragraphs(changed, ["rung"]) == []
    assert idle_paragraphs(runs.assign(status=["diverged", *["done"] * 5]), ["rung"]) == []


def test_equal_numbers_of_one_setting_or_by_other_values_are_no_ingredient_s(tmp_path, in_process):
    runs = made(tmp_path, ("one", ()), ("the same", ()))
    assert idle_paragraphs(runs, ["rung"]) == []
    # Two ways to the same minimum, say: neither lacks anything.
    other = runs.assign(**{"optimizer.lr": ["0.1", "0.2"] * 2})
    assert idle_paragraphs(other, ["rung"]) == []
    (sentence,) = idle_paragraphs(runs.assign(**{"regularizer.ema.decay": ["", "0.9"] * 2}), ["rung"])
    assert (
        sentence
        == "The numbers of the same are those of one to the last digit: regularizer ema (decay 0.9) did not act."
    )
    assert idle_paragraphs(pd.DataFrame({"rung": ["a"], "status": ["done"]}), ["rung"]) == []


PENALTY = "regularizer=[gradient_penalty]"


@pytest.mark.parametrize(
    ("precision", "strength", "told"),
    [("fp32", 1e-12, True), ("fp32", 0.25, False), ("fp64", 1e-12, False), ("fp64", 1e-17, True)],
)
def test_a_penalty_below_rounding_is_named_without_a_twin(tmp_path, in_process, precision, strength, told):
    """A ladder's rung changes other settings too, so that no other rung has its numbers."""
    words = (PENALTY, f"regularizer.gradient_penalty.strength={strength}", f"precision={precision}")
    runs = made(tmp_path, ("plain", ("optimizer.lr=0.4",)), ("penalised", (*words, "optimizer.lr=0.8")))
    largest = runs["penalty_share/gradient_penalty"].dropna()
    assert len(largest) == 2
    # The share is proportional to the strength: of 1 it would be of the order of 1.
    assert 0.01 < largest.max() / strength < 10
    sentences = idle_paragraphs(runs, ["rung"])
    assert len(sentences) == told
    if told:
        rounding = {"fp32": "fp32 (1.2e-07)", "fp64": "fp64 (2.2e-16)"}[precision]
        assert sentences[0].startswith(
            f"penalised: the gradient of regularizer gradient_penalty (strength {strength:g}"
        )
        assert f" was never more than {largest.max():.1e} times the gradient" in sentences[0]
        assert sentences[0].endswith(f"below the rounding of {rounding}: it did no more than rounding does.")


def test_one_seed_in_which_it_acted_is_enough():
    """Nothing is said of a group with an unknown share either."""
    column, fixed = "penalty_share/gradient_penalty", {"rung": "a", "status": "done", "error": "", "precision": "bf16"}
    for shares, told in (((1e-3, 7e-3), 1), ((1e-3, 8e-3), 0), ((1e-3, None), 0)):
        runs = pd.DataFrame([{**fixed, "seed": seed, column: share} for seed, share in enumerate(shares)])
        runs = runs[["rung", "seed", "status", column, "error", "precision"]]
        assert len(idle_paragraphs(runs, ["rung"])) == told


def test_the_file_and_the_page_of_a_study_tell_it(tmp_path, in_process):
    runs = made(tmp_path, ("penalised", (PENALTY, "regularizer.gradient_penalty.strength=1e-12")))
    runs.to_csv(tmp_path / "runs.csv", index=False)
    held = read_rows(tmp_path / "runs.csv")
    (paragraph,) = [
        text for text in caption(held, Description("", ["rung"]), [], "test_accuracy") if "rounding" in text
    ]
    assert paragraph == idle_paragraphs(runs, ["rung"])[0]
    assert held["penalty_share/gradient_penalty"].dtype == float
    assert "penalty_share/gradient_penalty" not in setting_columns(held)
