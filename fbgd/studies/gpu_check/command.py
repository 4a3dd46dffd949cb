"""What a GPU does with this code, in one command of at most eight minutes.

    python scripts/gpu_check.py                       all checks on the GPU; a page and a file in results/gpu/
    python scripts/gpu_check.py --minutes 20          a larger ladder at the end
    python scripts/gpu_check.py data=cifar10 data.source.folder=DIR     the ladder on CIFAR-10 in place of Fashion-MNIST
    python scripts/gpu_check.py --ladder-size 0 --minutes 120           the ladder on all images that fit
    python scripts/gpu_check.py --list                what would be checked
    python scripts/gpu_check.py --device cpu --quick  tiny sizes on the CPU, to see that everything runs

What it does, in this order:

1. Parity: every optimizer, every regulariser, both regimes and several blocks a call, a few steps in float64 on the
   device and on the CPU; the final weights must agree to 1e-8.
2. Resume: runs that are cut off after every pass end with the very bits of runs that are not.
3. Speed: images a second of ResNet-18 at 32 x 32 in blocks of 128 and 32, plain and penalised, in float32, TF32 and
   bf16, beside a loop written by hand and beside the limit that products of large matrices set.
4. Projection: hours of the CIFAR-10 ladder at these speeds.
5. A ladder a twentieth as long as the published one, on real images of CIFAR-10's shape, as many as fit into the time
   that is left: it shows that the rungs train, and is no result.

A check that cannot be made says why, and the others are made. The exit status is 1 where one failed.
"""

import argparse
from pathlib import Path

from fbgd.programs import make_parser


def make_check_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The options."""
    parser = make_parser(__doc__, prog)
    parser.add_argument("data", nargs="*", help="words of the ladder's data, of images of 32 x 32 in three colours")
    parser.add_argument("--device", default="cuda", help="cuda (the default), cuda:1, cpu")
    parser.add_argument("--minutes", type=float, default=8, help="that all may take together (default: 8)")
    parser.add_argument("--ladder-size", type=int, metavar="N", help="training images of the ladder; 0: what fits")
    parser.add_argument("--out", type=Path, default=Path("results/gpu"), metavar="FOLDER", help="default: results/gpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: its numbers mean nothing")
    parser.add_argument("--list", action="store_true", help="print what would be checked, and stop")
    return parser


def main(words: list[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    arguments = make_check_parser(prog).parse_args(words)
    # What is checked takes seconds to import, and the help needs none of it.
    from fbgd.studies.gpu_check.checks import check

    return check(arguments)
