"""MATLAB files, one variable at a time."""

import pathlib

import numpy as np
import scipy.io

from data_pipelines.errors import DataError


def read(path: pathlib.Path, variable: str) -> np.ndarray:
    """Read one numeric variable of a MATLAB 5 file.

    Args:
      path: of the file.
      variable: its name.

    Returns:
      The array as stored.

    Raises:
      DataError: if the file is empty, truncated, of another format or lacks it.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    size = path.stat().st_size
    if not size:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    try:
        content = scipy.io.loadmat(path, variable_names=[variable])
    # A damaged file makes the parser fail in any way: zlib, struct, index and type
    # errors have been seen.
    except Exception as error:
        raise DataError(
            f"{path}: not a readable MATLAB 5 file or truncated ({size} bytes)"
        ) from error
    if variable not in content:
        raise DataError(f"{path}: no variable {variable} ({size} bytes)")
    value = np.asarray(content[variable])
    if value.dtype.kind not in "iuf":
        raise DataError(f"{path}: {variable} is not numeric")
    return value
