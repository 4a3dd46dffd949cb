"""The check of a GPU, on the CPU: that it would find what is wrong, and that its arithmetic is right."""

import json

import pytest
import torch
from files import write_fashion_mnist

from fbgd.config.compose import choices
from fbgd.data import fashion_mnist, fashion_mnist_32
from fbgd.models import ResNet
from fbgd.runs import attempt
from fbgd.studies.geiping_ladder import PRESETS, rungs
from fbgd.studies.gpu_check import checks, command, ladder
from fbgd.studies.gpu_check import parity as comparison
from fbgd.studies.gpu_check.check import Check, attempted, guarded
from fbgd.studies.gpu_check.page import file_name, page, write
from fbgd.studies.gpu_check.projection import IMAGES, projection, seconds_of
from fbgd.studies.gpu_check.resume import SETTINGS, TINY, differing_weights
from fbgd.studies.gpu_check.throughput import MODES, QUICK, forward_multiplications, modes, operations, throughput


def test_every_optimizer_and_regulariser_is_compared():
    names = {name for name, _ in comparison.cases(quick=False)}
    assert names >= {f"optimizer={name}" for name in choices("optimizer") if name not in ("custom", "schedule_free")}
    assert names >= {f"regularizer={name}" for name in choices("regularizer") if name != "none"}


def test_a_device_that_computes_something_else_fails(monkeypatch):
    """The device is replaced by one whose weights are off by a millionth, and by one that breaks on one case."""

    def weights(words):
        if "optimizer=adam" in words and "impl.device=cuda" in words:
            raise RuntimeError("no kernel\nfor this")
        return torch.ones(4) + ("impl.device=cuda" in words) * torch.tensor([0, 0, 0, 1e-6])

    monkeypatch.setattr(comparison, "final_weights", weights)
    found = {check.name: check for check in comparison.parity("cuda", quick=True)}
    assert found["optimizer=sgd"].value == pytest.approx(5e-7, rel=0.1)
    assert not found["optimizer=sgd"].passed
    assert not found["optimizer=adam"].made
    assert found["optimizer=adam"].note == "RuntimeError: no kernel for this"
    assert not any(check.passed for check in comparison.parity("cuda", quick=True))


def test_final_weights_are_those_of_the_words():
    """One full-batch step of plain SGD moves the weights, a larger rate further, and twice the same gives the same."""
    words = (*TINY, "precision=fp64", "budget.passes=1", "schedule=constant", "impl.device=cpu")
    small, large, again = (comparison.final_weights((*words, f"optimizer.lr={lr}")) for lr in (0.01, 0.02, 0.01))
    assert comparison.relative_difference(small, again) == 0
    assert comparison.relative_difference(small, large) > 1e-4


@pytest.mark.parametrize("words", SETTINGS.values(), ids=SETTINGS)
def test_a_resume_that_forgets_is_found(words, monkeypatch):
    settings = (*TINY, *words, "impl.device=cpu", "impl.checkpoint_seconds=0")
    assert differing_weights(settings) == 0
    restore = attempt.restore

    def forgetful(experiment, state):
        restore(experiment, state)
        with torch.no_grad():
            next(experiment.model.parameters()).mul_(1 + 1e-6)

    monkeypatch.setattr(attempt, "restore", forgetful)
    assert differing_weights(settings) > 0


def test_multiplications_of_resnet_18_are_those_of_its_layers():
    """By hand: a stem, and four stages of two blocks; from the second on the first block halves and has a shortcut."""
    convolution = lambda side, kernel, c, d: side * side * kernel * kernel * c * d  # noqa: E731
    expected = convolution(32, 3, 3, 64) + 4 * convolution(32, 3, 64, 64) + 512 * 10
    for side, c in ((16, 64), (8, 128), (4, 256)):
        d = 2 * c
        expected += convolution(side, 3, c, d) + 3 * convolution(side, 3, d, d) + convolution(side, 1, c, d)
    model = ResNet((3, 32, 32), 10, depth=18, width=64)
    assert forward_multiplications(model) == expected
    assert expected == pytest.approx(0.56e9, rel=0.01)
    assert operations(model, penalised=True) == 12 * expected


def test_images_a_second_in_every_way():
    found = throughput(torch.device("cpu"), QUICK)
    names = {check.name for check in found}
    for mode in modes(torch.device("cpu")):
        for size in QUICK.blocks:
            assert f"{mode}: engine, block {size}, penalised, images a second" in names
            assert f"{mode}: by hand, block {size}, images a second" in names
    assert all(check.value > 0 for check in found)
    assert torch.get_float32_matmul_precision() == "highest"


def test_hours_of_the_ladder_by_its_pass_gradients():
    """The seven rungs evaluate 24,600 gradients of every image; a penalised image is two."""
    rates = {(size, penalised): 0.5 if penalised else 1.0 for size in (128, 32) for penalised in (True, False)}
    assert seconds_of(rungs(PRESETS["cifar10"]), rates) == pytest.approx(24_600 * IMAGES)
    checks = [Check(f"fp32: engine, block {size}{', penalised' * penalised}, images a second", 1000 * rate)
              for (size, penalised), rate in rates.items()]  # fmt: skip
    (hours,) = projection(checks)
    assert hours.name.startswith("fp32")
    assert hours.value == pytest.approx(24_600 * IMAGES / 1000 / 3600)
    assert projection(checks[1:]) == []


