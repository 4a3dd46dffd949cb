"""A regression by the squared error, with R2 and a metric of one's own, in both regimes.

    python docs/examples/regression.py      seconds; R2 of the test data above 0.8 by SGD, and less by full batch

The numbers are a smooth function of three features, with noise. They go to wave.npz in the current folder.
"""

from pathlib import Path

import numpy as np

import fbgd

WORDS = (
    *("data=array_file", "data.source.path=wave.npz", "data.source.regression=true", "objective=squared_error"),
    *("model=mlp", "model.width=32", "regime.block_size=20", "optimizer.lr=0.05", "budget.passes=30"),
    *("metric.worst._target_=regression.worst", f"impl.module_path={Path(__file__).parent}"),
)


def worst(outputs, targets, share: float = 0.05) -> float:
    """A metric of outputs and targets (samples, 1): the error that a share of the samples exceeds."""
    return (outputs - targets).abs().flatten().double().quantile(1 - share).item()


def wave(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (count, 3) and a number a sample."""
    draws = np.random.default_rng(seed)
    features = draws.uniform(-1, 1, (count, 3))
    return features, np.sin(3 * features[:, 0]) + features[:, 1] * features[:, 2] + draws.normal(0, 0.1, count)


if __name__ == "__main__":
    (x, y), (test_x, test_y) = wave(400, 0), wave(200, 1)
    np.savez("wave.npz", train_x=x, train_y=y, test_x=test_x, test_y=test_y)
    for regime in ("sgd", "full_batch"):
        run = fbgd.run([*WORDS, f"regime={regime}"])
        loss, r2, error = (run.summary[f"test_{name}"] for name in ("loss", "r2", "worst"))
        print(f"{regime}: loss {loss:.3f}, R2 {r2:.2f}, one error in twenty above {error:.2f}")
