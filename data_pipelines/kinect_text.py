"""The `.skeleton` text files of NTU RGB+D: numbers between white space."""

import pathlib
from collections.abc import Iterator

import numpy as np

from data_pipelines import pose, raw
from data_pipelines.errors import DataError

JOINTS = 25
BODIES = 6
"""The most that a Kinect follows at once."""
HEADER = 10
COLUMNS = 12
"""Numbers of a body and of a joint: x y z, depth x y, colour x y, rotation, state."""
SCORES = np.array([0.0, 0.5, 1.0])
"""Of the tracking states: not tracked, inferred, tracked."""


def read(path: pathlib.Path) -> raw.Reading:
    """Read a file.

    Args:
      path: of the file, with lines ending in LF or CRLF.

    Returns:
      `joints` float32 [T 2 25 3]: x and y in pixels of the colour picture, 1920 by 1080,
      and a score, see `SCORES`; `skeleton` float32 [T 2 25 3] in metres. Frames without
      a body keep their place as zeros; of more than two bodies those that move most are
      kept. A joint without a finite place is missing, zero in both.

    Raises:
      DataError: if the file is of another form or truncated, or nobody is ever seen.
    """
    words = raw.text(path).split()
    size = path.stat().st_size
    try:
        numbers = np.array(words, np.float64)
        frames = list(_frames(words, numbers))
    except (ValueError, IndexError, OverflowError) as error:
        raise DataError(
            f"{path}: not a skeleton file or truncated ({size} bytes; {error})"
        ) from error
    names = list(dict.fromkeys(name for bodies in frames for name in bodies))
    if not names:
        raise DataError(f"{path}: no body in any of the {len(frames)} frames")
    clip = np.zeros((len(frames), len(names), JOINTS, 6))
    for frame, bodies in zip(clip, frames):
        for name, body in bodies.items():
            frame[names.index(name)] = body
    lost = ~np.isfinite(clip).all(-1)
    clip[lost] = 0
    if not clip.any():
        raise DataError(f"{path}: no joint has a place in any of {len(frames)} frames")
    notes = []
    if lost.any():
        notes.append(f"{lost.sum()} joints without a finite place count as missing")
    if len(names) > pose.BODIES:
        notes.append(f"{len(names)} bodies, the {pose.BODIES} that move most are kept")
    kept = pose.most_moving(clip, spatial=3)
    return raw.Reading(
        {
            "joints": np.ascontiguousarray(kept[..., 3:], np.float32),
            "skeleton": np.ascontiguousarray(kept[..., :3], np.float32),
        },
        tuple(notes),
    )


def _frames(words: list[str], numbers: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For each frame, body -> joints [25 6]: x y z in metres, x y in pixels, score."""
    place = 1
    for _ in range(_count(numbers, 0, most=len(words))):
        bodies = {}
        number = _count(numbers, place, most=BODIES)
        place += 1
        for _ in range(number):
            # A name has 17 digits, more than a float64 tells apart.
            name = words[place]
            place += HEADER
            if _count(numbers, place, most=len(words)) != JOINTS:
                raise ValueError(f"a body of {words[place]} joints, not {JOINTS}")
            end = place + 1 + JOINTS * COLUMNS
            if end > len(words):
                raise ValueError("the last body is cut short")
            joints = numbers[place + 1 : end].reshape(JOINTS, COLUMNS)
            state = np.nan_to_num(joints[:, -1])
            score = SCORES[np.clip(state, 0, 2).astype(int)]
            if name in bodies:
                raise ValueError(f"the body {name} twice in a frame")
            bodies[name] = np.column_stack([joints[:, [0, 1, 2, 5, 6]], score])
            place = end
        yield bodies
    if place != len(words):
        raise ValueError(f"{len(words) - place} numbers after the last frame")


def _count(numbers: np.ndarray, place: int, *, most: int) -> int:
    count = numbers[place]
    if not 0 <= count <= most or count != int(count):
        raise ValueError(f"{count:g} where a count stands")
    return int(count)
