"""The content of a study file as a study: every key read, and what is wrong said with its place and a remedy."""

import re
from collections.abc import Mapping
from typing import Any

from fbgd.config.overrides import choices_of, is_file, parse
from fbgd.report.claims import Claim, Rule, higher, lower, within
from fbgd.report.tables import is_fraction
from fbgd.runs.plan import Rung, check_labels
from fbgd.runs.rows import MEASURED, REGRESSION, SCORE
from fbgd.studies.differences import accuracy_difference
from fbgd.studies.figures import figures
from fbgd.studies.given import GivenPreset, data_of, given_rungs, quick
from fbgd.studies.nested import NestedTuning
from fbgd.studies.places import Place
from fbgd.studies.study import Study, run_all
from fbgd.studies.tuning import Words

KEYS = ("title", "words", "rungs", "baseline", "across", "tune", "seeds", "metric", "figures", "claims")
RUNG = ("words", "labels")
CLAIM = ("name", "sentence", "left", "right", "rule")
RULES: dict[str, Rule] = {"higher": higher, "lower": lower}
PARTS = ("test", "validation", "train")
FORM = "rungs: {baseline: [], clipped: ['regularizer=[gradient_clipping]']}"


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
    drawable = figures(tuple(grids))
    drawn = [
        Place(file, ("figures",), figure).one_of(drawable, "")
        for figure in ([*drawable] if content.get("figures") is None else top.at("figures").entries("[ladder.png]"))
    ]
    metric = read_metric(top.at("metric"), rungs)
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
        shown=() if across else tuple(grids),
        metric=metric,
        held=tuple(grids),
        execute=tuning_of(tuple(grids)) or run_all,
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


def read_metric(place: Place, rungs: list[Rung]) -> str:
    """The compared metric: a column that every run has, or one of a metric that the words of the rungs name."""
    name = place.text("test_accuracy")
    words = [word for rung in rungs for word in parse(rung.overrides) if word.key.split(".")[0] == "metric"]
    named = [word.key.split(".")[1] for word in words if "." in word.key]
    chosen = [choice for word in words if "." not in word.key for choice in choices_of(word.value)]
    if any(map(is_file, chosen)) and SCORE.fullmatch(name):
        # What a file names is known when its runs are composed.
        return name
    own = [f"{part}_{metric}" for part in PARTS for metric in dict.fromkeys([*named, *chosen])]
    column = name.partition("/")[0]
    return name if column in own else place.one_of((*MEASURED, *REGRESSION, *own), "test_accuracy")


def read_seeds(place: Place) -> int:
    """How many seeds there are."""
    seeds = 3 if place.value is None else place.value
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise place.wrong(f"{seeds!r} must be a whole number of at least 1")
    return seeds


def read_grids(place: Place, rungs: list[Rung]) -> dict[str, dict[str, tuple[float, ...]]]:
    """The values of every tuned setting by rung, without those that keep their own; none where nothing is tuned."""
    if place.value is None:
        return {}
    form = "{optimizer.lr: [0.03, 0.1, 0.3]}"
    if not (keys := place.mapping(form)):
        raise place.wrong(f"nothing is tuned; write {form}")
    return {key: read_grid(place.at(key), rungs) for key in keys}


def read_grid(place: Place, rungs: list[Rung]) -> dict[str, tuple[float, ...]]:
    """The values of one setting by rung."""
    names = [rung.name for rung in rungs]
    if not isinstance(place.value, Mapping):
        return dict.fromkeys(names, place.numbers())
    form = "{rung: [0.03, 0.1, 0.3]}"
    if not (own := place.mapping(form, names)):
        raise place.wrong(f"no rung has values; write {form}")
    return {name: place.at(name).numbers() for name in names if name in own}


def tuning_of(keys: tuple[str, ...]) -> NestedTuning | None:
    """What chooses these settings one after another; nothing where there are none."""
    if not keys:
        return None
    key, *others = keys
    further = tuning_of(tuple(others))
    return NestedTuning(key, lambda preset: dict(preset.grids[key]), number_word(key), lambda preset: further)


def number_word(key: str) -> Words:
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
