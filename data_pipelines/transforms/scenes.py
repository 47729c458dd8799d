"""Examples of all cameras to clips of one length: frames, spectrograms, labels, masks.

All views, their sound, the labels and the masks are sampled at the same frames of the
grid, so that a teacher and a student that see one batch see the same moments. Only
those frames are decoded, and only their chunks of sound become spectrograms.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from data_pipelines import fbank, sound
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.scenes import MODALITIES

FRAMES = 70
"""T of the published experiments on MultiSensor-Home."""
KEPT = "spectrograms"
"""What a view of an example that was opened has besides."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenes:
    """Sample all views of an example at the same frames.

    Attributes:
      modalities: what is made: "rgb" and, where wanted, "audio" and "human".
      frames: T of a clip.
      perturb: draw the frames of training clips; otherwise all clips are even ones, and
        what a teacher says of an example is the same in every epoch.
      size: height and width of the pictures in pixels; None leaves them as stored.
      rows: F of a spectrogram, windows of 25 ms every 10 ms: a chunk of 0.4 s has 38,
        the rest is padding.
      mel_bins: Q of a spectrogram.
      mean: of log-mel values, subtracted from them; other statistics are in `fbank`.
      deviation: of log-mel values; they are divided by twice as much.
    """

    modalities: tuple[str, ...]
    frames: int = FRAMES
    perturb: bool = True
    size: tuple[int, int] | None = None
    rows: int = 64
    mel_bins: int = 128
    mean: float = fbank.AUDIOSET["mean"]
    deviation: float = fbank.AUDIOSET["deviation"]

    def __post_init__(self):
        if min(self.frames, self.rows, self.mel_bins, *(self.size or (1,))) < 1:
            raise DataError(
                f"clips of {self.frames} frames, size {self.size}, with spectrograms of "
                f"{self.rows} by {self.mel_bins} are none"
            )
        if "rgb" not in self.modalities or not set(self.modalities) <= set(MODALITIES):
            raise DataError(
                f"scenes are made of rgb and some of {MODALITIES}, not "
                f"{list(self.modalities)}"
            )

    def __call__(self, example: Example) -> Example:
        """The clip of evenly spaced frames.

        Args:
          example: with `views`, a camera each, and `view_mask`.

        Returns:
          `key`; `rgb` uint8 [V T H W 3] and `present` float32 [V T], 0 for a camera
          that is missing; with "audio" also `audio` float32 [V T F Q], zeros where
          `audible` float32 [V T] is 0; with "human" also `visible` float32 [V T], how
          sure a detector is of a person; `labels` [K] and `frame_labels` [T K] where
          the example has labels.

        Raises:
          DataError: if a view lacks something, no view is there, or sound is too short.
        """
        return self._sampled(example, uniform(_length(example), self.frames))

    def draw(self, example: Example, rng: np.random.RandomState) -> Example:
        """A clip for training, of frames near the evenly spaced ones.

        Args:
          example: with `views`.
          rng: of this example and epoch.

        Returns:
          As `__call__`.

        Raises:
          DataError: as `__call__`.
        """
        if not self.perturb:
            return self(example)
        chosen = perturbed(_length(example), self.frames, rng)
        return self._sampled(example, chosen)

    def opened(self, example: Example) -> Example:
        """The example with what can be made once, whatever frames are drawn.

        Args:
          example: with `views`.

        Returns:
          The same, with the `sound.Spectrograms` of every view that has sound. Held in
          memory they are arrays, and drawing a clip makes none.
        """
        if "audio" not in self.modalities:
            return example

        def opened(view: Example) -> Example:
            sounds = len(view.get("audio", ())) > 0
            return {**view, KEPT: self._spectrograms(view)} if sounds else view

        made = {id(view): opened(view) for view in example["views"]}
        return {**example, "views": tuple(made[id(v)] for v in example["views"])}

    def _sampled(self, example: Example, chosen: np.ndarray) -> Example:
        mask = np.asarray(example["view_mask"], np.float32)
        views = [view if real else None for view, real in zip(example["views"], mask)]
        out = {"key": example["key"], "rgb": self._rgb(example, views, chosen)}
        out["present"] = np.repeat(mask[:, None], self.frames, axis=1)
        if "audio" in self.modalities:
            out |= self._sound(views, chosen)
        if "human" in self.modalities:
            nobody = np.zeros(self.frames, np.float32)
            seen = (_human(view, chosen) if view else nobody for view in views)
            out["visible"] = np.stack(list(seen))
        if "labels" in example:
            out["labels"] = np.asarray(example["labels"], np.float32)
        if "frame_labels" in example:
            whole = np.asarray(example["frame_labels"], np.float32)
            out["frame_labels"] = whole[chosen]
        return out

    def _rgb(
        self, example: Example, views: list[Example | None], chosen: np.ndarray
    ) -> np.ndarray:
        shown = [view and resized(view["rgb"][chosen], self.size) for view in views]
        shapes = {frames.shape for frames in shown if frames is not None}
        if len(shapes) > 1:
            raise DataError(
                f"the views of {example['key']} have rgb of the shapes {sorted(shapes)}"
            )
        missing = np.zeros(shapes.pop(), np.uint8)
        return np.stack([missing if frames is None else frames for frames in shown])

    def _sound(self, views: list[Example | None], chosen: np.ndarray) -> Example:
        heard = [view is not None and len(view.get("audio", ())) > 0 for view in views]
        silence = np.zeros((self.frames, self.rows, self.mel_bins), np.float32)
        made = [
            (view[KEPT] if KEPT in view else self._spectrograms(view))[chosen]
            if sounds
            else silence
            for view, sounds in zip(views, heard)
        ]
        audible = np.repeat(np.array(heard, np.float32)[:, None], self.frames, axis=1)
        return {"audio": np.stack(made), "audible": audible}

    def _spectrograms(self, view: Example) -> sound.Spectrograms:
        options = dict(
            rows=self.rows,
            mel_bins=self.mel_bins,
            mean=self.mean,
            deviation=self.deviation,
        )
        return sound.Spectrograms(view["key"], view["audio"], len(view["rgb"]), options)


