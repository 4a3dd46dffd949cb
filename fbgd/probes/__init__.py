"""Read-only diagnostics of a training state, one a file; see :mod:`fbgd.engine.probe` for what a probe may see."""

from fbgd.probes.block_losses import BlockLosses, InMetric, NetworkLosses, Scaled, Whole
from fbgd.probes.implicit_bias import Bias, ImplicitBias, fit_bias
from fbgd.probes.lanczos import Tridiagonal, lanczos
from fbgd.probes.modified_flow import flow, mean_pass, orders
from fbgd.probes.moments import GradientMoments, gradient_moments
from fbgd.probes.noise_scale import GradientNoiseScale, noise_scale
from fbgd.probes.products import HessianProduct, hessian_product
from fbgd.probes.sharpness import Sharpness
from fbgd.probes.vectors import flatten, unflatten

__all__ = [
    "Bias",
    "BlockLosses",
    "GradientMoments",
    "GradientNoiseScale",
    "HessianProduct",
    "ImplicitBias",
    "InMetric",
    "NetworkLosses",
    "Scaled",
    "Sharpness",
    "Tridiagonal",
    "Whole",
    "fit_bias",
    "flatten",
    "flow",
    "gradient_moments",
    "hessian_product",
    "lanczos",
    "mean_pass",
    "noise_scale",
    "orders",
    "unflatten",
]
