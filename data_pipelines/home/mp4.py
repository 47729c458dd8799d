"""Writing pictures and sound as a video file."""

import fractions
import pathlib

import av
import numpy as np

from data_pipelines import sound
from data_pipelines.errors import DataError

QUALITY = 2
"""Quantiser of MPEG-4, 1 (best) to 31."""
BIT_RATE = 96000
"""Of the sound, in bits a second."""


def write(
    path: pathlib.Path, frames: np.ndarray, wave: np.ndarray | None, *, rate: float
) -> None:
    """Write an MP4 file: MPEG-4 pictures and, where there is sound, AAC.

    Args:
      path: of the file.
      frames: uint8 `[T H W 3]`, with even height and width.
      wave: `[samples]` of 16 kHz in [-1, 1], or None.
      rate: frames a second.

    Raises:
      DataError: if the file cannot be written.
    """
    exact = fractions.Fraction(rate).limit_denominator(1000)
    try:
        with av.open(str(path), "w", format="mp4") as container:
            pictures = _pictures(container, frames.shape[1:3], exact)
            # All streams are there before anything is written.
            voice = None if wave is None else _voice(container)
            for i, frame in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture.pts = i
                picture.time_base = 1 / exact
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
            if wave is not None:
                samples = np.ascontiguousarray(wave[None], np.float32)
                block = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
                block.sample_rate, block.pts = sound.RATE, 0
                container.mux(voice.encode(block))
                container.mux(voice.encode(None))
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path}: cannot be written ({error})") from error


def _pictures(
    container: av.container.OutputContainer,
    shape: tuple[int, int],
    rate: fractions.Fraction,
) -> av.VideoStream:
    stream = container.add_stream("mpeg4", rate=rate)
    stream.height, stream.width = shape
    stream.pix_fmt = "yuv420p"
    stream.codec_context.qmin = stream.codec_context.qmax = QUALITY
    return stream


def _voice(container: av.container.OutputContainer) -> av.AudioStream:
    stream = container.add_stream("aac", rate=sound.RATE)
    stream.layout, stream.bit_rate = "mono", BIT_RATE
    return stream
