"""What a step takes on more ranks: the projection against closed forms, and its table."""

import json
import math

import numpy as np
import pytest
from files import ROOT

from fbgd.studies.benchmark.projection import AllReduce, StepCost, buffer_bytes, fit_all_reduce, project
from fbgd.studies.benchmark.ranks import Measured
from fbgd.studies.benchmark.ranks_page import HEADER, as_markdown, content, costs_of, rows
from scripts import benchmark

FREE = AllReduce(0.0, 1e30)
MEASURED = Measured(
    ranks=2, blocks=125, parameters=7474, alone=1.27, fewer=0.27, strong=0.66, weak=1.3, spread=0.1,
    sizes=[4000, 4_000_000], all_reduces=[2e-4, 4.2e-3],
)  # fmt: skip


@pytest.mark.parametrize(("blocks", "ranks"), [(125, 1), (125, 8), (391, 64), (3, 4)])
def test_blocks_of_equal_cost_follow_the_closed_form(blocks, ranks):
    """The slowest rank has ceil(B / R) blocks; what the others wait is idle, and so is whoever has none."""
    step = project(StepCost(0.01, 0.02), FREE, 1000, blocks, ranks)
    slowest = 0.02 + 0.01 * math.ceil(blocks / ranks)
    busy = 0.02 * ranks + 0.01 * blocks
    assert step.seconds == pytest.approx(slowest)
    assert step.speedup == pytest.approx((0.02 + 0.01 * blocks) / slowest)
    assert step.idle == pytest.approx(1 - busy / (ranks * slowest))
    assert step.efficiency == pytest.approx(step.speedup / ranks)
    assert step.all_reduce == pytest.approx(0, abs=1e-12)


def test_blocks_of_uneven_cost_make_ranks_wait_as_much_as_the_largest_of_normal_numbers():
    """Many blocks a rank: sums are normal, and the expected largest of two is their spread over the root of pi."""
    step = project(StepCost(0.01, 0.0, spread=0.5), FREE, 1000, 2000, 2)
    expected = 0.01 * (1000 + 0.5 * math.sqrt(1000) / math.sqrt(math.pi))
    assert step.seconds == pytest.approx(expected, rel=2e-3)
    assert 0 < step.idle < 0.02


def test_an_all_reduce_on_a_ring_sends_every_byte_twice():
    link = AllReduce(latency=1e-5, bandwidth=1e9)
    size = buffer_bytes(10**6, 8)
    assert size == 4 * (10**6 + 8 * 15)
    assert link.seconds(1, size) == 0
    assert link.seconds(8, size) == pytest.approx(14e-5 + 14 / 8 * size / 1e9)
    step = project(StepCost(0.0, 1e-3), link, 10**6, 8, 8)
    assert step.all_reduce == pytest.approx(link.seconds(8, size) / step.seconds)
    assert step.seconds == pytest.approx(1e-3 + link.seconds(8, size))


def test_the_fit_weighs_small_and_large_messages_alike():
    link = AllReduce(latency=3e-5, bandwidth=2e9)
    sizes = [4 * 10**power for power in range(3, 8)]
    draws = np.random.default_rng(0).normal(1, 0.02, len(sizes))
    fitted = fit_all_reduce(sizes, [link.seconds(4, size) * draw for size, draw in zip(sizes, draws, strict=True)], 4)
    assert fitted.latency == pytest.approx(3e-5, rel=0.05)
    assert fitted.bandwidth == pytest.approx(2e9, rel=0.05)


def test_costs_are_read_off_two_sizes_of_a_step():
    cost, link = costs_of(MEASURED)
    assert (cost.block, cost.overhead, cost.spread) == (pytest.approx(0.01), pytest.approx(0.02), 0.1)
    assert link.latency == pytest.approx(98e-6, rel=0.01)
    assert link.bandwidth == pytest.approx(1e9, rel=0.01)


def test_the_table_has_measured_and_projected_steps():
    table = rows(MEASURED)
    assert all(len(row) == len(HEADER) for row in table)
    assert table[0][:6] == ("measured, strong", "2", "125", "0.66", "1.92", "96.2 %")
    assert table[1][4] == f"{2 * 1.27 / 1.3:.2f}"
    assert [row[1] for row in table[2:5]] == ["2", "8", "64"]
    names = ("strong", "weak", "391 blocks", "1563 blocks")
    assert {row[0] for row in table[2:]} == {f"projected, {name}" for name in names}
    assert json.loads(json.dumps(content(MEASURED)))["projected"]["weak"][-1]["blocks"] == 64 * 125


def test_the_page_has_the_committed_numbers_or_none():
    page, file = (ROOT / "docs/scaling.md").read_text(), ROOT / "results/scaling.json"
    if file.exists():
        assert as_markdown(map(tuple, json.loads(file.read_text())["table"])) in page
    else:
        assert "not been measured" in page
        assert "| measured" not in page


@pytest.mark.parametrize("words", [["--ranks", "1"], ["--ranks", "2", "--figure", "it.txt"]])
def test_what_cannot_be_measured_is_refused(words, capsys):
    assert benchmark.main(words) == 2
    assert capsys.readouterr().err.startswith(f"error: {' '.join(words[-2:])} ")


@pytest.mark.slow
def test_two_processes_measure_and_write(tmp_path, capsys):
    file, figure = tmp_path / "scaling.json", tmp_path / "scaling.png"
    assert benchmark.main(["--ranks", "2", "--quick", "--json", str(file), "--figure", str(figure)]) == 0
    written = json.loads(file.read_text())
    assert written["measured"]["ranks"] == 2
    assert min(written["measured"][name] for name in ("alone", "fewer", "strong", "weak")) > 0
    assert capsys.readouterr().out == as_markdown(map(tuple, written["table"]))
    assert figure.read_bytes().startswith(b"\x89PNG")
