"""What a cheap camera would have seen of a video: fewer pixels, less contrast, noise."""

import dataclasses
import zlib

import numpy as np

from data_pipelines.transforms import frames


@dataclasses.dataclass(frozen=True)
class Coarse:
    """A degraded video, made frame by frame when it is asked for.

    Attributes:
      video: uint8 [T H W C].
      key: of the recording; with the frame's number it is the seed of the noise, so that
        a frame looks the same whenever it is asked for.
      factor: pixels of the video a pixel, either way; their mean is seen.
      contrast: share of the values that is kept.
      noise: standard deviation of the sensor's error, of 255.
    """

    video: np.ndarray
    key: str
    factor: int = 4
    contrast: float = 0.5
    noise: float = 12.0

    def __len__(self) -> int:
        return len(self.video)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H/factor W/factor C]."""
        chosen, factor = self.video[indices], self.factor
        count, height, width, channels = chosen.shape
        rows, columns = height // factor, width // factor
        whole = chosen[:, : rows * factor, : columns * factor]
        blocks = whole.reshape(count, rows, factor, columns, factor, channels)
        mean = blocks.mean(axis=(2, 4))
        seed = zlib.crc32(self.key.encode())
        error = [
            frames.generator(seed, int(i) + 1).normal(0, self.noise, mean.shape[1:])
            for i in indices
        ]
        # Half of what is lost goes below, so that noise has room on either side.
        seen = self.contrast * mean + 127.5 * (1 - self.contrast)
        return np.clip(np.rint(seen + np.stack(error)), 0, 255).astype(np.uint8)
