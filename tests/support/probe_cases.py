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
    "hessian_index": ProbeCase(
        ("probe.hessian_index.steps=4", "probe.hessian_index.directions=2"),
        {
            "dense, lanczos": {"method": "exact"},
            "at least 2: their spread": {"directions": 1},
            "limit = 0": {"limit": 0},
            r"threshold = 1.0 .*\[0, 1\)": {"threshold": 1.0},
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
