"""The modules that faults are put into, and the tests that should see them: a module's own first, then the others."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ENGINE = ("tests/engine/test_recorded_steps.py", "tests/engine/test_train.py", "tests/engine/test_gradient.py")
OWN: dict[str, tuple[str, ...]] = {
    "fbgd/engine/autotune.py": ("tests/engine/test_autotune.py",),
    "fbgd/engine/blocks.py": (
        "tests/engine/test_blocks.py", "tests/engine/test_randomness.py", "tests/engine/test_block_transforms.py",
    ),
    "fbgd/engine/evaluate.py": ("tests/engine/test_evaluate.py", "tests/engine/test_losses.py"),
    "fbgd/engine/experiment.py": ("tests/engine/test_train.py",),
    "fbgd/engine/functional.py": ("tests/engine/test_functional.py",),
    "fbgd/engine/gradient.py": ("tests/engine/test_gradient.py", "tests/engine/test_recorded_steps.py"),
    "fbgd/engine/kernels.py": ("tests/engine/test_gradient.py", "tests/engine/test_recorded_steps.py"),
    "fbgd/engine/losses.py": ("tests/engine/test_losses.py", "tests/engine/test_regression.py"),
    "fbgd/engine/metrics.py": ("tests/engine/test_metrics.py",),
    "fbgd/engine/monitor.py": ("tests/engine/test_monitor.py",),
    "fbgd/engine/objective.py": ("tests/models/test_random_layers.py", "tests/engine/test_gradient.py"),
    "fbgd/engine/probe.py": ("tests/engine/test_probe.py", "tests/runs/test_probed_runs.py"),
    "fbgd/engine/record.py": (*ENGINE[:2], "tests/engine/test_monitor.py", "tests/runs/test_probed_runs.py"),
    "fbgd/engine/step.py": (*ENGINE[:2], "tests/engine/test_randomness.py"),
    "fbgd/engine/tally.py": ("tests/engine/test_train.py", "tests/runs/test_interruption.py"),
    "fbgd/engine/train.py": (*ENGINE[:2], "tests/engine/test_randomness.py"),
    "fbgd/engine/stacked.py": ("tests/runs/test_together.py",),
    "fbgd/report/statistics.py": ("tests/report/test_statistics.py", "tests/report/test_claims.py"),
    "fbgd/report/families.py": ("tests/report/test_statistics.py", "tests/report/test_claim_families.py"),
    "fbgd/report/dunnett.py": ("tests/report/test_statistics.py",),
    "fbgd/report/claims.py": ("tests/report/test_claims.py", "tests/report/test_claim_families.py"),
    "fbgd/studies/selection.py": ("tests/studies/test_selection.py",),
}  # fmt: skip
REGULARIZERS = ("tests/regularizers", "tests/engine/test_block_transforms.py", "tests/engine/test_monitor.py")
OPTIMIZERS = (
    "tests/optimizers/test_optimizer_references.py", "tests/optimizers/test_optimizers.py",
    "tests/optimizers/test_twins.py",
)  # fmt: skip
LINE_SEARCHES = tuple(
    f"tests/optimizers/test_{name}.py" for name in ("line_search", "line_search_gd", "barzilai_borwein")
)
WRAPPERS = ("tests/optimizers/test_wrappers.py",)
ALSO: dict[str, tuple[str, ...]] = {
    "fbgd/engine": ("tests/engine/test_train.py", "tests/engine/test_gradient.py", "tests/runs/test_directory.py"),
    "fbgd/report": ("tests/report/test_tables.py", "tests/report/test_aggregate.py"),
    "fbgd/studies": ("tests/studies/test_tuning.py",),
    "regularizers": ("tests/engine/test_train.py", "tests/config/test_ingredients.py"),
    "optimizers": ("tests/engine/test_line_search_slopes.py", "tests/engine/test_train.py"),
}


def modules() -> list[str]:
    """All of them, by their paths."""
    packages = [
        str(path.relative_to(ROOT))
        for name in ("regularizers", "optimizers")
        for path in sorted((ROOT / name).glob("*.py"))
        if path.name != "__init__.py"
    ]
    return [*OWN, *packages]


def own_tests(module: str) -> tuple[str, ...]:
    """The tests of a module, the quickest first."""
    if module in OWN:
        return OWN[module]
    name = module.removesuffix(".py").replace("/", ".")
    text = (ROOT / module).read_text()
    first = (f"tests/test_doctests.py::test_examples_print_what_they_say[{name}]",) if ">>> " in text else ()
    if module.startswith("regularizers"):
        return (*first, *REGULARIZERS)
    special = LINE_SEARCHES if "line_search" in module else WRAPPERS if "_wrapper" in text else ()
    return (*first, *special, *OPTIMIZERS)


def other_tests(module: str) -> tuple[str, ...]:
    """Those that a fault has to pass as well before it counts as one that nobody sees."""
    return next(tests for start, tests in ALSO.items() if module.startswith(start))
