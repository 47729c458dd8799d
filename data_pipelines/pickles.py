"""Pickles of numbers: NumPy arrays in builtin containers, and nothing that runs."""

import io
import pathlib
import pickle
from typing import Any

import numpy as np

from data_pipelines.errors import DataError


def _text(text: str, encoding: str) -> bytes:
    # Protocol 2 writes bytes as text to be encoded: no other codec is a container.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


# What NumPy pickles its arrays and numbers with, under the names before and since its
# version 2, and Python its containers.
_CORE = {
    "multiarray._reconstruct": np.empty(0).__reduce__()[0],
    "multiarray.scalar": np.float32(0).__reduce__()[0],
    "numeric._frombuffer": np.empty(0).__reduce_ex__(5)[0],
}
_ALLOWED = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "_codecs.encode": _text,
    **{f"numpy.{c}.{n}": f for n, f in _CORE.items() for c in ("core", "_core")},
    **{
        f"{module}.{kind.__name__}": kind
        for kind in (set, frozenset, bytearray)
        for module in ("builtins", "__builtin__")
    },
}


class _Refused(Exception):
    """The name of what a pickle asks for."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in _ALLOWED:
            raise _Refused(full)
        return _ALLOWED[full]

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused(f"the object {pid!r} outside the file")


def read(path: pathlib.Path) -> Any:
    """Read a pickle of arrays and builtin containers.

    Args:
      path: of the file.

    Returns:
      What it holds.

    Raises:
      DataError: if the file is absent, empty, truncated or not a pickle, or asks for
        anything but arrays and containers; it names that, and nothing has run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not content:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    try:
        return _Unpickler(io.BytesIO(content)).load()
    except _Refused as error:
        raise DataError(
            f"{path}: refused, the pickle asks for {error}, not only for arrays and "
            "containers"
        ) from error
    # Damaged pickles fail in any way: index, key, type and memory errors are common.
    except Exception as error:
        raise DataError(
            f"{path}: not a pickle or truncated ({len(content)} bytes; {error})"
        ) from error
