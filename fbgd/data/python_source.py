"""Python's own standard library: real text that comes with every installation."""

import functools
import platform
import sysconfig
from pathlib import Path

from fbgd.data.dataset import Arrays
from fbgd.data.text import held_out, joined
from fbgd.data.windows import from_bytes, next_tokens

EXCLUDED = {"test", "tests", "idlelib", "site-packages", "dist-packages", "__pycache__"}


def python_source(
    length: int = 128, train_bytes: int | None = 2_000_000, test_bytes: int = 200_000, seed: int = 0
) -> Arrays:
    """Load the modules of the running Python's standard library, byte by byte.

    Files come in an order of their own for every seed, each ended by a zero byte; the first ones are held out for
    testing and the next ones trained on, until the sizes are reached. No file is on both sides. Test directories,
    idlelib and installed packages are left out.

    Args:
        length: of a window, in bytes.
        train_bytes: size of the training text; ``None``: all that is there.
        test_bytes: size of the test text.
        seed: of the files' order.

    Raises:
        ValueError: a size is not positive, or more than there is.
    """
    for name, value in (("train_bytes", train_bytes), ("test_bytes", test_bytes)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} = {value!r} must be a positive integer")
    files = {name: from_bytes(content) for name, content in read_modules(library_folder()).items()}
    kept, held = held_out({name: len(tokens) + 1 for name, tokens in files.items()}, test_bytes, seed)
    train, test = (joined([files[name] for name in names], end=0) for names in (kept, held))
    for name, value, text in (("test_bytes", test_bytes, test), ("train_bytes", train_bytes, train)):
        if value is not None and value > len(text):
            raise ValueError(f"{name} = {value} is more than there is: the library leaves {len(text)} bytes")
    facts = {"python_library": platform.python_version()}
    return next_tokens(train[:train_bytes], test[:test_bytes], length, 256, facts)


def library_folder() -> Path:
    """Where the standard library's modules lie."""
    return Path(sysconfig.get_paths()["stdlib"])


@functools.cache
def read_modules(folder: Path) -> dict[str, bytes]:
    """The content of all modules below ``folder``, by relative path, without those of excluded directories.

    It is read once a process: the runs of a study share it.
    """
    paths = [path.relative_to(folder) for path in folder.rglob("*.py")]
    wanted = sorted(path.as_posix() for path in paths if not EXCLUDED & set(path.parts[:-1]))
    return {name: (folder / name).read_bytes() for name in wanted}
