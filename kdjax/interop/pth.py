"""Tensors of PyTorch's ``.pth`` files, read without PyTorch and without running them.

A ``.pth`` file is a pickle, which is a program. The reader knows the few names that
weights need; any other name is refused before anything runs.
"""

import collections
import io
import math
import pickle
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": jnp.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
# The first pickle of a file in the format before PyTorch 1.6, which model zoos still use.
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class _Kind(NamedTuple):
    """The type of a storage, under its name in the pickle."""

    dtype: np.dtype


def _tensor(
    storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_: Any
) -> np.ndarray:
    """A view of a storage; it lies inside and no two positions need be the same."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(f"no tensor has size {size}, strides {stride} from {offset}")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if count > storage.size or (count and last >= storage.size):
        raise ValueError(f"a tensor of size {size} reaches beyond its storage")
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(
        storage[offset:], size, strides, writeable=False
    )


def _parameter(data: np.ndarray, *_: Any) -> np.ndarray:
    return data


_NAMES = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): _Kind(np.dtype(dtype)) for name, dtype in _DTYPES.items()},
}


class _Unpickler(pickle.Unpickler):
    """Builds containers, numbers, strings and tensors; refuses every other name."""

    def __init__(self, file: io.BufferedIOBase, storage: Callable[..., np.ndarray]):
        super().__init__(file, encoding="utf-8")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """The meaning of a name, if weights need it."""
        if (module, name) not in _NAMES:
            raise ValueError(f"it asks for {module}.{name}, which weights do not need")
        meaning = _NAMES[module, name]
        if isinstance(meaning, types.FunctionType):
            # A copy: a pickle may set attributes of what it is given.
            return lambda *args: meaning(*args)
        return meaning

    def persistent_load(self, pid: Any) -> np.ndarray:
        """The numbers that a tensor is a view of."""
        kind, dtype, key, _, count, *view = pid
        known = kind == "storage" and isinstance(dtype, _Kind) and type(count) is int
        if not known or any(view):
            raise ValueError(f"it refers to {pid!r}, which is no whole storage")
        return self._storage(dtype.dtype, str(key), count)


def _read_zip(file: io.BufferedIOBase) -> Any:
    """The object of a file that PyTorch 1.6 or later wrote."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        (top,) = (name for name in members if name.endswith("/data.pkl"))
        folder = top.removesuffix("data.pkl")
        order = members.get(f"{folder}byteorder")
        if order and archive.read(order) != b"little":
            raise ValueError("its numbers are not little-endian")
        storages: dict[str, np.ndarray] = {}

        def storage(dtype: np.dtype, key: str, count: int) -> np.ndarray:
            if key not in storages:
                info = members[f"{folder}data/{key}"]
                # PyTorch stores plainly: what unpacks to more than it is, is a trap.
                if info.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"its member {info.filename} is compressed")
                storages[key] = np.frombuffer(archive.read(info), dtype)
            return _whole(storages[key], dtype, key, count)

        return _Unpickler(io.BytesIO(archive.read(top)), storage).load()


def _read_legacy(file: io.BufferedIOBase, size: int) -> Any:
    """The object of a file in the older format: pickles, then the storages in a row."""
    storages: dict[str, np.ndarray] = {}

    def storage(dtype: np.dtype, key: str, count: int) -> np.ndarray:
        if key not in storages:
            if not 0 <= count * dtype.itemsize <= size:
                raise ValueError(f"its storage {key} is larger than the file")
            # Filled in below: the tensors are views.
            storages[key] = np.empty(count, dtype)
        return _whole(storages[key], dtype, key, count)

    def load() -> Any:
        return _Unpickler(file, storage).load()

    if load() != _MAGIC or load() != _PROTOCOL or not load()["little_endian"]:
        raise ValueError("it is no weights file of PyTorch")
    result, keys = load(), load()
    if sorted(map(str, keys)) != sorted(storages):
        raise ValueError("its storages are not those of its tensors")
    for key in map(str, keys):
        array = storages[key]
        count = int.from_bytes(file.read(8), "little")
        data = file.read(array.nbytes)
        if count != array.size or len(data) != array.nbytes:
            raise ValueError(f"its storage {key} is cut off")
        array[:] = np.frombuffer(data, array.dtype)
    return result


def _whole(array: np.ndarray, dtype: np.dtype, key: str, count: int) -> np.ndarray:
    """A storage that has the type and size by which it is called."""
    if array.dtype != dtype or array.size != count:
        raise ValueError(f"its storage {key} has not {count} numbers of type {dtype}")
    return array


def _tensors(content: Any) -> dict[str, np.ndarray]:
    """The weights of what a file held."""
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict) or not content:
        raise ValueError("it holds no tensors by name")
    others = [name for name, a in content.items() if not isinstance(a, np.ndarray)]
    if others:
        raise ValueError(f"no tensors are {others}")
    return dict(content)


def read(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a weights file by name.

    A training checkpoint's ``state_dict`` is taken where it has one; what stands beside
    it is dropped.

    Args:
      path: a file that ``torch.save`` wrote, in the zip format or in the older one.

    Returns:
      NumPy arrays in PyTorch's layout; bfloat16 as it is.

    Raises:
      ValueError: where the file is damaged, is no dict of tensors, or its pickle asks
        for anything but tensors, numbers, strings and containers, naming it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            zipped = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            return _tensors(_read_zip(file) if zipped else _read_legacy(file, size))
        except Exception as error:  # a damaged pickle can raise any
            raise ValueError(f"{path} ({size} bytes) is refused: {error}") from error
