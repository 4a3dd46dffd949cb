"""What a run's summary tells beside its numbers."""

from dataclasses import asdict, dataclass, field

# What ingredients did at most in a step, by PENALTY_SHARE/NAME and CLIPPED_OFF/NAME: the norm of a penalty's own
# gradient over that of the plain gradient, and the share of a gradient's norm that clipping took off.
PENALTY_SHARE, CLIPPED_OFF = "penalty_share", "clipped_off"


@dataclass(frozen=True)
class Facts:
    """Sizes, and what rounding depends on.

    Args:
        content_hash: SHA-256 of the data.
        train_size: training samples, copies included.
        test_size: test samples.
        chance_level: accuracy of always guessing the commonest class of the test data; ``None`` of a regression.
        parameters: of the model.
        blocks_per_pass: blocks that the training set is cut into.
        steps_per_pass: steps that a pass takes.
        blocks_per_call: blocks that are evaluated at a time.
        device: "cpu", or the GPU's name.
        threads: of PyTorch.
        data: what the data's source tells.
        model: of a model of the user's: which layers work otherwise than torch's own, whether it draws by functions
            (``seeded_draws``), and why it is evaluated one block a call (``block_by_block``).
    """

    content_hash: str
    train_size: int
    test_size: int
    chance_level: float | None
    parameters: int
    blocks_per_pass: int
    steps_per_pass: int
    blocks_per_call: int
    device: str
    threads: int
    data: dict[str, object] = field(default_factory=dict)
    model: dict[str, object] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """All of them in one dictionary, those of the data's source and of the model beside the others."""
        facts = asdict(self)
        data, model = facts.pop("data"), facts.pop("model")
        return facts | data | model
