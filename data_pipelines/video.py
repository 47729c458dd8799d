"""Video: read from files once, kept as JPEG frames, decoded frame by frame.

A loader needs some thirty frames of a clip, spread over all of it. Encoded video would
have to be decoded from its last key frame on for each of them.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping

import av
import numpy as np

from data_pipelines import jpeg, raw
from data_pipelines.errors import DataError

SHORT_SIDE = 256
"""Pixels; networks are shown crops of 224."""
QUALITY = 3
"""Quantiser of the JPEG frames, 1 (best) to 31."""
DARK = 20
"""The brightest pixel of a black frame."""
GREY = ("ir",)
"""Fields of one channel: files of infrared cameras have three that are alike."""


def dtypes(*names: str) -> dict[str, type]:
    """Of stored videos.

    Args:
      *names: of the fields.

    Returns:
      Stored field -> type.
    """
    return {
        **dict.fromkeys(names, np.uint8),
        **{f"{name}_ends": np.int64 for name in names},
    }


@dataclasses.dataclass(frozen=True)
class Jpegs:
    """Frames that are decoded when they are asked for.

    Attributes:
      data: uint8 [N], the JPEG files one after the other.
      ends: int64 [T], where each of them ends.
      grey: whether frames have one channel, their brightness.
    """

    data: np.ndarray
    ends: np.ndarray
    grey: bool = False

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H W 3] in RGB or [N H W 1]."""
        decoder = av.CodecContext.create("mjpeg", "r")
        # A short recording repeats its frames: each is decoded once.
        unique, places = np.unique(indices, return_inverse=True)
        return np.stack([self._frame(decoder, int(i)) for i in unique])[places]

    def _frame(self, decoder: av.CodecContext, index: int) -> np.ndarray:
        start = self.ends[index - 1] if index else 0
        packet = av.Packet(self.data[start : self.ends[index]].tobytes())
        try:
            (frame,) = decoder.decode(packet)
        # No frame, or several, make the unpacking fail.
        except (av.error.FFmpegError, ValueError) as error:
            raise DataError(f"stored frame {index} is damaged ({error})") from error
        if self.grey:
            return frame.to_ndarray(format="gray")[..., None]
        return frame.to_ndarray(format="rgb24")


def frames(name: str, arrays: Mapping[str, np.ndarray]) -> Jpegs:
    """The frames of a stored video.

    Args:
      name: of the field.
      arrays: as `read` gives them.

    Returns:
      Its frames, of one channel where the field is one of `GREY`.
    """
    return Jpegs(arrays[name], arrays[f"{name}_ends"], grey=name in GREY)


def read(path: pathlib.Path, name: str, *, short_side: int = SHORT_SIDE) -> raw.Reading:
    """Read a video file and encode its frames for storage.

    Args:
      path: of the file, in any format that FFmpeg reads.
      name: of the stored field.
      short_side: of the stored frames in pixels; smaller video keeps its size.

    Returns:
      `name` uint8 [N], the JPEG frames, and `name_ends` int64 [T], see `Jpegs`; black
      frames and frames that repeat the one before are counted in the notes.

    Raises:
      DataError: if the file is absent, empty, not a video, damaged or without frames.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    size = path.stat().st_size
    if not size:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    encoder, packets, dark = None, [], 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path}: there is no video in it ({size} bytes)")
            for frame in container.decode(video=0):
                width, height = _fitted(frame.width, frame.height, short_side)
                small = frame.reformat(width, height, "yuvj420p", interpolation="AREA")
                dark += int(small.to_ndarray()[:height].max() < DARK)
                encoder = encoder or jpeg.Encoder(width, height, quality=QUALITY)
                packets.append(encoder(small))
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(
            f"{path}: not a readable video or damaged after {len(packets)} frames "
            f"({size} bytes; {error})"
        ) from error
    if not packets:
        raise DataError(f"{path}: a video without frames ({size} bytes)")
    repeated = sum(one == two for one, two in itertools.pairwise(packets))
    counts = ((dark, "black frames"), (repeated, "frames that repeat the one before"))
    return raw.Reading(
        {
            name: np.frombuffer(b"".join(packets), np.uint8),
            f"{name}_ends": np.cumsum([len(packet) for packet in packets]),
        },
        tuple(f"{count} {what}" for count, what in counts if count),
    )


def _fitted(width: int, height: int, short_side: int) -> tuple[int, int]:
    """The stored size, even as the colours at half the resolution need it."""
    scale = min(1.0, short_side / min(width, height))
    return tuple(max(2, 2 * round(side * scale / 2)) for side in (width, height))
