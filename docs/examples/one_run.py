"""One network in both regimes from Python: what was recorded, a table, and the trained networks themselves.

    python docs/examples/one_run.py      seconds; the runs stay in runs/, so that the same command again only reads them

How much does the test accuracy lose when noise is added to the weights? A flat minimum loses little.
"""

import torch

import fbgd
from fbgd.config.build import load_data

SIZES = "data.source.train=500 data.source.test=500 model=mlp regime.block_size=50 budget.passes=20 impl.threads=1"
NOISE = 0.05


def accuracy(run, noise: float) -> float:
    """The test accuracy of a run's network, with noise of this size, relative to each weight matrix, added to it."""
    model, test = run.model(), load_data(run.config).test
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.parameters():
            weights += noise * weights.norm() * torch.randn(weights.shape, generator=draws) / weights.numel() ** 0.5
        return (model(test.inputs).argmax(1) == test.targets).float().mean().item()


def main() -> None:
    """Train, look, compare."""
    sgd = fbgd.run(f"{SIZES} regime=sgd optimizer.lr=0.1")
    full = fbgd.run([*SIZES.split(), "regime=full_batch", "optimizer=adam", "optimizer.lr=0.03"])
    print(sgd.rows[["passes", "loss", "gradient_norm", "test_accuracy"]].dropna())
    print(fbgd.compare([sgd, full], by=["regime", "optimizer"]))
    for run in (sgd, full):
        print(f"{run.folder}: {accuracy(run, 0):.3f}, with {100 * NOISE:g} % noise {accuracy(run, NOISE):.3f}")


if __name__ == "__main__":
    main()
