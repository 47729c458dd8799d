"""MATLAB files, sound and damaged."""

import numpy as np
import pytest
import scipy.io

from data_pipelines import matlab
from data_pipelines.errors import DataError


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.mat"
    values = np.random.default_rng(0).standard_normal((50, 6))
    scipy.io.savemat(path, {"d_iner": values, "text": "words"})
    return path, values


def test_a_variable_is_read_as_it_was_written(saved):
    path, values = saved
    np.testing.assert_array_equal(matlab.read(path, "d_iner"), values)


@pytest.mark.parametrize("kept", [1, 60, 127, 130, 180, 1000])
def test_a_truncated_file_is_named_with_its_size(saved, kept):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=rf"a\.mat: .*\({kept} bytes\)"):
        matlab.read(path, "d_iner")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.mat: the file is empty \(0 bytes\)"),
        (b"RIFF not a matrix" * 20, r"a\.mat: not a readable MATLAB 5 file"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 600, r"a\.mat: not a readable MATLAB 5 file"),
    ],
)
def test_another_format_is_named(tmp_path, content, message):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        matlab.read(path, "d_iner")


def test_what_is_not_there_is_named(saved, tmp_path):
    path, _ = saved
    with pytest.raises(DataError, match="no variable d_skel"):
        matlab.read(path, "d_skel")
    with pytest.raises(DataError, match="text is not numeric"):
        matlab.read(path, "text")
    with pytest.raises(DataError, match="there is no such file"):
        matlab.read(tmp_path / "b.mat", "d_iner")
