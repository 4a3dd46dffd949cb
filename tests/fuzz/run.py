"""Fuzzing for so many minutes: rounds of the tests in this folder, each with a seed of its own.

python tests/fuzz/run.py --minutes 10            random examples, for ten minutes and the round under way
python tests/fuzz/run.py --seed 5 --minutes 10   the same ones again, as far as the time goes
python tests/fuzz/run.py --examples 60           one round of the same examples every time
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
LINE = re.compile(r"^fuzzed: (.*): (\d+) tried, (\d+) refused$", re.MULTILINE)


def fuzz(examples: int, seed: int | None) -> tuple[int, str]:
    """A round: the exit status of pytest, and what it printed."""
    environment = os.environ | {"FUZZ_EXAMPLES": str(examples), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(HERE)]
    if seed is not None:
        environment["FUZZ_SEED"] = str(seed)
        command.append(f"--hypothesis-seed={seed}")
    done = subprocess.run(command, env=environment, cwd=HERE.parent.parent, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    """Fuzz, and say how many examples of each kind were tried; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="rounds are begun for so long (default: one round)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each has the next one (default: 0)")
    parser.add_argument("--examples", type=int, default=100, help="of every test in a round (default: 100)")
    arguments = parser.parse_args()
    tried: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    start, rounds, failed = time.monotonic(), 0, 0
    while not rounds or (arguments.minutes is not None and time.monotonic() - start < 60 * arguments.minutes):
        seed = None if arguments.minutes is None else arguments.seed + rounds
        status, output = fuzz(arguments.examples, seed)
        rounds += 1
        for kind, count, no in LINE.findall(output):
            tried[kind] += int(count)
            refused[kind] += int(no)
        if status:
            failed += 1
            print(f"{output}\nfailed with seed {seed}", flush=True)
    print(f"{rounds} round(s) in {(time.monotonic() - start) / 60:.1f} minutes, from seed {arguments.seed}:")
    for kind, count in sorted(tried.items()):
        print(f"{count:>8} {kind}, of them {refused[kind]} refused in one line")
    print(f"{rounds - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
