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


PRECISION = {"as trained, fp64": {"precision": "bf16"}}
METRIC = {"identity, optimizer": {"metric": "adam"}}
PROBES = {
    "gauss_newton": ProbeCase(
        ("probe.gauss_newton.count=2", "probe.gauss_newton.steps=6"), {"count = 0": {"count": 0}}
    ),
    "keskar_sharpness": ProbeCase(
        ("probe.keskar_sharpness.iterations=2", "probe.keskar_sharpness.subspace=3"),
        {
            r"epsilon = 0 .*\(0, inf\)": {"epsilon": 0},
            "iterations = 0 must": {"iterations": 0},
            "subspace = 0 must": {"subspace": 0},
            **PRECISION,
        },
    ),
    "adaptive_sharpness": ProbeCase(
        ("probe.adaptive_sharpness.steps=2", "probe.adaptive_sharpness.samples=2"),
        {
            r"rho = 0 .*\(0, inf\)": {"rho": 0},
            "steps = 0 must": {"steps": 0},
            "samples = 3 must be an even number": {"samples": 3},
            "per = 'sample' must be one of set, block": {"per": "sample"},
            **PRECISION,
        },
    ),
    "information_criterion": ProbeCase(
        ("probe.information_criterion.every=2",),
        {
            r"damping = 1 .*\[0, 1\)": {"damping": 1},
            "limit = 0 must": {"limit": 0},
            **PRECISION,
        },
    ),
    "pac_bayes": ProbeCase(
        ("probe.pac_bayes.sizes=2", "probe.pac_bayes.samples=2"),
        {
            "smallest = 2 and largest = 1.0 must": {"smallest": 2},
            "sizes = 0 and": {"sizes": 0},
            r"confidence = 1 .*\(0, 1\)": {"confidence": 1},
            **PRECISION,
        },
    ),
    "norms": ProbeCase((), {r"quantile = 2 .*\[0, 1\]": {"quantile": 2}}),
    "batch_sharpness": ProbeCase((), PRECISION),
    "gradient_noise_scale": ProbeCase(),
    "gradient_sharpness": ProbeCase((), PRECISION),
    "preconditioned": ProbeCase(
        ("probe.preconditioned.steps=6", "probe.preconditioned.count=2"),
        {
            "count = 0": {"count": 0},
            "between 1 and steps = 0": {"steps": 0},
            r"tolerance = 1.0 .*\[0, 1\)": {"tolerance": 1.0},
            **PRECISION,
        },
    ),
    "implicit_bias": ProbeCase(
        ("probe.implicit_bias.every=2", "probe.implicit_bias.rate=0.01", "probe.implicit_bias.tolerance=1e-3"),
        {
            "blocks_per_step = 2": {"blocks_per_step": 2},
            r"rate = 0 .*\(0, inf\)": {"rate": 0},
            "pairs = 0": {"pairs": 0},
            r"tolerance = 1.0 .*\(0, 1\)": {"tolerance": 1.0},
            **PRECISION,
        },
    ),
    "hessian_index": ProbeCase(
        ("probe.hessian_index.steps=4", "probe.hessian_index.directions=2"),
        {
            "dense, lanczos": {"method": "exact"},
            "at least 2: their spread": {"directions": 1},
            "limit = 0": {"limit": 0},
            r"threshold = 1.0 .*\[0, 1\)": {"threshold": 1.0},
            **PRECISION,
        },
    ),
    "gradient_covariance": ProbeCase(
        ("probe.gradient_covariance.count=2", "probe.gradient_covariance.vectors=2"),
        {
            "count = 0": {"count": 0},
            "blocks, samples": {"of": "batches"},
            "most = 1 must be 2": {"most": 1},
            "vectors = -1": {"vectors": -1},
            **PRECISION,
        },
    ),
    "block_angle": ProbeCase((), {"blocks, samples": {"of": "batches"}, "most = 0 must be 2": {"most": 0}}),
    "hessian_trace": ProbeCase(
        ("probe.hessian_trace.vectors=2",),
        {"vectors = 1 must be 2": {"vectors": 1}, **METRIC, **PRECISION},
    ),
    "spectral_density": ProbeCase(
        ("probe.spectral_density.vectors=1", "probe.spectral_density.steps=3"),
        {
            "vectors = 0": {"vectors": 0},
            "steps = 0": {"steps": 0},
            **METRIC,
            **PRECISION,
        },
    ),
    "sharpness": ProbeCase(
        ("probe.sharpness.count=2", "probe.sharpness.steps=6"),
        {
            "count = 0": {"count": 0},
            "between 1 and steps = 30": {"count": 31},
            r"tolerance = 1.0 .*\[0, 1\)": {"tolerance": 1.0},
            **PRECISION,
        },
    ),
}
