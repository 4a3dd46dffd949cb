"""The registry of probes: one row, by its name in fbgd/config/conf/probe/, brings all contract tests.

They are in tests/runs/test_probed_runs.py: the run stays as it is, what it writes is finite, bad options are refused.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeCase:
    """One probe.

    Args:
        words: what makes it cheap on a tiny network.
        invalid: options that must be refused, by a part of the message.
    """

    words: tuple[str, ...] = ()
    invalid: dict[str, dict] | None = None


PROBES = {
    "gradient_noise_scale": ProbeCase(),
    "implicit_bias": ProbeCase(
        ("probe.implicit_bias.every=2", "probe.implicit_bias.rate=0.01", "probe.implicit_bias.tolerance=1e-3"),
        {
            "blocks_per_step = 2": {"blocks_per_step": 2},
            r"rate = 0 .*\(0, inf\)": {"rate": 0},
            "pairs = 0": {"pairs": 0},
            r"tolerance = 1.0 .*\(0, 1\)": {"tolerance": 1.0},
            "as trained, fp64": {"precision": "bf16"},
        },
    ),
    "sharpness": ProbeCase(
        ("probe.sharpness.count=2", "probe.sharpness.steps=6"),
        {
            "count = 0": {"count": 0},
            "between 1 and steps = 30": {"count": 31},
            r"tolerance = 1.0 .*\[0, 1\)": {"tolerance": 1.0},
            "as trained, fp64": {"precision": "bf16"},
        },
    ),
}
