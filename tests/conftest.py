"""Shared set-up: one thread a test process, since two processes run side by side."""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from hypothesis import settings
from inprocess import run_here

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def same_global_state():
    """Tests begin with the same global seed, and a test that leaves other precision settings fails loudly."""
    torch.manual_seed(0)
    yield
    assert torch.get_default_dtype() is torch.float32


@pytest.fixture(autouse=True)
def same_vectorisation(monkeypatch):
    """``auto`` is three blocks a call, whatever the clock says: others round otherwise, and bits are compared."""
    monkeypatch.setattr(
        "fbgd.config.build.choose_blocks_per_call", lambda make, params, blocks, device: min(3, len(blocks))
    )


@pytest.fixture
def in_process(monkeypatch):
    """Studies execute their runs here, see :mod:`inprocess`."""
    run_here(monkeypatch)
