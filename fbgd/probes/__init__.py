"""Read-only diagnostics of a training state, one a file; see :mod:`fbgd.engine.probe` for what a probe may see."""

from fbgd.probes.adaptive import AdaptiveSharpness, signed_ascent
from fbgd.probes.batch_sharpness import BatchSharpness
from fbgd.probes.gauss_newton import GaussNewton, GaussNewtonProduct
from fbgd.probes.gradient_sharpness import GradientSharpness
from fbgd.probes.information import InformationCriterion, criterion
from fbgd.probes.keskar import KeskarSharpness
from fbgd.probes.lanczos import Tridiagonal, lanczos
from fbgd.probes.moments import GradientMoments, gradient_moments
from fbgd.probes.noise_scale import GradientNoiseScale, noise_scale
from fbgd.probes.norms import Norms
from fbgd.probes.pac_bayes import PacBayes
from fbgd.probes.preconditioned import PreconditionedSharpness
from fbgd.probes.products import HessianProduct, hessian_product
from fbgd.probes.recursion import FAMILIES, Recursion, recursion_of
from fbgd.probes.sharpness import Sharpness
from fbgd.probes.surface import Surface, regrouped, surface
from fbgd.probes.vectors import flatten, unflatten

__all__ = [
    "FAMILIES",
    "AdaptiveSharpness",
    "BatchSharpness",
    "GaussNewton",
    "GaussNewtonProduct",
    "GradientMoments",
    "GradientNoiseScale",
    "GradientSharpness",
    "HessianProduct",
    "InformationCriterion",
    "KeskarSharpness",
    "Norms",
    "PacBayes",
    "PreconditionedSharpness",
    "Recursion",
    "Sharpness",
    "Surface",
    "Tridiagonal",
    "criterion",
    "flatten",
    "gradient_moments",
    "hessian_product",
    "lanczos",
    "noise_scale",
    "recursion_of",
    "regrouped",
    "signed_ascent",
    "surface",
    "unflatten",
]
