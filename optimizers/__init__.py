"""Optimizers written to be read: one algorithm a file, usable in any PyTorch training loop."""

from optimizers.adam import Adam, AdamW
from optimizers.full_batch_gd import FullBatchGD
from optimizers.rmsprop import RMSprop
from optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "FullBatchGD", "RMSprop"]
