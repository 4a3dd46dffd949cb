"""Read-only diagnostics of a training state, one a file; see :mod:`fbgd.engine.probe` for what a probe may see."""

from fbgd.probes.moments import GradientMoments, gradient_moments
from fbgd.probes.noise_scale import GradientNoiseScale, noise_scale

__all__ = ["GradientMoments", "GradientNoiseScale", "gradient_moments", "noise_scale"]
