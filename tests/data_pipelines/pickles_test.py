"""Pickles of numbers are read; whatever would run is refused and does not run."""

import collections
import os
import pickle

import numpy as np
import pytest

from data_pipelines import pickles
from data_pipelines.errors import DataError

CONTENT = {
    "split": {"xsub_train": ["a", "b"], "seen": {1, 2}, "frozen": frozenset("x")},
    "annotations": [
        {
            "frame_dir": "a",
            "label": np.int64(3),
            "keypoint": np.arange(12, dtype=np.float16).reshape(1, 2, 3, 2),
            "keypoint_score": np.asfortranarray(np.ones((2, 3), np.float32)),
            "shape": (1080, 1920),
            "raw": b"\x00\xff",
        }
    ],
}


def write(tmp_path, content):
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    return path


def assert_same(one, two):
    assert type(one) is type(two)
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_same(one[key], two[key])
    elif isinstance(one, list):
        for a, b in zip(one, two, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    else:
        assert one == two


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_containers_come_back(tmp_path, protocol):
    path = write(tmp_path, pickle.dumps(CONTENT, protocol))
    assert_same(pickles.read(path), CONTENT)


@pytest.mark.parametrize("protocol", [2, 4])
def test_both_names_of_numpy_s_core_are_known(tmp_path, protocol):
    written = pickle.dumps(np.arange(5), protocol)
    assert b"numpy._core" in written
    # The names before NumPy 2, as the published files have them; protocol 4 counts
    # letters.
    old = written.replace(b"numpy._core", b"numpy.core")
    old = old.replace(b"\x8c\x16numpy.core", b"\x8c\x15numpy.core")
    assert old != written
    for content in (written, old):
        if protocol == 4:
            # Without the frame's length, which is another now.
            content = content[:2] + content[11:]
        np.testing.assert_array_equal(pickles.read(write(tmp_path, content)), range(5))


class Calls:
    """A pickle that calls something when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "named"),
    [
        (os.system, f"{os.system.__module__}.system"),
        (eval, r"(builtins|__builtin__).eval"),
        (open, r"_?io.open"),
        (getattr, r"(builtins|__builtin__).getattr"),
        (np.load, "numpy.load"),
        (collections.OrderedDict, "collections.OrderedDict"),
    ],
)
def test_what_would_run_is_refused_by_name(tmp_path, protocol, function, named):
    trace = tmp_path / "trace"
    argument = f"open({str(trace)!r}, 'w')" if function is eval else str(trace)
    if function is os.system:
        argument = f"touch {trace}"
    content = [np.arange(3), Calls(function, argument, *["w"] * (function is open))]
    path = write(tmp_path, pickle.dumps(content, protocol))
    with pytest.raises(DataError, match=f"x.pkl: refused, .* asks for {named}, not"):
        pickles.read(path)
    assert not trace.exists()


def test_a_reference_outside_the_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="refused, .* the object 'there' outside"):
        pickles.read(write(tmp_path, b"Pthere\n."))


def test_bytes_in_another_encoding_are_refused(tmp_path):
    content = b"c_codecs\nencode\n(Vabc\nVrot13\ntR."
    with pytest.raises(DataError, match="bytes in the encoding 'rot13'"):
        pickles.read(write(tmp_path, content))


@pytest.mark.parametrize("content", [b"not a pickle", b"\x80\x05", b"N", b"("])
def test_what_is_no_pickle_is_named(tmp_path, content):
    with pytest.raises(DataError, match=rf"x.pkl: not a pickle .*\({len(content)} "):
        pickles.read(write(tmp_path, content))


def test_a_truncated_or_empty_file_is_named(tmp_path):
    whole = pickle.dumps(CONTENT)
    with pytest.raises(DataError, match="not a pickle or truncated"):
        pickles.read(write(tmp_path, whole[: len(whole) // 2]))
    with pytest.raises(DataError, match=r"the file is empty \(0 bytes\)"):
        pickles.read(write(tmp_path, b""))
    with pytest.raises(DataError, match="absent.pkl: cannot be read"):
        pickles.read(tmp_path / "absent.pkl")
