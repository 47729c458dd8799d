"""Labels of untrimmed recordings: lists of actions in time, and rows of a grid.

The label files of MultiSensor-Home, `all_labels.json`, `train.json` and `test.json`,
are lists of clips, `{"video_url_1": "01/00-View1-Part1.mp4", ..., "tricks": [{"start":
3.2, "end": 6.1, "labels": ["Sitdown"]}, ...]}`, with times in seconds. Only the first
label of a trick counts, as in the public code of MultiTSF.
"""

import json
import math
import pathlib
import re
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np

from data_pipelines import grid, raw
from data_pipelines.errors import DataError

VIDEO = re.compile(r"(\d+)/(\w+)-View(\d+)-Part(\w+)\.mp4", re.ASCII)
"""Session, number of the recording, camera and part of it."""
URL = re.compile(r"video_url_(\d+)")


class Trick(NamedTuple):
    """One action: its name, its start and its end in seconds."""

    label: str
    start: float
    end: float


class Clip(NamedTuple):
    """What a label file says of one clip.

    Attributes:
      key: as 01_00_Part1: session, recording and part.
      session: its number.
      videos: camera -> path below the raw folder.
      tricks: in the order of the file.
    """

    key: str
    session: int
    videos: dict[int, str]
    tricks: tuple[Trick, ...]


class Listed(NamedTuple):
    """What a label file lists.

    Attributes:
      clips: by key.
      faults: key, or place in the file -> why a clip cannot be used.
    """

    clips: dict[str, Clip]
    faults: dict[str, str]


def read(path: pathlib.Path) -> Listed:
    """Read a label file.

    Args:
      path: of the JSON file.

    Returns:
      Its clips, and a sentence on each that cannot be used.

    Raises:
      DataError: if it is not a list of clips, or holds one twice.
    """
    try:
        content = json.loads(raw.text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(content, list) or not content:
        raise DataError(f"{path}: not a list of clips")
    found = Listed({}, {})
    for number, entry in enumerate(content, 1):
        try:
            key, session, videos = _videos(entry)
        except DataError as error:
            found.faults[f"{path.name}[{number}]"] = f"{path}: clip {number}: {error}"
            continue
        if key in found.clips or key in found.faults:
            raise DataError(f"{path}: the clip {key} is listed twice")
        try:
            tricks = tuple(map(_trick, entry.get("tricks") or ()))
            if not tricks:
                raise DataError("has no tricks")
        except DataError as error:
            found.faults[key] = f"{path}: {key}: {error}"
            continue
        found.clips[key] = Clip(key, session, videos, tricks)
    return found


def classes(clips: Iterable[Clip]) -> tuple[str, ...]:
    """The names that label the actions of some clips, sorted."""
    return tuple(sorted({trick.label for clip in clips for trick in clip.tricks}))


def place(path: str) -> tuple[str, int, int]:
    """What the path of a video says.

    Args:
      path: as 01/00-View1-Part1.mp4, below the raw folder.

    Returns:
      Key of the clip, session and camera.

    Raises:
      DataError: if it is no such path.
    """
    match = VIDEO.fullmatch(path)
    if not match:
        raise DataError(f"{path!r} is not of the form 01/00-View1-Part1.mp4")
    session, name, camera, part = match.groups()
    return f"{session}_{name}_Part{part}", int(session), int(camera)


def multi_hot(labels: Collection[int], count: int) -> np.ndarray:
    """The classes that occur in a clip.

    Args:
      labels: from 0.
      count: K, of all classes.

    Returns:
      Float32 [K] of zeros and ones.
    """
    out = np.zeros(count, np.float32)
    out[list(labels)] = 1
    return out


def grid_labels(
    instances: Iterable[tuple[int, float, float]],
    *,
    length: int,
    count: int,
    rate: float = grid.RATE,
) -> np.ndarray:
    r"""The classes that occur at each frame of a grid.

    .. math:: y_{t k} = 1 \text{ for } \mathrm{round}(r s) \le t \le \mathrm{round}(r e)

    Args:
      instances: class from 0, start s and end e in seconds, each; what lies outside the
        clip is cut off.
      length: L, frames of the grid.
      count: K, of all classes.
      rate: r, frames a second.

    Returns:
      Float32 [L K] of zeros and ones.
    """
    out = np.zeros((length, count), np.float32)
    for label, start, end in instances:
        first, last = grid.row(start, rate=rate), grid.row(end, rate=rate)
        out[max(first, 0) : max(last + 1, 0), label] = 1
    return out


def inside(trick: Trick, length: int, *, rate: float = grid.RATE) -> str:
    """Whether an action lies within its clip.

    Args:
      trick: with times in seconds.
      length: of the clip in frames of the grid.
      rate: of the grid in frames a second.

    Returns:
      "" where it does, else how far it reaches, in words.

    Raises:
      DataError: if no frame of the clip shows it.
    """
    span = f"{trick.label} from {trick.start:g} to {trick.end:g} s"
    first, last = grid.row(trick.start, rate=rate), grid.row(trick.end, rate=rate)
    seconds = length / rate
    if first >= length or last < 0:
        raise DataError(f"{span} is outside the clip of {seconds:g} s")
    # The row of the end is one past the last frame where the two end together.
    if first < 0 or last > length:
        return f"{span} reaches past the clip of {seconds:g} s and is cut"
    return ""


def _videos(entry: Any) -> tuple[str, int, dict[int, str]]:
    """Key, session, and the videos by camera."""
    if not isinstance(entry, dict):
        raise DataError("is not an object with video_url_1 and tricks")
    videos, keys = {}, set()
    for name, path in entry.items():
        match = URL.fullmatch(name)
        if not match:
            continue
        key, session, camera = place(path if isinstance(path, str) else "")
        if camera != int(match[1]):
            raise DataError(f"has {path}, of camera {camera}, as {name}")
        videos[camera] = path
        keys.add((key, session))
    if len(keys) != 1:
        names = sorted(key for key, _ in keys)
        raise DataError(f"has videos of {names or 'nothing'}, not of one clip")
    ((key, session),) = keys
    return key, session, dict(sorted(videos.items()))


def _trick(entry: Any) -> Trick:
    try:
        trick = Trick(entry["labels"][0], float(entry["start"]), float(entry["end"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"has a trick without start, end and labels: {str(entry)[:60]}"
        ) from error
    if not isinstance(trick.label, str) or not trick.label:
        raise DataError(f"has a trick whose label is {trick.label!r}")
    if not (math.isfinite(trick.start) and trick.start <= trick.end < math.inf):
        raise DataError(f"has a trick from {trick.start:g} to {trick.end:g} s")
    return trick
