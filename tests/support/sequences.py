"""Small problems on token sequences of different lengths."""

import torch
import torch.nn as nn

from fbgd.data import Samples, TrainingSet
from fbgd.data.dataset import IGNORED, PADDING
from fbgd.engine.blocks import BlockOrder, BlockSource
from fbgd.engine.objective import classification
from fbgd.models import Transformer

VOCABULARY = 11
LENGTH = 6


def sentences(count, seed=0):
    """Pairs of random sequences of 1 to LENGTH tokens, in inputs (count, 2, LENGTH) and targets (count, LENGTH)."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(1, VOCABULARY, (count, 2, LENGTH), generator=generator)
    targets = torch.randint(1, VOCABULARY, (count, LENGTH), generator=generator)
    lengths = torch.randint(1, LENGTH + 1, (count, 2, 1), generator=generator)
    beyond = torch.arange(LENGTH) >= lengths
    return Samples(inputs.masked_fill(beyond, PADDING), targets.masked_fill(beyond[:, 1], IGNORED))


class NextToken(nn.Module):
    """A decoder alone, on inputs (B, T): logits from the mean of the embeddings so far."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 4)
        self.output = nn.Linear(4, VOCABULARY)

    def forward(self, inputs):
        counts = torch.arange(1, inputs.shape[-1] + 1).unsqueeze(-1)
        return self.output(torch.tanh(self.embedding(inputs).cumsum(-2) / counts))


def problem(kind, count=11, seed=0, **options):
    """A model in float64 and its samples."""
    torch.manual_seed(seed)
    samples = sentences(count)
    if kind == "decoder":
        return NextToken().double(), Samples(samples.inputs[:, 1], samples.targets)
    shape = tuple(samples.inputs.shape[1:])
    return Transformer(shape, VOCABULARY, **{"width": 8, "layers": 1, "heads": 2, **options}).double(), samples


def source(samples, block_size=4, transforms=None):
    """All blocks of the samples in one step."""
    return BlockSource(TrainingSet(samples), BlockOrder(len(samples), block_size, "all", "fixed", 0), transforms)


def objective(model, samples):
    """The pure objective of a model of these samples."""
    return classification(model, tokens_per_sample=samples.tokens_per_sample)
