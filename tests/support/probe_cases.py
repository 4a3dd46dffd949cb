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
    "batch_sharpness": ProbeCase((), {"as trained, fp64": {"precision": "bf16"}}),
    "gradient_noise_scale": ProbeCase(),
    "gradient_sharpness": ProbeCase((), {"as trained, fp64": {"precision": "bf16"}}),
    "preconditioned": ProbeCase(
        ("probe.preconditioned.steps=6",),
        {
            "between 1 and steps = 0": {"steps": 0},
            r"tolerance = 1.0 .*\[0, 1\)": {"tolerance": 1.0},
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