def test_the_ladder_is_as_large_as_the_time_allows(tmp_path, monkeypatch):
    """Every rung is said to take a second for the images that are timed."""
    from types import SimpleNamespace

    monkeypatch.setattr(ladder, "cost_of", lambda config: SimpleNamespace(seconds=1.0))
    execution = SimpleNamespace(plan=lambda settings: [SimpleNamespace(config=None) for _ in settings])
    settings = rungs(ladder.ladder_of(ladder.DATA))
    assert len(settings) == 7
    assert ladder.fitting_size(settings, 7 * ladder.MARGIN * 3, execution) == 3 * 2048
    passes = {word for rung in settings for word in rung.overrides if word.startswith("budget.passes=")}
    assert passes == {"budget.passes=15", "budget.passes=150"}
    monkeypatch.setattr(ladder, "fitting_size", lambda *others: 10)
    folder = write_fashion_mnist(tmp_path, train=140)
    words = (*ladder.DATA, f"data.source.folder={folder}", "data.source.verify=false")
    (check,) = ladder.short_ladder("cpu", words, 60)
    assert not check.made
    assert "only 10 images" in check.note


def test_without_data_there_is_no_ladder_and_the_rest_stays(tmp_path):
    words = ["data=fashion_mnist_32", f"data.source.folder={tmp_path / 'none'}"]
    (check,) = attempted("short ladder", lambda: ladder.short_ladder("cpu", words, 60, size=200))
    assert not check.made
    assert "none" in check.note


def test_a_part_that_breaks_leaves_the_others(tmp_path, monkeypatch, capsys):
    """Every part but one is replaced by a check that passes; the speed runs out of memory."""

    def breaks(*given):
        raise RuntimeError("out of memory")

    for name in ("parity", "resume", "projection", "short_ladder"):
        monkeypatch.setattr(checks, name, lambda *given: [Check("fine", 0, 1)])
    monkeypatch.setattr(checks, "throughput", breaks)
    assert command.main(["--device", "cpu", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "| Speed | – |  | not made | RuntimeError: out of memory |" in told
    assert told.count("| fine |") == 5
    assert (tmp_path / "cpu.json").exists()


def test_the_page_counts_what_passed(tmp_path):
    sections = {"One": [Check("a", 1e-9, 1e-8), Check("b", 2e-8, 1e-8), guarded("c", 1, lambda: 1 / 0)],
                "Two": [Check("speed", 12345.6)]}  # fmt: skip
    told = page("Some GPU", {"torch": "2"}, sections)
    assert "1 of 3 checks passed." in told
    assert "| b | 2e-08 | 1e-08 | FAILED |" in told
    assert "| c | – | 1 | not made | ZeroDivisionError: division by zero |" in told
    assert "| speed | 12,346 |" in told
    paths = write(tmp_path, "Some GPU", {"torch": "2"}, sections)
    assert [path.name for path in paths] == ["some-gpu.json", "some-gpu.md"]
    written = json.loads(paths[0].read_text())
    assert [check["passed"] for check in written["sections"]["One"]] == [True, False, False]
    assert written["sections"]["One"][2]["value"] is None
    assert file_name("NVIDIA H100 80GB HBM3") == "nvidia-h100-80gb-hbm3"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--minutes", "0.5"], "--minutes 0.5 must be at least 1"),
        (["--minutes", "nan"], "--minutes nan must be at least 1"),
        (["--device", "cpu", "--ladder-size", "-1"], "--ladder-size -1 must be at least 1"),
        (["--device", "cpu", "model=mlp"], "'model=mlp' is no setting of the data"),
        (["--device", "tpu"], "tpu"),
        (["--device", "meta"], "neither cpu nor cuda"),
    ],
)
def test_wrong_words_are_refused_before_any_work(words, message, capsys, tmp_path):
    assert command.main([*words, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_list_names_all_of_it(capsys):
    assert command.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "parity with the CPU: regularizer=full_gradient_penalty" in lines
    assert sum(line.startswith("short ladder") for line in lines) == 7
    assert sum(line.startswith("images a second") for line in lines) == len(MODES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_can_be_done(capsys):
    assert command.main([]) == 2
    assert "PyTorch finds no GPU here" in capsys.readouterr().err


def test_images_in_the_shape_of_cifar(tmp_path):
    folder = write_fashion_mnist(tmp_path)
    small = fashion_mnist(str(folder), verify=False)
    large = fashion_mnist_32(str(folder), verify=False)
    assert large.train_inputs.shape == (40, 3, 32, 32)
    assert large.test_inputs.shape == (10, 3, 32, 32)
    assert all(torch.equal(large.train_inputs[:, colour, 2:30, 2:30], small.train_inputs[:, 0]) for colour in range(3))
    assert large.train_inputs.long().sum() == 3 * small.train_inputs.long().sum()
    assert torch.equal(large.train_targets, small.train_targets)


@pytest.mark.slow
def test_all_of_it_at_tiny_size(tmp_path, capsys):
    folder = write_fashion_mnist(tmp_path / "data", train=140, test=20)
    words = ["data=fashion_mnist_32", f"data.source.folder={folder}", "data.source.verify=false"]
    assert command.main([*words, "--device", "cpu", "--quick", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    written = json.loads((tmp_path / "out" / "cpu-quick.json").read_text())
    assert list(written["sections"]) == [
        "Parity with the CPU", "Resumed runs", "Speed", "Projection", "A short ladder"
    ]  # fmt: skip
    accuracies = [check for check in written["sections"]["A short ladder"] if "accuracy" in check["name"]]
    assert len(accuracies) == 7
    assert all(0 <= check["value"] <= 100 for check in accuracies)
    assert "short ladder: FB in practice" in told
