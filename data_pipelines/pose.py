"""Poses in images, as OpenPose and COCO estimators write them, to COCO's 17 joints."""

import json
import pathlib
from typing import Any

import numpy as np

from data_pipelines import raw
from data_pipelines.errors import DataError

JOINTS = 17
BODIES = 2
# OpenPose's 18 joints have a neck, which COCO has not, in second place, and the right
# side before the left.
FROM_OPENPOSE = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
LONGEST = 100_000


def read(path: pathlib.Path) -> raw.Reading:
    """Read a JSON file that maps frames to bodies to flat lists x, y, score, ...

    Args:
      path: of the file; each body has 17 (COCO) or 18 (OpenPose) joints.

    Returns:
      `skeleton` float32 [T 2 17 3]: x and y in pixels, score. Frames without a body
      keep their place as zeros; of more than two bodies those that move most are kept.

    Raises:
      DataError: if the file is of another form, or nobody is ever seen.
    """
    content = raw.text(path)
    try:
        frames = json.loads(content)
    except (ValueError, RecursionError) as error:
        size = path.stat().st_size
        raise DataError(f"{path}: not JSON or truncated ({size} bytes)") from error
    if not isinstance(frames, dict) or not frames:
        raise DataError(f"{path}: not an object of frames")
    clip = _clip(path, frames)
    if not clip.any():
        raise DataError(f"{path}: every joint of the skeleton is zero")
    notes = ()
    if clip.shape[1] > BODIES:
        notes = (f"{clip.shape[1]} bodies, the {BODIES} that move most are kept",)
    return raw.Reading({"skeleton": raw.finite(path, most_moving(clip))}, notes)


def most_moving(clip: np.ndarray, *, spatial: int = 2) -> np.ndarray:
    """The two bodies with the most motion, the first of equals first.

    Args:
      clip: [T M J C], a body that is not seen being zero.
      spatial: leading channels that are coordinates.

    Returns:
      [T 2 J C]; zeros where there are fewer bodies.
    """
    seen = clip.any((2, 3))
    both = seen[1:] & seen[:-1]
    step = np.linalg.norm(np.diff(clip[..., :spatial], axis=0), axis=-1).mean(-1)
    motion = np.where(both, step, 0).sum(0)
    # A body that stands still must not lose its place to one that is never there.
    order = np.lexsort((np.arange(clip.shape[1]), -seen.sum(0), -motion))[:BODIES]
    chosen = clip[:, order]
    return np.pad(chosen, [(0, 0), (0, BODIES - len(order)), (0, 0), (0, 0)])


def _clip(path: pathlib.Path, frames: dict[str, Any]) -> np.ndarray:
    numbers = [_number(path, name) for name in frames]
    first, length = min(numbers), max(numbers) - min(numbers) + 1
    if len(set(numbers)) < len(numbers) or length > LONGEST:
        raise DataError(f"{path}: frames are numbered twice or span {length}")
    if not all(isinstance(bodies, dict) for bodies in frames.values()):
        raise DataError(f"{path}: a frame is not an object of bodies")
    names = sorted(
        {name for bodies in frames.values() for name in bodies}, key=raw.natural
    )
    clip = np.zeros((length, len(names), JOINTS, 3))
    for number, bodies in zip(numbers, frames.values()):
        for name, values in bodies.items():
            clip[number - first, names.index(name)] = _joints(path, values)
    return clip


def _number(path: pathlib.Path, frame: str) -> int:
    # Natural order takes "frame_0012" and "12" alike.
    numbers = [part for part in raw.natural(frame) if isinstance(part, int)]
    if not numbers:
        raise DataError(f"{path}: the frame {frame!r} has no number")
    return numbers[-1]


def _joints(path: pathlib.Path, values: Any) -> np.ndarray:
    try:
        flat = np.array(values, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: a body is not a list of numbers") from error
    if flat.size == 3 * len(FROM_OPENPOSE):
        return flat.reshape(-1, 3)
    if flat.size == 3 * (len(FROM_OPENPOSE) + 1):
        return flat.reshape(-1, 3)[list(FROM_OPENPOSE)]
    raise DataError(
        f"{path}: a body has {flat.size} values, not 51 (17 joints of COCO) or 54 (18 "
        "of OpenPose)"
    )
