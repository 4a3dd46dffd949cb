"""What a run's summary tells beside its numbers."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Facts:
    """Sizes, and what rounding depends on.

    Args:
        content_hash: SHA-256 of the data.
        train_size: training samples, copies included.
        test_size: test samples.
        parameters: of the model.
        blocks_per_pass: blocks that the training set is cut into.
        steps_per_pass: steps that a pass takes.
        blocks_per_call: blocks that are evaluated at a time.
        device: "cpu", or the GPU's name.
        threads: of PyTorch.
        data: what the data's source tells.
    """

    content_hash: str
    train_size: int
    test_size: int
    parameters: int
    blocks_per_pass: int
    steps_per_pass: int
    blocks_per_call: int
    device: str
    threads: int
    data: dict[str, object] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """All of them in one dictionary, those of the data's source beside the others."""
        facts = asdict(self)
        data = facts.pop("data")
        return facts | data
