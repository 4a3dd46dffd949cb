"""Read-only diagnostics of a training state, one a file; see :mod:`fbgd.engine.probe` for what a probe may see."""

from fbgd.probes.block_angle import BlockAngle
from fbgd.probes.block_matrix import BlockMatrix, block_matrix
from fbgd.probes.gradient_covariance import GradientCovariance
from fbgd.probes.hessian_trace import HessianTrace
from fbgd.probes.lanczos import Tridiagonal, lanczos
from fbgd.probes.moments import GradientMoments, gradient_moments
from fbgd.probes.noise_scale import GradientNoiseScale, noise_scale
from fbgd.probes.products import HessianProduct, hessian_product
from fbgd.probes.sharpness import Sharpness
from fbgd.probes.spectral_density import HessianDensity, SpectralDensity
from fbgd.probes.vectors import flatten, unflatten

__all__ = [
    "BlockAngle",
    "BlockMatrix",
    "GradientCovariance",
    "GradientMoments",
    "GradientNoiseScale",
    "HessianDensity",
    "HessianProduct",
    "HessianTrace",
    "Sharpness",
    "SpectralDensity",
    "Tridiagonal",
    "block_matrix",
    "flatten",
    "gradient_moments",
    "hessian_product",
    "lanczos",
    "noise_scale",
    "unflatten",
]
