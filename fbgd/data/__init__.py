"""Data sets: a source gives raw arrays, :func:`prepare` makes an experiment's data of them."""

from fbgd.data.array_file import array_file
from fbgd.data.catalogues import catalogues
from fbgd.data.cifar import cifar10, cifar100
from fbgd.data.csv import csv
from fbgd.data.dataset import Arrays, Dataset, Samples, TrainingSet
from fbgd.data.digits import digits
from fbgd.data.fashion_mnist import fashion_mnist
from fbgd.data.fashion_mnist_32 import fashion_mnist_32
from fbgd.data.files import DataError
from fbgd.data.huggingface import huggingface
from fbgd.data.image_folder import image_folder
from fbgd.data.markov import markov
from fbgd.data.mnist1d import mnist1d
from fbgd.data.parallel_text import parallel_text
from fbgd.data.prepare import prepare
from fbgd.data.python_source import python_source
from fbgd.data.text import text
from fbgd.data.torch_dataset import torch_dataset

__all__ = [
    "Arrays",
    "DataError",
    "Dataset",
    "Samples",
    "TrainingSet",
    "array_file",
    "catalogues",
    "cifar10",
    "cifar100",
    "csv",
    "digits",
    "fashion_mnist",
    "fashion_mnist_32",
    "huggingface",
    "image_folder",
    "markov",
    "mnist1d",
    "parallel_text",
    "prepare",
    "python_source",
    "text",
    "torch_dataset",
]
