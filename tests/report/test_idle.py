"""Ingredients that did not act are named, by real runs whose numbers they leave as they are."""

import pandas as pd

from fbgd.report.idle import idle_paragraphs
from fbgd.runs.plan import Rung, collect
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
