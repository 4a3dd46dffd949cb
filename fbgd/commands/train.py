"""Train one network and keep everything about the run in one directory.

    python scripts/train.py                                        20 passes of SGD on MNIST-1D, about 10 seconds
    python scripts/train.py regime=full_batch optimizer=adam budget.passes=50
    python scripts/train.py optimizer._target_=torch.optim.NAdam optimizer.lr=0.01
    python scripts/train.py optimizer=my_optimizer.yaml            three lines of YAML of your own
    python scripts/train.py model._target_=my_module.Net --module-path .
    python scripts/train.py data=fashion_mnist data.train_size=2000 regime=full_batch \\
        'regularizer=[gradient_clipping,gradient_penalty]' seed=1 --out runs/mine

    torchrun --nproc-per-node 8 scripts/train.py regime=full_batch        the blocks of every step dealt to 8 processes

The same command again prints the finished run, or goes on where a killed one stopped, on any number of processes. The
exit status is 3 where the run diverged, 2 for a mistake in the command.
"""

import argparse
import sys
from pathlib import Path

from fbgd.config.groups import FOLDER, GROUPS, choices
from fbgd.config.overrides import FROM_FILES
from fbgd.errors import EXPECTED, one_line, own_place, said
from fbgd.programs import make_parser


def make_train_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The options."""
    groups = "\n".join(f"  {group:12} {' | '.join(choices(group))}" for group in GROUPS)
    parser = make_parser(
        __doc__,
        prog,
        f"groups and their choices:\n{groups}\n\nevery key inside a group: {FOLDER}/GROUP/CHOICE.yaml\n"
        f"a file of your own in place of a choice, GROUP=FILE.yaml: {', '.join(FROM_FILES)}",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="group=choice, or a dotted key and its value; groups are chosen first, then keys are set",
    )
    parser.add_argument(
        "--module-path",
        action="append",
        default=[],
        metavar="DIR",
        help="folder with modules of your own, whose classes _target_ may name; may be repeated. The folders of YAML "
        "files are searched anyway (in a study: the word impl.module_path=DIR)",
    )
    parser.add_argument("--out", type=Path, help="run directory (default: runs/<data>-<first digits of the identity>)")
    return parser


def main(words: list[str] | None = None, prog: str | None = None) -> int:
    """Run the command line ``words``; returns the exit status."""
    arguments = make_train_parser(prog).parse_intermixed_args(words)
    # What trains takes seconds to import, and the help needs none of it.
    from fbgd.config.compose import compose
    from fbgd.runs.directory import default_folder
    from fbgd.runs.progress import run_on_ranks, show_summary
    from fbgd.runs.ranks import Meeting, RankLost, complain, end_process
    from fbgd.runs.signals import exit_status

    try:
        meeting = Meeting()
    except EXPECTED as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2

    def train() -> int:
        try:
            with meeting:
                config = compose(arguments.overrides, arguments.module_path)
                out = arguments.out or default_folder(config)
                summary = run_on_ranks(config, out, meeting)
        except KeyboardInterrupt as interruption:
            if meeting.first:
                print("\ninterrupted: the same command goes on from the last checkpoint", file=sys.stderr)
            return exit_status(interruption)
        except EXPECTED as error:
            complain(meeting.complaint(error, one_line(error)))
            return 1 if isinstance(error, RankLost) else 2
        except Exception as error:
            # What fails in the user's own code in the middle of a run is the user's to mend.
            if not own_place(error):
                raise
            complain(meeting.complaint(error, said(error)))
            return 2
        if meeting.first:
            show_summary(summary, out)
        return 3 if summary["status"] == "diverged" else 0

    status = train()
    if meeting.place is not None:
        # However a rank ends: an interpreter that is taken down may abort instead.
        end_process(status)
    return status
