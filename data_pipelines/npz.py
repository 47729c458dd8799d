"""Recordings of the embedded data sets as ``.npz`` files: for trying prediction on."""

import argparse
import io
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from data_pipelines import raw
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError

Shapes = Mapping[str, tuple[int | str, ...]]
"""Modality -> shape of one frame; a size that may be any is a letter."""


def read(
    paths: Sequence[str | pathlib.Path], *, shapes: Shapes, dataset: str
) -> Example:
    """Read one recording for prediction.

    Args:
      paths: `.npz` files that together hold some of the modalities.
      shapes: of their frames.
      dataset: whose recording it is.

    Returns:
      The raw example without label: pixels as they are, other numbers in float32.

    Raises:
      DataError: if a file is anything else.
    """
    example: Example = {}
    for path in map(pathlib.Path, paths):
        example.setdefault("key", path.stem)
        for name, array in _arrays(path, shapes).items():
            if name in example:
                raise DataError(f"{path}: the recording has its {name} already")
            example[name] = _frames(path, name, array, shapes[name])
    if not example:
        raise DataError(f"{dataset}: a recording is one .npz file or more")
    return example


def _arrays(path: pathlib.Path, shapes: Shapes) -> dict[str, np.ndarray]:
    try:
        content = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        with np.load(content, allow_pickle=False) as archive:
            arrays = dict(archive)
    # Readers of damaged files raise whatever their libraries do.
    except Exception as error:
        raise DataError(f"{path}: not a complete .npz file of numbers") from error
    if not arrays or set(arrays) - set(shapes):
        raise DataError(
            f"{path}: holds {sorted(arrays)}, not {' and '.join(shapes)} or one of them"
        )
    return arrays


def _frames(
    path: pathlib.Path, name: str, array: np.ndarray, shape: tuple[int | str, ...]
) -> np.ndarray:
    fits = array.ndim == 1 + len(shape) and all(
        isinstance(size, str) or size == found
        for size, found in zip(shape, array.shape[1:])
    )
    if array.dtype.kind not in "fiu" or not fits:
        raise DataError(
            f"{path}: {name} is {array.dtype} of shape {list(array.shape)}, not "
            f"numbers [T {' '.join(map(str, shape))}]"
        )
    if len(array) < 2 or not array.any():
        raise DataError(f"{path}: {name} is too short, or zero throughout")
    return array if array.dtype == np.uint8 else raw.finite(path, array)


def write(path: str | pathlib.Path, example: Example, *, shapes: Shapes) -> None:
    """Write the modalities of an example as `read` reads them.

    Args:
      path: a file that does not exist yet.
      example: with some of the modalities.
      shapes: of their frames.

    Raises:
      DataError: if the file exists, which is never overwritten, or cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, **{name: example[name] for name in shapes if name in example})
    try:
        with open(path, "xb") as file:
            file.write(content.getbuffer())
    except FileExistsError as error:
        raise DataError(f"{path}: exists already and is left as it is") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error


def command(
    load: Callable[..., Dataset],
    write_recording: Callable[[str, Example], None],
    arguments: Sequence[str] | None,
) -> None:
    """Write one example to a file.

    Args:
      load: makes the data set from a seed.
      write_recording: `(path, example)`.
      arguments: of the command line.
    """
    parser = argparse.ArgumentParser(description="Write one example to a file.")
    parser.add_argument("--index", type=int, required=True, help="of the example")
    parser.add_argument("--out", required=True, help=".npz file to write")
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--seed", type=int, default=0, help="of the data set")
    options = parser.parse_args(arguments)
    try:
        source = load(seed=options.seed).splits[options.split]
        if not 0 <= options.index < len(source):
            raise DataError(f"--index is {options.index}, not below {len(source)}")
        write_recording(options.out, source[options.index])
        print(f"{options.out}: {source.rows[options.index].key}")
    except DataError as error:
        sys.exit(f"error: {error}")