def uniform(length: int, count: int) -> np.ndarray:
    r"""Evenly spaced frames.

    .. math:: i_k = \lfloor k L / T \rfloor

    Args:
      length: L, frames of the grid, at least 1.
      count: T.

    Returns:
      Indices [T] in 0..L-1, all of them once where there are as many.

    References:
      Nguyen et al., *MultiSensor-Home: A Wide-area Multi-modal Multi-view Dataset for
      Action Recognition and Transformer-based Sensor Fusion*, IEEE FG 2025.
    """
    return np.arange(count) * length // count


def bounds(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Between which frames each one of a training clip is drawn.

    .. math:: \lfloor k L / T \rfloor \le i_k \le \lfloor (k + 1) L / T \rfloor

    Both ends belong to it, as in the public code of MultiTSF, so that two neighbours
    may be one frame; the last one is drawn up to L - 1. With L = T nothing is drawn.

    Args:
      length: L, at least 1.
      count: T.

    Returns:
      The least and the greatest index of each, [T] and [T].
    """
    low = uniform(length, count)
    if length == count:
        return low, low
    return low, np.append(low[1:], length - 1)


def perturbed(length: int, count: int, rng: np.random.RandomState) -> np.ndarray:
    """Frames drawn near the evenly spaced ones, see `bounds`.

    Args:
      length: L, at least 1.
      count: T.
      rng: draws one `randint` for every frame that has a choice, in their order.

    Returns:
      Indices [T] in 0..L-1 that never fall.

    References:
      Nguyen et al., *MultiSensor-Home: A Wide-area Multi-modal Multi-view Dataset for
      Action Recognition and Transformer-based Sensor Fusion*, IEEE FG 2025.
    """
    low, high = bounds(length, count)
    return np.array(
        [a if a == b else rng.randint(a, b + 1) for a, b in zip(low, high)], int
    )


def resized(frames: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Pictures of another size, stretched or squeezed.

    Args:
      frames: uint8 [N H W 3].
      size: height and width in pixels; None leaves them as they are.

    Returns:
      Uint8 [N height width 3].
    """
    if size is None or frames.shape[1:3] == size:
        return frames
    height, width = size
    # One for all frames: its tables take longer to make than a frame to scale.
    scaler = VideoReformatter()
    made = []
    for frame in frames:
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))
        small = scaler.reformat(picture, width, height, interpolation="BILINEAR")
        made.append(small.to_ndarray())
    return np.stack(made)


def for_dataset(
    dataset: Dataset, *, modalities: Sequence[str] | None = None, **options
) -> Scenes:
    """How to sample a data set: all its modalities.

    Args:
      dataset: with examples of all cameras.
      modalities: where not all are wanted, such as for a student by itself, or where
        one must be there.
      **options: of `Scenes`.

    Returns:
      The transform; `Drawn` of it is for training, `Mapped` for evaluation.

    Raises:
      DataError: if a modality is asked for that the data set lacks.
    """
    wanted = dataset.modalities if modalities is None else tuple(modalities)
    if unknown := set(wanted) - set(dataset.modalities):
        raise DataError(f"{dataset.name} has no modality {min(unknown)!r} to sample")
    if options.get("size") is not None:
        options["size"] = tuple(options["size"])
    return Scenes(modalities=tuple(wanted), **options)


def described(scenes: Scenes) -> dict[str, Any]:
    """A transform as JSON can hold it.

    Args:
      scenes: the transform.

    Returns:
      Its attributes.
    """
    return dataclasses.asdict(scenes)


def restored(description: Mapping[str, Any], modalities: Sequence[str]) -> Scenes:
    """A transform from what `described` made of it.

    Args:
      description: its attributes.
      modalities: those that are to be sampled.

    Returns:
      The transform.
    """
    kept = tuple(name for name in description["modalities"] if name in modalities)
    size = description["size"] and tuple(description["size"])
    return Scenes(**{**description, "modalities": kept, "size": size})


def _length(example: Example) -> int:
    """Frames of the shortest view that is there."""
    lengths = []
    for view, real in zip(example["views"], example["view_mask"]):
        if real and not len(view.get("rgb", ())):
            raise DataError(f"{view['key']} has no rgb")
        if real:
            lengths.append(len(view["rgb"]))
    if not lengths:
        raise DataError(f"no view of {example['key']} is there")
    shortest = min(lengths)
    rows = len(example.get("frame_labels", range(shortest)))
    if rows != shortest:
        raise DataError(
            f"{example['key']} has labels of {rows} frames, but its shortest view "
            f"{shortest}"
        )
    return shortest


def _human(view: Example, chosen: np.ndarray) -> np.ndarray:
    if "human" not in view:
        raise DataError(f"{view['key']} has no person mask")
    return np.asarray(view["human"], np.float32)[chosen]
