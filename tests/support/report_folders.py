"""Small studies' folders with made-up runs, for the report."""

import struct
import zlib
from dataclasses import replace

import pandas as pd
import yaml

from fbgd.config.compose import compose
from fbgd.config.schema import to_dict
from fbgd.report.claims import Claim, Estimate, higher, lower
from fbgd.report.description import Description, to_json
from fbgd.report.pages import Recipe, by_description
from fbgd.runs.provenance import identity
from fbgd.runs.rows import to_frame

# Accuracies by rung, in an order that no column sorts them into.
RUNGS = {"SGD": [0.95, 0.96, 0.97], "FB 9": [0.70, 0.72, 0.71], "FB 10": [0.93, 0.96, 0.96]}
RATES = {"SGD": "0.1", "FB 9": "0.1", "FB 10": "0.4"}
PASSES = [1, 2, 4, 8]


def fixed(*estimates):
    """What estimates nothing but these."""
    return lambda evidence: [Estimate(*estimate) for estimate in estimates]


MADE_UP = Recipe(
    by_description,
    (
        Claim("gain", "FB gains.", "gain, points", fixed((24.0, 21.0, 27.0)), published="+11.94 (CIFAR-10)"),
        Claim("loss", "FB loses.", "loss, points", fixed((3.0, 1.0, 5.0, "case <i>")), lower),
        Claim("share", "It is held.", "held, %", fixed((95.8, 93.4, 97.3)), published="95", form=".1f"),
        Claim("level", "They differ.", "points", fixed((0.1, -2.0, 2.2)), higher),
    ),
)


def recipe_of(description):
    """The recipe of the made-up study."""
    return MADE_UP if description.study == "made_up" else None


def picture():
    """A PNG file of one white pixel."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0\xff")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def digest(rung, seed):
    """A made-up identity."""
    return f"{abs(hash_of(rung)) % 16**6:06x}{seed:04x}" + "0" * 54


def hash_of(word):
    """The same number for a word in every process."""
    return zlib.crc32(word.encode())


def loss(rung, seed, passes):
    """A made-up training loss: falls with the passes, and is larger for later seeds."""
    return (1 + seed) * (2 + list(RUNGS).index(rung) if rung in RUNGS else 5) / passes


def write_folder(folder, rungs=None, directories=True, **description):
    """A study's folder; with ``directories`` also its runs beside it, as ``runs/`` of the folder above."""
    rungs = rungs or RUNGS
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for rung, accuracies in rungs.items():
        for seed, accuracy in enumerate(accuracies):
            rows.append(
                {"rung": rung, "seed": seed, "status": "done", "test_accuracy": accuracy, "passes": 8.0,
                 "gradient_evaluations": 800, "seconds": 2.0, "train_size": 100, "test_size": 50, "threads": 1,
                 "identity": digest(rung, seed), "git_revision": "0123456789abcdef", "torch": "2.13.0", "device": "cpu",
                 "data.name": "mnist1d", "regime.blocks_per_step": "1" if rung == "SGD" else "all",
                 "optimizer.lr": RATES.get(rung, "0.1"), "regularizer.clip.max_norm": "0.25" if rung == "FB 10" else ""}
            )  # fmt: skip
            if directories:
                write_run(folder.parent / "runs" / f"x-seed{seed}-{digest(rung, seed)[:10]}", rung, seed)
    to_frame(rows, ["rung"]).to_csv(folder / "runs.csv", index=False)
    asked = {"study": "made_up", "baseline": {"rung": next(iter(rungs))}, "paragraphs": ["A note."], **description}
    (folder / "study.json").write_text(to_json(Description("Made up, mnist1d", ["rung"], **asked)))
    (folder / "ladder.png").write_bytes(picture())
    return folder


def write_run(path, rung, seed):
    """The metrics of a run: accuracy at every other record."""
    path.mkdir(parents=True, exist_ok=True)
    rows = [
        {"step": passes, "passes": float(passes), "loss": loss(rung, seed, passes), "learning_rate": 0.1,
         "test_accuracy": 0.5 + 0.01 * passes if index % 2 else None}
        for index, passes in enumerate(PASSES)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path / "metrics.csv", index=False)


def begin_run(pool, setting, seed, passes=2.0, error=""):
    """A run directory without a result, with its configuration and as many passes as it has done."""
    config = replace(compose(["budget.passes=8"]), seed=seed)
    path = pool / f"{setting}-seed{seed}-{identity(config)[:10]}"
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(to_dict(config)))
    if passes:
        (path / "metrics.csv").write_text(f"passes,loss,learning_rate\n1.0,2.5,0.1\n{passes},0.75,0.1\n")
    if error:
        (path / "error.txt").write_text(f"Traceback\n{error}\n")
    return path
