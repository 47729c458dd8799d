"""Prepared videos of PKU-MMD by protocol, and the spans of them that are examples."""

import collections
from collections.abc import Collection, Iterator

from data_pipelines import chunks, stored
from data_pipelines.dataset import Row
from data_pipelines.errors import DataError
from data_pipelines.pku_names import SIZES, window_key

Chunks = dict[str, tuple[stored.Entry, ...]]
"""Name of a video -> the index entries of its chunks, the first with all details."""


def sides(built: stored.Stored, protocol: str) -> dict[str, Chunks]:
    """The videos that train and those that test.

    Args:
      built: the prepared data set.
      protocol: one of `SIZES`.

    Returns:
      "train" and "test" -> their videos; a video in no split is in neither.
    """
    videos = collections.defaultdict(list)
    for entry in built.index:
        videos[entry["video"]].append(entry)
    found: dict[str, Chunks] = {"train": {}, "test": {}}
    for name, entries in videos.items():
        side = entries[0]["sides"].get(protocol)
        if side:
            found[side][name] = tuple(entries)
    return found


def check_size(built: stored.Stored, found: dict[str, Chunks], protocol: str) -> None:
    """Refuse sides of other than the published numbers of videos.

    Args:
      built: the prepared data set.
      found: its videos by side.
      protocol: one of `SIZES`.

    Raises:
      DataError: if the numbers are others; it names videos that are missing.
    """
    got = tuple(len(videos) for videos in found.values())
    if got == SIZES[protocol]:
        return
    kept = set().union(*found.values())
    lost = sorted({entry["key"] for entry in built.report["skipped"]} - kept)
    lost += built.report["missing"]
    named = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
    raise DataError(
        f"pku_mmd has {got[0]} training and {got[1]} test videos, the protocol "
        f"{SIZES[protocol][0]} and {SIZES[protocol][1]}; strict=False takes what there "
        "is" + (f" (missing: {named})" if lost else "")
    )


def actions(videos: Chunks, *, end_inclusive: bool) -> Iterator[chunks.Span]:
    """The actions of some videos.

    Args:
      videos: to go through.
      end_inclusive: whether the frame `end` belongs to the action.

    Yields:
      A span each, with the label from 0; it ends with the shorter of both videos.
    """
    for name, (first, *_) in videos.items():
        frames = min(first["frames"].values())
        for number, (label, start, end) in enumerate(first["instances"]):
            row = Row(f"{name}_i{number:02}", label - 1, first["subject"])
            yield chunks.Span(row, name, start, min(end + end_inclusive, frames))


def windows(
    videos: Chunks, sizes: Collection[tuple[int, int]]
) -> Iterator[chunks.Span]:
    """Windows that slide over some videos, see `chunks.windows`.

    Args:
      videos: to go through.
      sizes: (length, stride) of each kind of window.

    Yields:
      A span each, with the label 0; where windows of two kinds coincide, one.

    Raises:
      DataError: if a length or stride is not positive.
    """
    for name, (first, *_) in videos.items():
        frames = min(first["frames"].values())
        every = {pair for size in sizes for pair in chunks.windows(frames, *size)}
        for start, stop in sorted(every):
            row = Row(window_key(name, start, stop), 0, first["subject"])
            yield chunks.Span(row, name, start, stop)
