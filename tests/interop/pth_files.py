"""Writes PyTorch's weights files byte by byte, so that no test needs PyTorch."""

import functools
import io
import struct
import zipfile
from typing import NamedTuple

import numpy as np

STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class Name(NamedTuple):
    """A name that a pickle imports."""

    module: str
    name: str


class Call(NamedTuple):
    """A call of something, with arguments and, after it, an object's state."""

    function: Name
    args: tuple
    state: object = None


class Persistent(NamedTuple):
    """A reference to what lies outside the pickle."""

    pid: tuple


def opcodes(value, tail=()):
    """A value in protocol 2 of pickle; `tail` ends the references to storages."""
    write = functools.partial(opcodes, tail=tail)
    match value:
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, args, state):
            call = write(function) + write(args) + b"R"
            return call + (b"" if state is None else write(state) + b"b")
        case Persistent(pid):
            return write(pid + tail) + b"Q"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(data)]) + data
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(write, value)) + b"t"
        case list():
            return b"](" + b"".join(map(write, value)) + b"e"
        case dict():
            items = b"".join(write(k) + write(v) for k, v in value.items())
            return b"}(" + items + b"u"
    raise TypeError(value)


def pickled(value, tail=()):
    return b"\x80\x02" + opcodes(value, tail) + b"."


def tensor(array, key, *, size=None, stride=None, offset=0, count=None):
    """The call that rebuilds a tensor from the storage `key`."""
    size = array.shape if size is None else size
    if stride is None:
        stride = tuple(s // array.itemsize for s in np.zeros_like(array).strides)
    kind = Name("torch", STORAGES[array.dtype.name])
    count = array.size if count is None else count
    storage = Persistent(("storage", kind, str(key), "cpu", count))
    hooks = Call(Name("collections", "OrderedDict"), ())
    args = (storage, offset, tuple(size), tuple(stride), False, hooks)
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), args)


def state_dict(arrays, **options):
    """An ordered dict of tensors with the versions of modules, as `state_dict` makes."""
    items = [
        (name, tensor(a, key, **options))
        for key, (name, a) in enumerate(arrays.items())
    ]
    state = {"_metadata": {"": {"version": 1}}}
    return Call(Name("collections", "OrderedDict"), (items,), state)


def zipped(value, storages, *, compression=zipfile.ZIP_STORED, byteorder=b"little"):
    """A file as PyTorch 1.6 and later write it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled(value))
        archive.writestr("archive/byteorder", byteorder)
        for key, array in enumerate(storages):
            archive.writestr(
                f"archive/data/{key}", np.ascontiguousarray(array).tobytes()
            )
        archive.writestr("archive/version", b"3\n")
    return file.getvalue()


def legacy(value, storages, *, little_endian=True):
    """A file as PyTorch wrote it before, and still does where it is asked to."""
    system = {"protocol_version": 1001, "little_endian": little_endian}
    keys = [str(key) for key in range(len(storages))]
    head = [0x1950A86A20F9469CFC6C, 1001, system, value, keys]
    # The reference to a storage may say that it is a part of another one: here none is.
    data = b"".join(pickled(part, tail=(None,)) for part in head)
    for array in storages:
        data += struct.pack("<q", array.size) + np.ascontiguousarray(array).tobytes()
    return data


FORMATS = {"zip": zipped, "legacy": legacy}
