"""Weight decay in one-pass training: cells, the course of the effective rate, differences and verdicts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.train import train
from fbgd.report.claims import Estimate, higher, judge, lower, within
from fbgd.report.description import Description
from fbgd.report.evidence import Evidence
from fbgd.runs.attempt import execute
from fbgd.schedules import Step
from fbgd.studies.execution import Execution
from fbgd.studies.weight_decay import schedule
from fbgd.studies.weight_decay.one_pass import CONSTANT, COSINE, MATCHED, PRESETS, PROBE, OnePass
from fbgd.studies.weight_decay.schedule_drawing import draw

TINY = OnePass(
    words=(
        "data=markov",
        "data.source.train=200",
        "data.source.test=20",
        "data.source.length=8",
        "model=gpt",
        "model.width=8",
        "model.layers=1",
        "model.heads=2",
        "regime.block_size=4",
        "optimizer=adamw",
        "optimizer.lr=0.0003",
        "optimizer.weight_decay_of=matrices",
        "record.layers=true",
        "impl.blocks_per_call=1",
        "precision=fp64",
    ),
    samples=200,
    decays=(100.0,),
    repeats=5,
)


@pytest.mark.parametrize("data", PRESETS)
def test_all_cells_of_all_presets_compose_and_take_as_many_steps(data):
    for sizes in (PRESETS[data], schedule.quick(PRESETS[data], data)):
        steps = set()
        rungs = [cell.rung(sizes.words) for cell in (*sizes.grid, sizes.matched([0.0, 0.1, 0.2]))]
        for rung in rungs:
            config = compose(rung.overrides)
            check(config)
            steps.add(config.data.train_size * config.budget.passes / config.regime.block_size)
        assert len(steps) == 1
        assert len({rung.name for rung in rungs}) == len(rungs) == 4 * (1 + len(sizes.decays)) + 1


def test_decays_are_scaled_to_the_published_strength():
    """Learning rate times decay times steps: 3 and 9 at a constant rate."""
    for sizes in PRESETS.values():
        config = compose(sizes.grid[0].rung(sizes.words).overrides)
        steps = sizes.samples / config.regime.block_size
        strengths = [config.optimizer["lr"] * decay * steps for decay in sizes.decays]
        assert strengths == pytest.approx([3, 9])


def test_the_probe_s_rate_falls_at_its_share_of_the_steps():
    config = compose(TINY.cell(PROBE, 0.0).rung(TINY.words).overrides)
    made = {key: value for key, value in config.schedule.items() if key != "_target_"}
    factors = [Step(**made)(step / 50, 1 / 50) for step in range(50)]
    assert factors == pytest.approx([1.0] * 45 + [TINY.tiny] * 5, rel=1e-5)


class Pool(Execution):
    """Runs in this process."""

    def execute(self, planned):
        for run in planned:
            execute(run.config, run.path)
        return planned


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The whole study at a tiny size: its runs and its table."""
    study = Pool(TINY, 2, [], tmp_path_factory.mktemp("one pass"), 1)
    planned = schedule.execute(study, schedule.rungs(TINY)).planned
    return study, planned, schedule.measure(planned)


def test_every_cell_has_its_rows(trained):
    _, planned, table = trained
    cells = table.groupby(["schedule", "weight_decay"])["seed"].nunique()
    assert len(cells) == 4 * 2 + 1
    assert set(cells) == {2}
    assert len(planned) == 18
    # Every fiftieth of the steps has a row; all of them the norm of every parameter.
    assert set(table.groupby(schedule.KEYS).size()) == {50}
    assert not table[[name for name in table if name.startswith("norm/")]].isna().any().any()


def test_the_matched_runs_have_the_effective_rate_of_the_decayed_ones(trained):
    _, _, table = trained
    rates = table.assign(rate=table["learning_rate"] / table["norm/matrices"]).set_index(["seed", "step"])["rate"]
    keys = table.set_index(["seed", "step"])
    decayed = rates[((keys["schedule"] == COSINE) & (keys["weight_decay"] == TINY.decays[-1])).to_numpy()]
    matched = rates[(keys["schedule"] == MATCHED).to_numpy()]
    # But for the norm of a row, which is that after its step.
    np.testing.assert_allclose(matched.reindex(decayed.index), decayed, rtol=0.03)
    plain = rates[((keys["schedule"] == COSINE) & (keys["weight_decay"] == 0)).to_numpy()]
    assert (plain.groupby("seed").tail(1) < 0.9 * decayed.groupby("seed").tail(1)).all()


def test_a_run_that_follows_its_own_course_repeats_itself(trained, tmp_path):
    """But for the norm, which is read after a step in place of before it."""
    study, _, table = trained
    source = study.plan([TINY.cell(COSINE, 0.0).rung(TINY.words)], [0])[0]
    again = Pool(TINY, 1, [], tmp_path, 1).run([TINY.matched(schedule.course(source)).rung(TINY.words)])
    rows = schedule.measure(again)
    first = table[(table["schedule"] == COSINE) & (table["weight_decay"] == 0) & (table["seed"] == 0)]
    np.testing.assert_allclose(rows["train_loss"], first["train_loss"], rtol=0.01)


