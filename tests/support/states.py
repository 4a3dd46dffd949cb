"""Training states for probes, made by hand."""

import torch
from problems import parameters

from fbgd.engine.objective import classification
from fbgd.engine.probe import ProbeState


def state(model, blocks, optimizer=None, objective=None, lr=0.1, initial=None):
    """What a probe sees of a model between two steps."""
    return ProbeState(
        model=model,
        params=parameters(model),
        step=3,
        passes=3.0,
        lr=lr,
        blocks=lambda: blocks.training_pass(0),
        objective=objective or classification(model),
        optimizer=optimizer,
        generator=lambda *index: torch.Generator().manual_seed(hash(index) % 1000),
        initial=initial,
    )
