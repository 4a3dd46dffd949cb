"""Regularisers of training, one ingredient a file, usable outside this framework."""

from regularizers.gradient_clipping import GradientClipping, clip_by_global_norm
from regularizers.gradient_penalty import GradientPenalty
from regularizers.hvp import HVP_METHODS, hvp
from regularizers.tensor_lists import foreach_norm, global_norm

__all__ = [
    "HVP_METHODS",
    "GradientClipping",
    "GradientPenalty",
    "clip_by_global_norm",
    "foreach_norm",
    "global_norm",
    "hvp",
]
