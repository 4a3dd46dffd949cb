"""A study and a sweep from Python: rungs made by a loop, and what comes back as tables.

    python docs/examples/study_and_sweep.py      half a minute; results/ keeps both, and their runs are never repeated

Does full batch need a larger learning rate than SGD? The sweep chooses one for each on validation data.
"""

import fbgd

SIZES = ["data.source.train=600", "data.source.test=500", "data.validation_size=100", "model=mlp", "budget.passes=10"]
BLOCKS = (25, 100, 500)


def main() -> None:
    """Run both, and print what they show."""
    study = fbgd.Study(
        {
            "title": "Block sizes",
            "words": SIZES,
            "rungs": {f"blocks of {size}": [f"regime.block_size={size}"] for size in BLOCKS},
            "baseline": "blocks of 25",
            "figures": ["ladder.png"],
        },
        name="block_sizes",
    )
    results = study.run(seeds=2)
    print(results)
    print(results.table[["rung", "mean", "delta", "delta_low", "delta_high"]])

    words = ["regime=sgd,full_batch", "optimizer.lr=0.03,0.3,3", "seed=0,1", "regime.block_size=50", *SIZES]
    sweep = fbgd.sweep(words, baseline="regime=sgd")
    print(sweep)
    scores = sweep.runs.groupby(["regime", "lr"], sort=False)["validation_accuracy"].mean()
    print(scores.unstack().round(3))
    print("figures:", *sweep.figures)


if __name__ == "__main__":
    main()
