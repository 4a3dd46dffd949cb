"""Speed of the engine, as ratios measured side by side in one process: absolute times say nothing across machines.

    python scripts/benchmark.py                   some minutes on 2 cores
    python scripts/benchmark.py --json FILE       the same, and all numbers in a file
    python scripts/benchmark.py --quick           tiny sizes, to see that everything runs; its ratios mean nothing
    python scripts/benchmark.py --ranks 2         instead, a step on 2 processes, and by its costs on up to 64

The two sides of a ratio are timed in turns, and the best time of either side counts. Run it on an idle machine.
"""

import argparse
from pathlib import Path

from fbgd.programs import make_parser


def make_benchmark_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The options."""
    parser = make_parser(__doc__, prog)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; ratios mean nothing")
    parser.add_argument("--ranks", type=int, metavar="N", help="measure a step on N processes of one thread instead")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="with --ranks: draw it, as .png, .pdf or .svg")
    return parser


def main(words: list[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    arguments = make_benchmark_parser(prog).parse_args(words)
    # What is measured takes seconds to import, and the help needs none of it.
    if arguments.ranks is not None:
        from fbgd.studies.benchmark.scale import scale
        from fbgd.studies.command import reported

        return reported(lambda: scale(arguments.ranks, arguments.quick, arguments.json, arguments.figure))
    from fbgd.studies.benchmark.measure import measure_all

    measure_all(arguments.quick, arguments.json)
    return 0
