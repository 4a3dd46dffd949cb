"""Reading the CIFAR archives' pickles without running anything they might contain."""

import io
import pickle

import numpy as np
from numpy._core.multiarray import _reconstruct

# All that a pickled dictionary of bytes, numbers and numeric arrays needs; anything else is refused.
ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) == ("_codecs", "encode"):
            return _encode_latin1
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which array data does not need")
        return ALLOWED[module, name]


def _encode_latin1(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes; no other encoding is needed."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}, which array data does not need")
    return text.encode("latin1")


def load_arrays(content: bytes) -> dict:
    """The dictionary in a pickle of plain values and NumPy arrays, with keys as ``bytes``.

    Raises:
        pickle.UnpicklingError: the content is no such pickle, or it names any other class or function.
    """
    try:
        loaded = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle can fail anywhere
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from None
    if not isinstance(loaded, dict):
        raise pickle.UnpicklingError(f"it holds a {type(loaded).__name__} instead of a dictionary")
    return {key.encode() if isinstance(key, str) else key: value for key, value in loaded.items()}
