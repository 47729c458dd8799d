"""Sound tracks of files: one channel of 16 kHz, as networks of sound are trained on."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import av
import numpy as np

from data_pipelines import fbank, raw
from data_pipelines.errors import DataError
from data_pipelines.fbank import RATE

SCALE = 32768
"""Steps of a stored sample from silence to full loudness."""
SILENT = 2
"""Steps; a lossy codec makes as much of silence."""


def read(path: pathlib.Path, name: str) -> raw.Reading:
    """Read the sound of a file, whatever its container, codec, rate and channels.

    Channels are averaged with equal weights. Times of the container are not looked at:
    the first sample is taken for the moment of the first frame of the video.

    Args:
      path: of a file with or without a sound track.
      name: of the stored field.

    Returns:
      `name` int16 [samples]. A file without a sound track, or with one that is silent
      throughout, has none, which is noted.

    Raises:
      DataError: if the file is absent, empty, not a recording, or its sound damaged.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    size, blocks = path.stat().st_size, []
    if not size:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    nothing = {name: np.zeros(0, np.int16)}
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return raw.Reading(nothing, ("no sound track",))
            # Planes of floats: averaging before or after resampling is then the same,
            # and FFmpeg's own weights of channels are not used.
            resampler = av.AudioResampler(format="fltp", rate=RATE)
            for frame in container.decode(audio=0):
                blocks += _mono(resampler.resample(frame))
            blocks += _mono(resampler.resample(None) if blocks else [])
    except (av.error.FFmpegError, OSError) as error:
        seconds = sum(map(len, blocks)) / RATE
        raise DataError(
            f"{path}: its sound is not readable or damaged after {seconds:.1f} s "
            f"({size} bytes; {error})"
        ) from error
    wave = to_steps(np.concatenate(blocks)) if blocks else nothing[name]
    if np.abs(wave.astype(int)).max(initial=0) <= SILENT:
        return raw.Reading(nothing, ("the sound track is silent",))
    return raw.Reading({name: wave})


def to_steps(wave: np.ndarray) -> np.ndarray:
    """Sound as it is stored.

    Args:
      wave: of -1..1, any shape; what is louder is cut off.

    Returns:
      Int16 of the same shape.
    """
    return np.clip(np.rint(wave * SCALE), -SCALE, SCALE - 1).astype(np.int16)


def from_steps(steps: np.ndarray) -> np.ndarray:
    """Stored sound as networks are shown it.

    Args:
      steps: int16, any shape.

    Returns:
      Float32 of the same shape in [-1, 1).
    """
    return steps.astype(np.float32) / SCALE


def chunks(wave: np.ndarray, count: int) -> np.ndarray:
    r"""Cut a sound track into as many equal chunks as its video has frames.

    .. math:: c_i = w_{i s}, \dots, w_{(i + 1) s - 1}, \quad s = \lfloor N / L \rfloor

    Args:
      wave: [N].
      count: L, of frames; at 2.5 a second a chunk is 0.4 s.

    Returns:
      [L s], a view of the wave; less than L samples at its end are in no chunk.
    """
    samples = len(wave) // count
    return wave[: count * samples].reshape(count, samples)


@dataclasses.dataclass(frozen=True)
class Spectrograms:
    """A sound track's chunks as spectrograms, made when they are asked for.

    Attributes:
      key: of the recording, for what goes wrong.
      wave: [N].
      count: L, of the video's frames, a chunk each.
      options: of `fbank.log_mel`.
    """

    key: str
    wave: np.ndarray
    count: int
    options: Mapping[str, Any]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
        """Those at the frames `chosen` [n], float32 [n F Q]."""
        # A short clip repeats its frames: each chunk is transformed once.
        unique, places = np.unique(chosen, return_inverse=True)
        try:
            made = fbank.log_mel(chunks(self.wave, self.count)[unique], **self.options)
        except ValueError as error:
            raise DataError(
                f"the sound of {self.key}, {len(self.wave)} samples for {self.count} "
                f"frames: {error}"
            ) from error
        return made[places]


def _mono(frames: list[av.AudioFrame]) -> list[np.ndarray]:
    return [frame.to_ndarray().mean(axis=0) for frame in frames]
