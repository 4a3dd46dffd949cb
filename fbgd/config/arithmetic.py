"""Device, threads and precision of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fbgd.config.schema import Config
from fbgd.errors import ConfigError

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}


def set_arithmetic(config: Config) -> tuple[torch.device, torch.dtype]:
    """Set PyTorch's threads, precision and choice of kernels for this process; the run's device and type of numbers.

    Raises:
        ConfigError: the device is unknown or absent.
    """
    device = find_device(config.impl.device)
    if config.impl.threads is not None:
        torch.set_num_threads(config.impl.threads)
    torch.set_float32_matmul_precision("high" if config.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = config.precision == "tf32"
    # A resumed run must repeat its bits, so no kernels are chosen by timing, and none that add up in any order.
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    return device, DTYPES[config.precision]


@contextmanager
def arithmetic_kept() -> Iterator[None]:
    """Put back afterwards what :func:`set_arithmetic` sets in this process, and torch's random states."""
    threads, precision, cudnn = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn
    flags = cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic
    with torch.random.fork_rng():
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
            cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = flags


def find_device(name: str) -> torch.device:
    """``"auto"``: the GPU where there is one, else the CPU; any other name as PyTorch understands it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"impl.device = {name!r}: {error}") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"impl.device = {name!r} is neither cpu nor cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"impl.device = {name!r}: PyTorch finds no GPU here; use impl.device=cpu")
    if device.type == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise ConfigError(
            f"impl.device = {name!r}: PyTorch finds {torch.cuda.device_count()} GPUs here, from cuda:0 on"
        )
    return device
