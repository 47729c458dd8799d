"""Long videos kept in chunks, of which examples are spans of frames.

ArrayRecord reads a record as a whole, and an untrimmed video has thousands of frames: as
one record, every glance at a few of them would read them all.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from data_pipelines import stored
from data_pipelines.dataset import Example, Row
from data_pipelines.errors import DataError
from data_pipelines.raw import Arrays

LENGTH = 64
"""Frames of a chunk; the last one of a video may have fewer."""


def cut(name: str, arrays: Mapping[str, np.ndarray], start: int) -> Arrays:
    """One chunk of a video.

    Args:
      name: of the stored field.
      arrays: the whole video, as `video.read` gives it.
      start: first frame of the chunk; past the end there is nothing.

    Returns:
      The same fields of at most `LENGTH` frames.
    """
    whole = arrays[f"{name}_ends"]
    ends = whole[start : start + LENGTH]
    if not len(ends):
        return {name: arrays[name][:0], f"{name}_ends": ends}
    before = whole[start - 1] if start else 0
    return {name: arrays[name][before : ends[-1]], f"{name}_ends": ends - before}


class Span(NamedTuple):
    """Frames of a video that make an example.

    Attributes:
      row: key, label and subject of the example.
      video: name of the video.
      start: first frame.
      stop: the frame after the last.
    """

    row: Row
    video: str
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Spans:
    """Raw examples that are spans of videos kept in chunks.

    Attributes:
      folder: of the prepared data set.
      videos: name of a video -> the index entries of its chunks, in order.
      spans: of the examples.
      fields: modality of an example -> stored field, a video.
    """

    folder: str
    videos: Mapping[str, tuple[stored.Entry, ...]]
    spans: tuple[Span, ...]
    fields: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, index: int) -> Example:
        row, name, start, stop = self.spans[index]
        chunks = _Chunks(stored.Records(self.folder, self.videos[name], self.fields))
        frames = {m: Frames(chunks, m, start, stop) for m in self.fields}
        return row._asdict() | frames

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return [span.row for span in self.spans]


@dataclasses.dataclass(frozen=True)
class _Chunks:
    """Chunks of one video, each read once for all modalities of an example."""

    records: stored.Records
    read: dict[int, Example] = dataclasses.field(default_factory=dict, repr=False)

    def __getitem__(self, number: int) -> Example:
        if number not in self.read:
            self.read[number] = self.records[number]
        return self.read[number]


@dataclasses.dataclass(frozen=True)
class Frames:
    """Frames that are read and decoded when they are asked for, see `video.Jpegs`.

    Attributes:
      chunks: of the whole video.
      modality: which of their videos.
      start: first frame.
      stop: the frame after the last.
    """

    chunks: _Chunks
    modality: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H W C]; others are not read."""
        indices = np.asarray(indices)
        if not indices.size or indices.min() < 0 or indices.max() >= len(self):
            # Frames before and after the span are there, but not of this example.
            raise IndexError(f"no frames {indices.tolist()} of {len(self)}")
        chunks, places = np.divmod(self.start + indices, LENGTH)
        numbers, order = np.unique(chunks, return_inverse=True)
        frames = [
            self.chunks[int(number)][self.modality][places[order == i]]
            for i, number in enumerate(numbers)
        ]
        # Grouped by chunk; each goes back to where it was asked for.
        back = np.argsort(np.argsort(order, kind="stable"), kind="stable")
        return np.concatenate(frames)[back]


def windows(frames: int, length: int, stride: int) -> Iterator[tuple[int, int]]:
    """Windows that slide over a video.

    Args:
      frames: of the video.
      length: of a window; a shorter video is one window.
      stride: between two starts. Where the windows end before the video does, one more
        ends with it.

    Yields:
      First frame, and the frame after the last.

    Raises:
      DataError: if length or stride is not positive.
    """
    if min(length, stride) < 1:
        raise DataError(f"windows of {length} frames every {stride} are none")
    last = max(frames - length, 0)
    starts = [*range(0, last, stride), last]
    yield from ((start, min(start + length, frames)) for start in starts)
