"""Built-in studies. A new one: its module here, a line in :data:`BUILT_IN`, and a script that runs its command line."""

from fbgd.studies import (
    calibration,
    double_descent,
    fair_ladder,
    geiping_ladder,
    noise,
    optimizer_comparison,
    regularizer_comparison,
    weight_decay,
)
from fbgd.studies.study import Study

BUILT_IN: dict[str, Study] = {
    study.key: study
    for study in (
        geiping_ladder.STUDY,
        fair_ladder.STUDY,
        optimizer_comparison.STUDY,
        regularizer_comparison.STUDY,
        *double_descent.STUDIES,
        *weight_decay.STUDIES,
        *calibration.STUDIES,
        noise.STUDY,
    )
}
