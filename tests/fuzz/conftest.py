"""How many examples a fuzzing run tries, and what it says of them at its end; see ``tests/fuzz/run.py``."""

import os

from fuzzing import REFUSED, TRIED
from hypothesis import HealthCheck, Phase, settings

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
if EXAMPLES:
    # Without a seed of its own the examples are the same every time.
    settings.register_profile(
        "fuzz",
        deadline=None,
        max_examples=int(EXAMPLES),
        derandomize=os.environ.get("FUZZ_SEED") is None,
        database=None,
        # The first failing example is told as it is: making it smaller may take longer than all others.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("fuzz")


def pytest_terminal_summary(terminalreporter):
    """A line of the examples tried, for whoever adds them up."""
    for kind, count in sorted(TRIED.items()):
        terminalreporter.write_line(f"fuzzed: {kind}: {count} tried, {REFUSED[kind]} refused")
