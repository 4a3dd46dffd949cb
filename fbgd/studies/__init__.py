"""Built-in studies. A new one: its module here, a line in :data:`BUILT_IN`, and a script that runs its command line."""

from fbgd.studies import (
    bias_variance,
    calibration,
    double_descent,
    edge_of_stability,
    fair_ladder,
    geiping_ladder,
    implicit_bias,
    ladder_probed,
    minima,
    noise,
    optimizer_comparison,
    regularizer_comparison,
    saddles,
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
        *bias_variance.STUDIES,
        *weight_decay.STUDIES,
        *edge_of_stability.STUDIES,
        *implicit_bias.STUDIES,
        *calibration.STUDIES,
        minima.STUDY,
        *saddles.STUDIES,
        ladder_probed.STUDY,
        noise.STUDY,
    )
}
