"""Read-only diagnostics of a training state, one a file; see :mod:`fbgd.engine.probe` for what a probe may see."""

from fbgd.probes.adaptive import AdaptiveSharpness, signed_ascent
from fbgd.probes.batch_sharpness import BatchSharpness
from fbgd.probes.block_angle import BlockAngle
from fbgd.probes.block_losses import BlockLosses, InMetric, NetworkLosses, Scaled, Whole
from fbgd.probes.block_matrix import BlockMatrix, block_matrix
from fbgd.probes.gauss_newton import GaussNewton, GaussNewtonProduct
from fbgd.probes.gradient_covariance import GradientCovariance
from fbgd.probes.gradient_sharpness import GradientSharpness
from fbgd.probes.hessian_index import HessianIndex
from fbgd.probes.hessian_trace import HessianTrace
from fbgd.probes.implicit_bias import Bias, ImplicitBias, fit_bias
from fbgd.probes.information import InformationCriterion, criterion
from fbgd.probes.keskar import KeskarSharpness
from fbgd.probes.lanczos import Tridiagonal, lanczos
from fbgd.probes.landscape import Plane, filter_normalised, grid, line, through
from fbgd.probes.metric import InMetricProduct
from fbgd.probes.modified_flow import flow, mean_pass, orders
from fbgd.probes.moments import GradientMoments, gradient_moments
from fbgd.probes.noise_scale import GradientNoiseScale, noise_scale
from fbgd.probes.norms import Norms
from fbgd.probes.pac_bayes import PacBayes
from fbgd.probes.preconditioned import PreconditionedSharpness
from fbgd.probes.products import HessianProduct, hessian_product
from fbgd.probes.recursion import FAMILIES, Recursion, recursion_of
from fbgd.probes.sharpness import Sharpness
from fbgd.probes.spectral_density import HessianDensity, SpectralDensity
from fbgd.probes.surface import Surface, regrouped, surface
from regularizers.tensor_lists import flatten, unflatten

__all__ = [
    "FAMILIES",
    "AdaptiveSharpness",
    "BatchSharpness",
    "Bias",
    "BlockAngle",
    "BlockLosses",
    "BlockMatrix",
    "GaussNewton",
    "GaussNewtonProduct",
    "GradientCovariance",
    "GradientMoments",
    "GradientNoiseScale",
    "GradientSharpness",
    "HessianDensity",
    "HessianIndex",
    "HessianProduct",
    "HessianTrace",
    "ImplicitBias",
    "InMetric",
    "InMetricProduct",
    "InformationCriterion",
    "KeskarSharpness",
    "NetworkLosses",
    "Norms",
    "PacBayes",
    "Plane",
    "PreconditionedSharpness",
    "Recursion",
    "Scaled",
    "Sharpness",
    "SpectralDensity",
    "Surface",
    "Tridiagonal",
    "Whole",
    "block_matrix",
    "criterion",
    "filter_normalised",
    "fit_bias",
    "flatten",
    "flow",
    "gradient_moments",
    "grid",
    "hessian_product",
    "lanczos",
    "line",
    "mean_pass",
    "noise_scale",
    "orders",
    "recursion_of",
    "regrouped",
    "signed_ascent",
    "surface",
    "through",
    "unflatten",
]
