"""Architectures: every one is called with ``input_shape`` and ``classes`` and its own options.

One that takes token numbers in place of signals says so by the attribute ``token_shape``, a sample's shape that its
options can be tried with. One whose options fit some shapes only has a static method ``trial_shape(**options)`` that
gives such a shape. One whose networks can be stacked, so that ``vmap`` runs several of them at a time, says so
by ``vectorises = True``; its subclasses have to say so again.
"""

from fbgd.models.cnn import CNN
from fbgd.models.cnn5 import CNN5
from fbgd.models.densenet import DenseNet
from fbgd.models.gpt import GPT
from fbgd.models.layers import NORMS, BatchNorm
from fbgd.models.mlp import MLP
from fbgd.models.preact_resnet import PreActResNet
from fbgd.models.random_layers import Dropout, RandomLayer, StochasticDepth
from fbgd.models.resnet import ResNet
from fbgd.models.strided_cnn import StridedCNN
from fbgd.models.transformer import Transformer
from fbgd.models.vgg import VGG
from fbgd.models.vit import ViT

__all__ = [
    "CNN",
    "CNN5",
    "GPT",
    "MLP",
    "NORMS",
    "VGG",
    "BatchNorm",
    "DenseNet",
    "Dropout",
    "PreActResNet",
    "RandomLayer",
    "ResNet",
    "StochasticDepth",
    "StridedCNN",
    "Transformer",
    "ViT",
]
