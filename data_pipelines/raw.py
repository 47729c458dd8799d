"""Raw files as a data set distributes them: listed, paired by key, checked."""

import functools
import hashlib
import itertools
import pathlib
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from data_pipelines.errors import DataError

Arrays = dict[str, np.ndarray]
Files = dict[str, dict[str, pathlib.Path]]
"""modality -> key -> path."""
LEAST_SIDE = 16
"""Pixels of a stored video frame; fewer show nothing."""


class Recording(NamedTuple):
    """The raw files of one performance.

    Attributes:
      key: unique name.
      label: from 0; several of a recording that shows several classes.
      subject: as numbered by the data set.
      details: what else protocols go by, such as the scene: anything that JSON holds.
      paths: modality -> file.
    """

    key: str
    label: int | tuple[int, ...]
    subject: int
    details: dict[str, Any]
    paths: dict[str, pathlib.Path]


class Found(NamedTuple):
    """What a raw folder holds.

    Attributes:
      recordings: to read.
      faults: key or file name -> why it cannot be used.
      missing: keys of the official grid without any file.
      counts: modality -> number of files.
    """

    recordings: list[Recording]
    faults: dict[str, str]
    missing: list[str]
    counts: dict[str, int]


class Reading(NamedTuple):
    """What one raw file holds.

    Attributes:
      arrays: stored field -> values.
      notes: what had to be put right, for the report.
    """

    arrays: Arrays
    notes: tuple[str, ...] = ()


class Parts(NamedTuple):
    """What is stored of one recording that was read.

    Attributes:
      records: each a recording with a key of its own, and its stored fields, modality
        by modality; where there are none, the recording is left out.
      faults: sentences on what of the recording cannot be used.
      notes: what had to be put right, for the report.
    """

    records: list[tuple[Recording, dict[str, Arrays]]]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Layout(NamedTuple):
    """How a data set is read.

    Attributes:
      name: of the data set.
      fields: modality -> stored field -> shape, None for the number of frames.
      required: modalities without which a recording is left out; where there are
        none, any one is enough.
      find: raw folder -> what it holds.
      read: (modality, file) -> the stored fields of that modality, with notes.
      dtypes: stored field -> type, where it is not float32.
      disagree: the stored fields of one recording, modality by modality -> modality ->
        why it does not fit the others.
      parts: (recording, its stored fields, modality by modality) -> the records that it
        is stored as; one, unless a data set says otherwise.
      performance: key -> what recordings share that go or stay together: where one has
        a fault, none of the performance is kept.
      short_side: of stored video frames in pixels, which `read` then has as an option;
        None where no file is a video.
    """

    name: str
    fields: dict[str, dict[str, tuple[int | None, ...]]]
    required: tuple[str, ...]
    find: Callable[[pathlib.Path], Found]
    read: Callable[[str, pathlib.Path], Reading]
    dtypes: Mapping[str, type] = types.MappingProxyType({})
    disagree: Callable[[dict[str, Arrays]], dict[str, str]] = lambda _: {}
    parts: Callable[[Recording, dict[str, Arrays]], Parts] = lambda recording, fields: (
        Parts([(recording, fields)])
    )
    performance: Callable[[str], str] = lambda key: key
    short_side: int | None = None

    def scaled(self, short_side: int) -> "Layout":
        """The same with video frames of another size.

        Args:
          short_side: of the stored frames in pixels; smaller video keeps its size.

        Returns:
          A layout.

        Raises:
          DataError: if no file is a video, or no frame can have such a side.
        """
        if self.short_side is None:
            raise DataError(
                f"--short_side={short_side}: {self.name} has no video files to scale"
            )
        # JPEG keeps colours at half the resolution, so that sides are even.
        if short_side < LEAST_SIDE or short_side % 2:
            raise DataError(
                f"--short_side={short_side}: not an even number of {LEAST_SIDE} pixels "
                "or more"
            )
        read = functools.partial(self.read, short_side=short_side)
        return self._replace(read=read, short_side=short_side)


def listing(folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """The files of a folder that must exist, in natural order.

    Args:
      folder: to list.
      pattern: of file names; `**/` looks below.

    Returns:
      Paths of files.

    Raises:
      DataError: if there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder, is the raw folder right?")
    files = (path for path in folder.glob(pattern) if path.is_file())
    return sorted(files, key=lambda path: natural(str(path)))


def natural(text: str) -> list[str | int]:
    """Sort key under which a2 comes before a10.

    Args:
      text: to sort by.

    Returns:
      Text and numbers in turn, beginning with text.
    """
    parts = re.split(r"(\d+)", text)
    return [int(p) if i % 2 else p for i, p in enumerate(parts)]


class Catalogue:
    """Files by modality and key; whatever does not fit becomes a fault."""

    def __init__(self, modalities: Iterable[str]):
        """Begin without files.

        Args:
          modalities: of the data set.
        """
        self.files: Files = {modality: {} for modality in modalities}
        self.faults: dict[str, str] = {}

    def add(self, modality: str, key: str, path: pathlib.Path) -> None:
        """Enter a file; two for the same place are a fault of the second."""
        first = self.files[modality].setdefault(key, path)
        if first != path:
            self.faults[str(path)] = f"{path}: {first} is the {modality} of {key} too"

    def refuse(self, path: pathlib.Path, reason: str) -> None:
        """Enter a file that cannot be used."""
        self.faults[str(path)] = f"{path}: {reason}"

    def found(
        self,
        make: Callable[[str, dict[str, pathlib.Path]], Recording],
        *,
        required: Iterable[str] = (),
        grid: Iterable[str] = (),
    ) -> Found:
        """Pair the files by key, never by listing order.

        Args:
          make: (key, modality -> path) -> recording.
          required: modalities that a recording must have.
          grid: keys that the official data set has.

        Returns:
          The recordings in the natural order of their keys, and the faults.
        """
        keys = set(itertools.chain.from_iterable(self.files.values()))
        recordings, faults = [], dict(self.faults)
        for key in sorted(keys, key=natural):
            paths = {m: files[key] for m, files in self.files.items() if key in files}
            lacking = [m for m in required if m not in paths]
            if lacking:
                faults[key] = f"{key}: no {' and no '.join(lacking)} file"
            else:
                recordings.append(make(key, paths))
        counts = {modality: len(files) for modality, files in self.files.items()}
        return Found(recordings, faults, sorted(set(grid) - keys, key=natural), counts)


def finite(path: pathlib.Path, values: np.ndarray) -> np.ndarray:
    """Values as float32, refusing what is not finite.

    Args:
      path: that they were read from.
      values: of any shape.

    Returns:
      Float32 array.

    Raises:
      DataError: if a value is NaN or infinite; it says how many.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        single = np.ascontiguousarray(values, np.float32)
    bad = int((~np.isfinite(single)).sum())
    if bad:
        raise DataError(f"{path}: {bad} of {values.size} values are NaN or infinite")
    return single


def text(path: pathlib.Path) -> str:
    """The content of a text file.

    Args:
      path: of the file.

    Returns:
      Its text.

    Raises:
      DataError: if it is not there, empty, or not text.
    """
    try:
        content = path.read_bytes()
        decoded = content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file ({len(content)} bytes)") from error
    if not decoded.strip():
        raise DataError(f"{path}: the file is empty ({len(content)} bytes)")
    return decoded


def fingerprint(path: pathlib.Path) -> bytes:
    """A hash of a file's content.

    Args:
      path: of the file.

    Returns:
      16 bytes.

    Raises:
      DataError: if it cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
