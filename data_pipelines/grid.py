"""Frames of a video at a low, even rate: what long recordings are stored as.

Of a recording of minutes a network is shown a few frames a second. Those frames alone
are kept, as JPEG files of squares.
"""

import itertools
import math
import pathlib
from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from data_pipelines import jpeg, raw, video
from data_pipelines.errors import DataError

RATE = 2.5
"""Frames a second, as in the public code of MultiTSF and MultiASL."""
SIDE = 224
"""Pixels of a stored square; its picture is not cropped, but stretched or squeezed."""


def read(
    path: pathlib.Path, name: str, *, side: int = SIDE, rate: float = RATE
) -> raw.Reading:
    """Read the frames of a grid and encode them for storage.

    Args:
      path: of a video file, in any format that FFmpeg reads.
      name: of the stored field.
      side: of the stored squares in pixels.
      rate: of the grid in frames a second.

    Returns:
      `name` uint8 [N], the JPEG frames, and `name_ends` int64 [L], see `video.Jpegs`;
      black frames and frames that repeat the one before are counted in the notes.

    Raises:
      DataError: as `frames`.
    """
    encode, packets, dark = jpeg.Encoder(side, side, quality=video.QUALITY), [], 0
    # One for all frames: its tables take longer to make than a frame to scale.
    scaler = VideoReformatter()
    for frame in frames(path, rate=rate):
        # Bilinear, as the public code resizes; FFmpeg widens it where it shrinks.
        small = scaler.reformat(frame, side, side, "yuvj420p", interpolation="BILINEAR")
        dark += int(small.to_ndarray()[:side].max() < video.DARK)
        packets.append(encode(small))
    repeated = sum(one == two for one, two in itertools.pairwise(packets))
    counts = ((dark, "black frames"), (repeated, "frames that repeat the one before"))
    return raw.Reading(
        {
            name: np.frombuffer(b"".join(packets), np.uint8),
            f"{name}_ends": np.cumsum([len(packet) for packet in packets]),
        },
        tuple(f"{count} {what}" for count, what in counts if count),
    )


def frames(path: pathlib.Path, *, rate: float = RATE) -> Iterator[av.VideoFrame]:
    r"""The frames of a grid, decoded one after the other.

    .. math:: 0, s, 2 s, \dots, \quad s = \max(1, \mathrm{round}(r' / r))

    With n frames at r' a second there are L = ceil(n / s) at about r. Frames are
    counted and their time stamps not looked at, as in the public code.

    Args:
      path: of a video file.
      rate: r.

    Yields:
      Frames of the file's own size.

    Raises:
      DataError: if the file is absent, empty, not a video, damaged, without frames or
        does not say how many it has a second.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    size, count = path.stat().st_size, 0
    if not size:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path}: there is no video in it ({size} bytes)")
            stride = _stride(path, container.streams.video[0].average_rate, rate)
            for frame in container.decode(video=0):
                if count % stride == 0:
                    yield frame
                count += 1
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(
            f"{path}: not a readable video or damaged after {count} frames "
            f"({size} bytes; {error})"
        ) from error
    if not count:
        raise DataError(f"{path}: a video without frames ({size} bytes)")


def row(second: float, *, rate: float = RATE) -> int:
    """The frame of the grid that is nearest to a moment, of two the even one.

    Args:
      second: from the first frame.
      rate: of the grid in frames a second.

    Returns:
      Its number, which need not exist.
    """
    return round(second * rate)


def _stride(path: pathlib.Path, found: float | None, rate: float) -> int:
    if not found or not math.isfinite(found):
        raise DataError(f"{path}: it does not say how many frames a second it has")
    return max(1, round(float(found) / rate))
