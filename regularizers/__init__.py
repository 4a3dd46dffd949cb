"""Regularisers of training, one ingredient a file, usable outside this framework."""

from regularizers.early_stopping import EarlyStopping
from regularizers.gradient_clipping import GradientClipping, GradientValueClipping, clip_by_global_norm
from regularizers.gradient_norm_penalty import GradientNormPenalty
from regularizers.gradient_penalty import GradientPenalty
from regularizers.hvp import HVP_METHODS, hvp
from regularizers.label_smoothing import LabelSmoothing
from regularizers.mixing import CutMix, Mixup
from regularizers.noise import GradientNoise, InputNoise, WeightNoise
from regularizers.norm_penalties import L1, L2, GaussianPrior, NormBias
from regularizers.roles import (
    BlockGradientPenalty,
    BlockNoise,
    BlockTransform,
    GradientTransform,
    LossPenalty,
    Moment,
    ParameterNoise,
    WeightAverage,
)
from regularizers.sgd_noise import SGDNoise
from regularizers.tensor_lists import foreach_norm, global_norm
from regularizers.weight_averaging import EMA, SWA

__all__ = [
    "EMA",
    "HVP_METHODS",
    "L1",
    "L2",
    "SWA",
    "BlockGradientPenalty",
    "BlockNoise",
    "BlockTransform",
    "CutMix",
    "EarlyStopping",
    "GaussianPrior",
    "GradientClipping",
    "GradientNoise",
    "GradientNormPenalty",
    "GradientPenalty",
    "GradientTransform",
    "GradientValueClipping",
    "InputNoise",
    "LabelSmoothing",
    "LossPenalty",
    "Mixup",
    "Moment",
    "NormBias",
    "ParameterNoise",
    "SGDNoise",
    "WeightAverage",
    "WeightNoise",
    "clip_by_global_norm",
    "foreach_norm",
    "global_norm",
    "hvp",
]
