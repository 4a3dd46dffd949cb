"""How many of the faults that are put into the code the tests see: a random sample of mutants, one after another.

    python tests/mutants/run.py                          200 of them, chosen by seed 0
    python tests/mutants/run.py --count 50 --seed 7      other ones
    python tests/mutants/run.py --all                    every one: days
    python tests/mutants/run.py --only selection         of the modules whose path has this word in it
    python tests/mutants/run.py --list                   only says which they are

A mutant's module is compiled with its fault in a process of its own, which is forked from one that has the large
packages loaded; no file is changed. It is killed by the first test that fails, or by taking too long.
"""

import argparse
import ast
import importlib
import importlib.abc
import importlib.util
import math
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT), str(ROOT / "tests" / "support")]
os.environ["OMP_NUM_THREADS"] = "1"

from modules import modules, other_tests, own_tests  # noqa: E402
from operators import Mutant, mutants, with_fault  # noqa: E402

LARGE = ("torch", "torch.func", "numpy", "pandas", "scipy.stats", "sklearn", "hydra", "omegaconf", "hypothesis",
         "matplotlib.pyplot", "seaborn", "rich.console", "pooch", "filelock", "mnist1d.data", "schedulefree",
         "torch.distributions", "pytest", "xdist", "pytest_cov")  # fmt: skip
# Of processor time; of waiting so many times as much, where others are at work.
SECONDS, PATIENCE = 120, 20
KILLED, TOO_LONG, SURVIVED, BROKEN = "killed", "too long", "survived", "no test ran"


class Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives a module with its fault to whoever imports it."""

    def __init__(self, name: str, path: Path, tree: ast.Module):
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def exec_module(self, module):
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)


def tested(module: str, tree: ast.Module | None, tests: tuple[str, ...], seconds: int) -> str:
    """What becomes of a module, with a fault or without one, under some tests."""
    child = os.fork()
    if not child:
        status = 70
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
            nothing = os.open(os.devnull, os.O_RDWR)
            for descriptor in (1, 2):
                os.dup2(nothing, descriptor)
            if tree is not None:
                sys.meta_path.insert(0, Faulty(module.removesuffix(".py").replace("/", "."), ROOT / module, tree))
            os.chdir(ROOT)
            import pytest

            # Hypothesis is loaded before the tests are.
            options = [
                "-x",
                "-q",
                "-n",
                "0",
                "-p",
                "no:cacheprovider",
                "-W",
                "ignore::pytest.PytestAssertRewriteWarning",
            ]
            status = pytest.main([*options, *tests])
        finally:
            os._exit(int(status))
    end = time.monotonic() + PATIENCE * seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGXCPU:
                return TOO_LONG
            # A fault with which tests cannot even be collected, or that ends the interpreter, is one that is seen.
            return SURVIVED if code == 0 else BROKEN if code in (4, 5) else KILLED
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TOO_LONG


def fate(module: str, mutant: Mutant) -> str:
    """What becomes of a mutant: under its module's own tests, and if these pass, under others."""
    check_tests(own_tests(module))
    tree = with_fault((ROOT / module).read_text(), mutant.number)
    found = tested(module, tree, own_tests(module), SECONDS)
    return tested(module, tree, other_tests(module), 3 * SECONDS) if found == SURVIVED else found


@cache
def check_tests(tests: tuple[str, ...]) -> None:
    """Exit where tests fail without any fault: they would kill every mutant."""
    if (found := tested("", None, tests, SECONDS)) != SURVIVED:
        raise SystemExit(f"{found} without a fault: {' '.join(tests)}")


def wilson(successes: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share = successes / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return middle - half, middle + half


def main() -> int:
    """Try a sample, print every survivor and the share that is killed; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--only", default="", metavar="WORD", help="of modules with this word in their path")
    parser.add_argument("--list", action="store_true", help="say which they are, and try none")
    parser.add_argument("--verbose", action="store_true", help="also print those that are killed")
    arguments = parser.parse_args()
    population = [
        (module, mutant)
        for module in modules()
        if arguments.only in module
        for mutant in mutants((ROOT / module).read_text())
    ]
    count = len(population) if arguments.all else min(arguments.count, len(population))
    # The first of a larger sample are a smaller one.
    random.Random(arguments.seed).shuffle(population)
    print(f"{count} of {len(population)} mutants, seed {arguments.seed}", flush=True)
    for name in () if arguments.list else LARGE:
        importlib.import_module(name)
    start = time.monotonic()
    fates: Counter[str] = Counter()
    for number, (module, mutant) in enumerate(population[:count], 1):
        found = "listed" if arguments.list else fate(module, mutant)
        fates[found] += 1
        if arguments.verbose or found not in (KILLED, TOO_LONG):
            change = f"{mutant.before}  ->  {mutant.after}"
            print(f"{number}: {found}: {module}:{mutant.line}: {mutant.operator}: {change}", flush=True)
    if arguments.list:
        return 0
    killed, minutes = fates[KILLED] + fates[TOO_LONG], (time.monotonic() - start) / 60
    low, high = wilson(killed, count)
    print(f"{killed} of {count} killed, {killed / count:.1%}, Wilson's 95 % interval {low:.1%} to {high:.1%}")
    print(
        f"{fates[TOO_LONG]} of them took too long; {sum(os.times()[2:4]) / 60:.0f} minutes of a core in {minutes:.0f}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
