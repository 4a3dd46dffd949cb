"""Read-only diagnostics of a training state, one a file; see :mod:`fbgd.engine.probe` for what a probe may see."""

from fbgd.probes.hessian_index import HessianIndex
from fbgd.probes.lanczos import Tridiagonal, lanczos
from fbgd.probes.moments import GradientMoments, gradient_moments
from fbgd.probes.noise_scale import GradientNoiseScale, noise_scale
from fbgd.probes.products import HessianProduct, hessian_product
from fbgd.probes.sharpness import Sharpness
from fbgd.probes.vectors import flatten, unflatten

__all__ = [
    "GradientMoments",
    "GradientNoiseScale",
    "HessianIndex",
    "HessianProduct",
    "Sharpness",
    "Tridiagonal",
    "flatten",
    "gradient_moments",
    "hessian_product",
    "lanczos",
    "noise_scale",
    "unflatten",
]
