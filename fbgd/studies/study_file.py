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
    tune: {optimizer.lr: [0.1, 0.3, 1]}                   chosen for every rung on the validation split, or
    tune: {optimizer.lr: {clipped: [0.3, 1, 3]}}          for some rungs only
    claims: [{name: ..., sentence: ..., left: clipped, right: full batch, rule: higher}]
                                                          rules: higher, lower, "within 1"; of left minus right

A rung may also be {words: [...], labels: {ingredient: clipping, training: SGD}}; then baseline, left and right may be
labels too, and across: training puts SGD and full batch side by side.

Results go to results/<name of the file>/<data>/. A finished run is never computed again, an interrupted one resumes.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fbgd.config.build import check
from fbgd.config.compose import compose
from fbgd.config.schema import Config
from fbgd.errors import ConfigError
from fbgd.report.claims import Claim, Rule, higher, lower, within
from fbgd.report.tables import is_fraction
from fbgd.runs.plan import Rung, check_labels
from fbgd.runs.rows import MEASURED
from fbgd.studies import BUILT_IN
from fbgd.studies.arguments import make_parser
from fbgd.studies.command import main as run_study
from fbgd.studies.command import reported
from fbgd.studies.differences import accuracy_difference
from fbgd.studies.figures import figures
from fbgd.studies.given import GivenPreset, data_of, given_rungs, quick
from fbgd.studies.places import Place, read_mapping
from fbgd.studies.study import Study, run_all
from fbgd.studies.tuning import Tuning

