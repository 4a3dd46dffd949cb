"""A study of your own in a YAML file, with the options, checks, page and figures of the built-in ones.

    python scripts/study.py my_study.yaml                  all rungs with all seeds
    python scripts/study.py my_study.yaml --list           every setting; runs nothing
    python scripts/study.py my_study.yaml --quick          tiny sizes, to see that everything runs
    python scripts/study.py my_study.yaml --seeds 5 --only baseline model.width=16
    python scripts/study.py my_study.yaml --help           the options, and what the study is

The file (docs/examples/my_ladder.yaml is one):

    title: My ladder
    words: [data=mnist1d, data.validation_size=500, budget.passes=30]     of all rungs
    rungs:
      SGD: [regime=sgd]
      full batch: [regime=full_batch]
      clipped: [regime=full_batch, "regularizer=[gradient_clipping]"]

and, as you like,

    seeds: 5                                              so many (default 3)
    baseline: SGD                                         the rung that differences are taken to
    metric: test_loss                                     what is compared (default test_accuracy)
    figures: [ladder.png]                                 of ladder.png, curves.png, search.png (default: all)
    tune: {optimizer.lr: [0.1, 0.3, 1]}                   by every seed of a rung, on the validation split, or
    tune: {optimizer.lr: {clipped: [0.3, 1, 3]}}          for some rungs only; several settings one after another
    claims: [{name: ..., sentence: ..., left: clipped, right: full batch, rule: higher}]
                                                          rules: higher, lower, "within 1"; of left minus right

A rung may also be {words: [...], labels: {ingredient: clipping, training: SGD}}; then baseline, left and right may be
labels too, and across: training puts SGD and full batch side by side.

Results go to results/<name of the file>/<data>/. A finished run is never computed again, an interrupted one resumes.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fbgd.studies.arguments import make_parser


def main(words: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line of a study file; returns the exit status."""
    words = list(sys.argv[1:] if words is None else words)
    # A file after --launcher-options is a profile.
    places = [place for place, word in enumerate(words)
              if re.fullmatch(r"[^-=][^=]*\.ya?ml", word) and words[:place][-1:] != ["--launcher-options"]]  # fmt: skip
    path = words[places[0]] if places else None
    if path is None and {"-h", "--help"} & set(words):
        parser = make_parser([], __doc__, prog)
        parser.usage = "%(prog)s FILE.yaml [options] [key=value ...]"
        parser.print_help()
        return 0
    # What runs studies takes seconds to import, and the help needs none of it.
    from fbgd.errors import ConfigError
    from fbgd.studies.command import main as run_study
    from fbgd.studies.command import reported
    from fbgd.studies.own import check_rungs, read_study

    def run() -> int:
        if path is None:
            raise ConfigError("name the file of a study, as docs/examples/my_ladder.yaml; --help shows what is in it")
        study = read_study(Path(path))
        check_rungs(study, path)
        return run_study(study, [*words[: places[0]], *words[places[0] + 1 :]], prog=prog)

    return reported(run)
