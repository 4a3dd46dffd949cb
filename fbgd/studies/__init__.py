"""Built-in studies. A new one: its module here, a line in :data:`BUILT_IN`, and a script that runs its command line."""

from fbgd.studies.catalogue import AUGMENT, BUDGET, DECAY, DRAWS, MODEL, PASSES, Catalogue, Entry

BUILT_IN = Catalogue(
    (
        Entry("geiping_ladder", "geiping_ladder", (AUGMENT, BUDGET)),
        Entry("fair_ladder", "fair_ladder", (PASSES,)),
        Entry("optimizer_comparison", "optimizer_comparison", (DECAY,)),
        Entry("regularizer_comparison", "regularizer_comparison"),
        Entry("double_descent/random_features", "double_descent.random_features"),
        Entry("double_descent/model_wise", "double_descent.model_wise", (MODEL, DRAWS)),
        Entry("double_descent/epoch_wise", "double_descent.epoch_wise", (MODEL,)),
        Entry("double_descent/sample_wise", "double_descent.sample_wise", (MODEL,)),
        Entry("double_descent/heatmap", "double_descent.heatmap", (MODEL,)),
        Entry("double_descent/emc", "double_descent.emc", (MODEL,)),
        Entry("double_descent/regularisation", "double_descent.regularisation", (MODEL,)),
        Entry("double_descent/stochasticity", "double_descent.stochasticity", (MODEL,)),
        Entry("double_descent/translation", "double_descent.translation", (MODEL,)),
        Entry("bias_variance/networks", "bias_variance.networks"),
        Entry("bias_variance/random_features", "bias_variance.closed_form_study"),
        Entry("weight_decay/map", "weight_decay.map_solution"),
        Entry("weight_decay/schedule", "weight_decay.schedule"),
        Entry("weight_decay/overparameterised", "weight_decay.overparameterised"),
        Entry("edge_of_stability/sharpness", "edge_of_stability.sharpness"),
        Entry("edge_of_stability/flow", "edge_of_stability.flow"),
        Entry("edge_of_stability/central_flow", "edge_of_stability.central_flow"),
        Entry("implicit_bias/order", "implicit_bias.order"),
        Entry("implicit_bias/meter", "implicit_bias.meter"),
        Entry("implicit_bias/strength", "implicit_bias.strength"),
        Entry("calibration/simulations", "calibration.simulations"),
        Entry("calibration/choices", "calibration.choices"),
        Entry("calibration/seeds", "calibration.seeds"),
        Entry("minima", "minima.study"),
        Entry("critical_batch", "critical_batch.study"),
        Entry("saddles/escape", "saddles.escape"),
        Entry("saddles/octopus", "saddles.octopus"),
        Entry("saddles/network", "saddles.network"),
        Entry("ladder_probed", "ladder_probed.study"),
        Entry("noise", "noise"),
        Entry("escape", "escape.study"),
    )
)
