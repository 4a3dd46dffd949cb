"""A network of one's own, of torch's BatchNorm1d, LayerNorm and Dropout, trained in full batch.

    python docs/examples/own_model.py      seconds; ends with a test accuracy of about 0.35, where guessing has 0.1

Batch norm takes the statistics of its block, masks of dropout depend on seed, pass, block and place alone, and how many
blocks are evaluated at a time is measured: impl.blocks_per_call=auto.
"""

from pathlib import Path

import torch.nn as nn

import fbgd

FOLDER = Path(__file__).parent
WORDS = f"model._target_=own_model.Net impl.module_path={FOLDER} regime=full_batch regime.block_size=50 optimizer=adam"


class Net(nn.Module):
    """Made from the shape of a sample, the number of classes, and options of its own."""

    def __init__(self, input_shape: tuple[int, ...], classes: int, width: int = 16, dropout: float = 0.1):
        super().__init__()
        self.features = nn.Sequential(nn.Conv1d(input_shape[0], width, 5, stride=2), nn.BatchNorm1d(width), nn.ReLU())
        positions = (input_shape[1] - 5) // 2 + 1
        self.head = nn.Sequential(nn.LayerNorm(width * positions), nn.Dropout(dropout))
        self.out = nn.Linear(width * positions, classes)

    def forward(self, inputs):
        return self.out(self.head(self.features(inputs).flatten(1)))


if __name__ == "__main__":
    run = fbgd.run(f"{WORDS} optimizer.lr=0.01 budget.passes=40 data.source.train=500 data.source.test=500")
    print(run.rows[["passes", "loss", "test_accuracy"]].dropna())
    blocks, layers = run.summary["blocks_per_call"], run.summary["block_batch_norms"]
    print(f"{blocks} blocks a call, {layers} batch norm by block: test accuracy {run.summary['test_accuracy']:.2f}")