KEYS = ("title", "words", "rungs", "baseline", "across", "tune", "seeds", "metric", "figures", "claims")
RUNG = ("words", "labels")
CLAIM = ("name", "sentence", "left", "right", "rule")
RULES: dict[str, Rule] = {"higher": higher, "lower": lower}
FORM = "rungs: {baseline: [], clipped: ['regularizer=[gradient_clipping]']}"


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line of a study file; returns the exit status."""
    words = list(sys.argv[1:] if words is None else words)
    path = next((word for word in words if re.fullmatch(r"[^-=][^=]*\.ya?ml", word)), None)
    if path is None and {"-h", "--help"} & set(words):
        parser = make_parser([], __doc__)
        parser.usage = "%(prog)s FILE.yaml [options] [key=value ...]"
        parser.print_help()
        return 0

    def run() -> int:
        if path is None:
            raise ConfigError("name the file of a study, as docs/examples/my_ladder.yaml; --help shows what is in it")
        study = read_study(Path(path))
        check_rungs(study, path)
        words.remove(path)
        return run_study(study, words)

    return reported(run)


def read_study(path: Path) -> Study:
    """The study in a file; its words are not composed yet.

    Raises:
        ConfigError: anything is wrong with the file.
    """
    if path.stem in {"quick", "sweep", *(key.split("/")[0] for key in BUILT_IN)}:
        raise ConfigError(f"{path}: results/{path.stem}/ is of other studies; rename the file")
    return make_study(path.stem, read_mapping(path), str(path))


def make_study(name: str, content: Mapping[str, Any], file: str = "study.json: definition") -> Study:
    """The study that the content of a file defines.

    Args:
        name: of its results folder.
        content: of the file.
        file: for messages.

    Raises:
        ConfigError: anything is wrong with the content, words apart.
    """
    top = Place(file, (), content)
    top.mapping(FORM, KEYS)
    rungs = read_rungs(top)
    grids = read_grids(top.at("tune"), rungs)
    tuned = next(iter(content["tune"])) if grids else ""
    drawable = figures(tuned)
    drawn = [
        Place(file, ("figures",), figure).one_of(drawable, "")
        for figure in ([*drawable] if content.get("figures") is None else top.at("figures").entries("[ladder.png]"))
    ]
    metric = top.at("metric").one_of(MEASURED, "test_accuracy")
    title = top.at("title").text(name.replace("_", " "))
    across = "" if content.get("across") is None else top.at("across").one_of(rungs[0].labels, "")
    if across and len(rungs[0].labels) < 2:
        raise top.at("across").wrong(f"{across!r} is the only label; side by side takes rungs of two labels")
    baseline = {} if content.get("baseline") is None else read_baseline(top.at("baseline"), rungs)
    names = "\n".join(f"    {rung.name}" for rung in rungs)
    return Study(
        name=name,
        title=title,
        about=f"{title}: the study in {file}, with the rungs\n\n{names}\n\npython scripts/study.py --help says more.",
        presets={data_of(rungs): GivenPreset(seeds=read_seeds(top.at("seeds")), rungs=tuple(rungs), grids=grids)},
        rungs=given_rungs,
        quick=quick,
        baseline=baseline,
        across=across,
        shown=(tuned,) if tuned and not across else (),
        metric=metric,
        held=(tuned,) if tuned else (),
        execute=Tuning(tuned, lambda preset: dict(preset.grids), words=number_word(tuned)) if tuned else run_all,
        figures={figure: drawable[figure] for figure in drawn},
        claims=read_claims(top.at("claims"), rungs, metric),
        definition=content,
    )


def read_rungs(top: Place) -> list[Rung]:
    """The rungs of a file, each with the common words before its own."""
    common = [] if top.value.get("words") is None else top.at("words").words()
    place = top.at("rungs")
    if not place.value:
        raise place.wrong(f"there must be one at least, as {FORM}")
    rungs = []
    for name in place.mapping(FORM):
        here, labels = place.at(name), {}
        if isinstance(here.value, Mapping):
            here.mapping("{words: [...], labels: {...}}", RUNG)
            if here.value.get("labels") is not None:
                labels = here.at("labels").mapping("{training: SGD}")
                labels = {key: here.at("labels").at(key).text() for key in labels}
            here = here.at("words")
        own = here.words()
        try:
            rungs.append(Rung(name, (*common, *own), labels=labels))
            check_labels(rungs)
        except ValueError as error:
            raise place.wrong(error) from None
    return rungs


def read_seeds(place: Place) -> int:
    """How many seeds there are."""
    seeds = 3 if place.value is None else place.value
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise place.wrong(f"{seeds!r} must be a whole number of at least 1")
    return seeds


def read_grids(place: Place, rungs: list[Rung]) -> dict[str, tuple[float, ...]]:
    """The values of the tuned setting by rung, without those that keep their own; none where nothing is tuned."""
    if place.value is None:
        return {}
    form = "{optimizer.lr: [0.03, 0.1, 0.3]}"
    keys = place.mapping(form)
    if len(keys) != 1:
        raise place.wrong(f"{', '.join(keys) or 'nothing'}: one setting can be tuned, as {form}")
    here = place.at(next(iter(keys)))
    if not isinstance(here.value, Mapping):
        values = here.numbers()
        return {rung.name: values for rung in rungs}
    names = [rung.name for rung in rungs]
    own = here.mapping("{rung: [0.03, 0.1, 0.3]}", names)
    if not own:
        raise here.wrong("no rung has values; write {rung: [0.03, 0.1, 0.3]}")
    return {name: here.at(name).numbers() for name in names if name in own}


def number_word(key: str):
    """What sets ``key`` to a number: whole ones without a point, as sizes need them."""
    return lambda rung, value: (f"{key}={value:.10g}",)


def read_baseline(place: Place, rungs: list[Rung]) -> dict[str, str]:
    """The row that others are compared with: a rung, or values of some labels."""
    labels = rungs[0].labels
    if not isinstance(place.value, Mapping):
        return dict(read_rung(place, rungs).labels)
    baseline = {key: place.at(key).text() for key in place.mapping("{training: SGD}", labels)}
    for key in baseline:
        place.at(key).one_of([rung.labels[key] for rung in rungs], "")
    return baseline


def read_rung(place: Place, rungs: list[Rung]) -> Rung:
    """The one rung that a name, or labels, tell."""
    if not isinstance(place.value, Mapping):
        name = place.one_of([rung.name for rung in rungs], "")
        return next(rung for rung in rungs if rung.name == name)
    labels = place.mapping("{training: SGD}", rungs[0].labels)
    fitting = [rung for rung in rungs if all(rung.labels[key] == value for key, value in labels.items())]
    if len(fitting) != 1:
        names = ", ".join(rung.name for rung in fitting) or "no rung"
        raise place.wrong(f"{labels} fits {names}; it must fit one")
    return fitting[0]


def read_claims(place: Place, rungs: list[Rung], metric: str) -> tuple[Claim, ...]:
    """The claims of a file: each about the difference of two rungs."""
    scale, unit = (100, ", points") if is_fraction(metric) else (1, "")
    claims: list[Claim] = []
    form = "{name: clipping helps, sentence: ..., left: clipped, right: baseline, rule: higher}"
    for number, value in enumerate([] if place.value is None else place.entries(f"[{form}]"), start=1):
        here = Place(place.file, (*place.keys, str(number)), value)
        here.mapping(form, CLAIM)
        name = here.at("name").text()
        if name in [claim.name for claim in claims]:
            raise here.at("name").wrong(f"{name!r} is the name of another claim")
        left, right = (read_rung(here.at(side), rungs) for side in ("left", "right"))
        if left is right:
            raise here.wrong(f"left and right are both {left.name!r}")
        quantity = f"{left.name} minus {right.name}, {metric.replace('_', ' ')}{unit}"
        estimates = accuracy_difference(left.labels, right.labels, metric, scale=scale)
        claims.append(Claim(name, here.at("sentence").text(name), quantity, estimates, read_rule(here.at("rule"))))
    return tuple(claims)


def read_rule(place: Place) -> Rule:
    """``higher``, ``lower`` or ``within MARGIN``."""
    text = place.text("higher")
    if text in RULES:
        return RULES[text]
    match = re.fullmatch(r"within\s+(\d+\.?\d*(e-?\d+)?)", text.strip())
    if match is None or not float(match[1]):
        raise place.wrong(f"{text!r} must be higher, lower, or within MARGIN, as: within 1")
    return within(float(match[1]))


def check_rungs(study: Study, file: str) -> None:
    """Raise :class:`ConfigError` unless the words of every rung make a run, and validation data is there to tune by."""
    (preset,) = study.presets.values()
    tuning = study.execute
    for rung in preset.rungs:
        here = Place(file, ("rungs", rung.name), None)
        config = checked(here, rung.overrides)
        grid = preset.grids.get(rung.name, ())
        if not grid or not isinstance(tuning, Tuning):
            continue
        # Whatever is in range at both ends is between them.
        for value in dict.fromkeys([grid[0], grid[-1]]):
            checked(Place(file, ("tune", rung.name), None), (*rung.overrides, *tuning.set(rung.name, value)))
        if len(grid) > 1 and not config.data.validation_size:
            need = "is tuned on validation data, and there is none; add data.validation_size=500, say"
            raise here.wrong(f"{tuning.key} {need}")


def checked(place: Place, words: Iterable[str]) -> Config:
    """The configuration that words make, checked; what is wrong with it is said of the place."""
    try:
        config = compose(words)
        check(config)
    except ValueError as error:
        raise place.wrong(error) from None
    return config
