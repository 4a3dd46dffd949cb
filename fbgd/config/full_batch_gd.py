"""FullBatchGD's own warm-up and clipping, as the schedule and the regulariser that do the same in a run.

A run's learning rate is the schedule's, which rows record and penalties scale with, and its clipping is counted. So
``optimizer.warmup_steps=W`` becomes ``schedule.warmup``, in passes, and ``optimizer.max_norm=c`` becomes
``regularizer=gradient_clipping``, in the configuration itself: it is recorded, and the identity is that of a run which
was configured so from the beginning.
"""

import math

from fbgd.config.schema import Config, is_positive, require
from fbgd.config.targets import check_target, find_target
from fbgd.errors import ConfigError
from optimizers import FullBatchGD


def translate(config: Config) -> None:
    """Translate ``optimizer.warmup_steps`` and ``optimizer.max_norm`` of a :class:`FullBatchGD`, in place.

    Raises:
        ConfigError: one is outside its range or given a second time, or the steps of a pass are not known yet.
    """
    if find_target("optimizer", config.optimizer["_target_"]) is not FullBatchGD:
        return
    # A zero and a null say that there is none, and older runs that say so keep their identity.
    if config.optimizer.get("warmup_steps"):
        translate_warmup(config)
    if config.optimizer.get("max_norm") is not None:
        translate_clipping(config)


def translate_warmup(config: Config) -> None:
    """Make steps of warm-up passes of the schedule's."""
    steps = config.optimizer["warmup_steps"]
    require(is_positive(steps), "optimizer.warmup_steps", steps, "a whole number >= 0")
    if config.schedule.get("warmup"):
        raise ConfigError(
            f"optimizer.warmup_steps = {steps} and schedule.warmup = {config.schedule['warmup']} are one warm-up given "
            "twice: set schedule.warmup, in passes, alone"
        )
    if config.regime.blocks_per_step != "all":
        raise ConfigError(
            f"optimizer.warmup_steps = {steps}: how many steps a pass takes is known before the data only under "
            "regime=full_batch, where it is 1: set schedule.warmup in passes instead"
        )
    schedule = {**config.schedule, "warmup": steps}
    try:
        check_target("schedule", schedule)
    except ConfigError as error:
        raise ConfigError(f"optimizer.warmup_steps = {steps} becomes schedule.warmup: {error}") from None
    config.schedule = schedule
    del config.optimizer["warmup_steps"]


def translate_clipping(config: Config) -> None:
    """Make the optimizer's clipping a regulariser, the last one, as it acts just before the step."""
    limit = config.optimizer["max_norm"]
    valid = isinstance(limit, int | float) and not isinstance(limit, bool) and 0 < limit < math.inf
    require(valid, "optimizer.max_norm", limit, "(0, inf), or null")
    if "gradient_clipping" in config.regularizer:
        raise ConfigError(
            f"optimizer.max_norm = {limit} and regularizer=gradient_clipping are one clipping given twice: "
            "set regularizer.gradient_clipping.max_norm alone"
        )
    config.regularizer["gradient_clipping"] = {"_target_": "regularizers.GradientClipping", "max_norm": limit}
    del config.optimizer["max_norm"]