def test_the_page_says_what_the_table_says(trained):
    _, _, table = trained
    summary = schedule.summarise(table)
    final = schedule.ends(table)
    for row in summary.numbers.to_dict("records"):
        mine = (final["schedule"] == row["schedule"]) & (final["weight_decay"] == row["weight_decay"])
        base = COSINE if row["schedule"] == MATCHED else row["schedule"]
        plain = (final["schedule"] == base) & (final["weight_decay"] == 0)
        for value in ("train", "test", "gap"):
            assert row[value] == pytest.approx(final.loc[mine, value].mean())
            if row["weight_decay"] or row["schedule"] == MATCHED:
                wanted = final.loc[mine, value].mean() - final.loc[plain, value].mean()
                assert row[f"delta_{value}"] == pytest.approx(wanted)
    assert len(findings(table)) == 5 + 1 + 1
    draw(table, final, "a title")


def made_up(losses, seeds=(0, 1, 2)):
    """A table of two rows a run, with the given training loss for each schedule and weight decay."""
    rows = []
    for (name, decay), loss in losses.items():
        for seed in seeds:
            # A seed's own level is the same for all; what differs between cells varies little.
            level = loss + 0.5 * seed + 0.001 * seed * decay
            for step in range(1, 9):
                test = level + 0.1 + 0.001 * seed * (decay > 0)
                row = {"schedule": name, "weight_decay": decay, "seed": seed, "step": step, "test_loss": test}
                # Of one more decimal, so that no difference is without any spread.
                rows.append({**row, "train_loss": level + 0.0001 * seed * (name == MATCHED)})
    return pd.DataFrame(rows)


def findings(table):
    """The study's findings from a tidy table, by claim and case."""
    evidence = Evidence(Description("", []), measurements=table)
    return {(found.claim, found.case): found for found in judge(schedule.STUDY.claims, evidence)}


def test_verdicts_of_made_up_losses():
    losses = {(COSINE, 0.0): 2.0, (COSINE, 1.0): 1.9, (CONSTANT, 0.0): 2.0, (CONSTANT, 1.0): 1.9, (MATCHED, 0.0): 1.91}
    found = findings(made_up(losses))
    verdicts = {claim: finding.verdict for (claim, case), finding in found.items() if case == "weight decay 1"}
    assert verdicts == {
        "higher half way": "opposite",
        "lower at the end": "supported",
        "constant rate": "opposite",
        "no overfitting": "supported",
        "effective rate": "supported",
    }
    assert found["lower at the end", "weight decay 1"].estimate.startswith("-0.09")


@pytest.mark.parametrize(
    ("low", "high", "rule", "expected"),
    [
        (0.1, 0.2, higher, "supported"),
        (-0.2, -0.1, lower, "supported"),
        (0.1, 0.2, lower, "opposite"),
        (-0.1, 0.2, higher, "undecided"),
        (-0.1, 0.2, lower, "undecided"),
        (-0.1, 0.1, within(0.2), "supported"),
        (0.3, 0.4, within(0.2), "opposite"),
        (-0.4, -0.3, within(0.2), "opposite"),
        (0.1, 0.3, within(0.2), "undecided"),
        (float("nan"), float("nan"), higher, "undecided"),
        (float("nan"), float("nan"), within(0.2), "undecided"),
    ],
)
def test_rules_of_verdicts(low, high, rule, expected):
    assert rule(Estimate((low + high) / 2, low, high)) == expected


def test_nothing_is_claimed_of_cells_that_are_not_there():
    assert findings(made_up({(COSINE, 0.0): 2.0, (CONSTANT, 1.0): 2.0})) == {}
    assert replace(TINY, decays=(1.0,)).grid[-1].rung(()).name == "cosine, 5 passes, weight decay 1"


def test_the_published_setting_takes_a_step_on_a_local_file(tmp_path):
    """All twelve layers; bytes in place of the tokenizer's tokens, one window of 16 of them in place of 256 of 256."""
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"All happy families are alike; each unhappy family")
    sizes = PRESETS["text"]
    fewer = (
        "data.source.length=16",
        "regime.block_size=1",
        "data.train_size=1",
        "data.source.test_share=0.5",
        "impl.threads=1",
    )
    config = compose([*sizes.cell(COSINE, 0.1).rung(sizes.words).overrides, f"data.source.path={path}", *fewer])
    built = build(config)
    rows = []
    train(built.experiment, Progress(), lambda row, progress: rows.append(row))
    # GPT-2's 124,337,664 with 256 positions for 1024.
    assert built.facts.parameters == 124_337_664 - 768 * 768
    assert len(rows) == 1
    assert rows[0]["clipped"] == 1.0
    assert rows[0]["loss"] == pytest.approx(np.log(256), abs=0.5)
    assert np.isfinite(rows[0]["test_loss"])
    assert rows[0]["norm/matrices"] < rows[0]["parameter_norm"]
