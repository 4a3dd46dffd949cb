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
    "gradient_covariance": ProbeCase(
        ("probe.gradient_covariance.count=2", "probe.gradient_covariance.vectors=2"),
        {
            "count = 0": {"count": 0},
            "blocks, samples": {"of": "batches"},
            "most = 1 must be 2": {"most": 1},
            "vectors = -1": {"vectors": -1},
            "as trained, fp64": {"precision": "bf16"},
        },
    ),
    "block_angle": ProbeCase((), {"blocks, samples": {"of": "batches"}, "most = 0 must be 2": {"most": 0}}),
    "hessian_trace": ProbeCase(
        ("probe.hessian_trace.vectors=2",),
        {"vectors = 1 must be 2": {"vectors": 1}, "as trained, fp64": {"precision": "bf16"}},
    ),
    "spectral_density": ProbeCase(
        ("probe.spectral_density.vectors=1", "probe.spectral_density.steps=3"),
        {
            "vectors = 0": {"vectors": 0},
            "steps = 0": {"steps": 0},
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
