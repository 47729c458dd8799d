"""Raw examples of several views to clips of one length, sampled on the host.

Only the frames of a clip are decoded or drawn: a modality is anything with a length that
gives the frames [T ...] at an array of indices.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.transforms import frames

LENGTHS = {"joints": 48, "rgb": 32, "depth": 32, "ir": 32, "skeleton": 48}
"""Frames a clip: of poses as PoseC3D, of video as is usual for I3D."""
ONE_VIEW = ("skeleton",)
"""Modalities that contracts keep for the main view alone."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clips:
    """Sample each modality of each view.

    A clip is drawn on the main view; its siblings give the frames at the same fractions
    of the performance, whatever their lengths. A view for which the main one stands in
    is a second clip of it, drawn by itself.

    Attributes:
      lengths: modality -> frames a clip.
      clips: of an evaluation, one after the other on the axis of frames.
      order: of the draws of fixed clips, see `frames.fixed`.
    """

    lengths: Mapping[str, int]
    clips: int = 1
    order: str = "pyskl"

    def __post_init__(self):
        if not self.lengths or min(*self.lengths.values(), self.clips) < 1:
            raise DataError(
                f"clips of {dict(self.lengths)} frames, {self.clips} of them, are none"
            )
        if self.order not in frames.ORDERS:
            raise DataError(f"order is one of {list(frames.ORDERS)}, not {self.order}")

    def __call__(self, example: Example) -> Example:
        """The fixed clips of one example.

        Args:
          example: with `views`, see `data_pipelines.views`.

        Returns:
          `key`, `label`, `view_ids`, `view_mask` and modality -> [V clips*T ...];
          `skeleton` [clips*T ...] is the main view's.

        Raises:
          DataError: if a view lacks a modality, or it is empty or not finite.
        """

        def choose(count: int, length: int) -> np.ndarray:
            chosen = frames.fixed(count, length, clips=self.clips, order=self.order)
            return chosen.ravel()

        return self._sampled(example, choose)

    def draw(self, example: Example, rng: np.random.RandomState) -> Example:
        """A random clip of one example, for training.

        Args:
          example: with `views`.
          rng: of this example and epoch.

        Returns:
          As `__call__`, with T frames a modality.

        Raises:
          DataError: if a view lacks a modality, or it is empty or not finite.
        """
        return self._sampled(
            example, lambda count, length: frames.uniform(count, length, rng)
        )

    def _sampled(self, example: Example, choose) -> Example:
        *siblings, main = example["views"]
        names = ("key", "label", "view_ids", "view_mask")
        out = {name: example[name] for name in names if name in example}
        for name, length in self.lengths.items():
            count = length_of(main, name)
            chosen = choose(count, length)
            if name in ONE_VIEW:
                out[name] = take(main, name, chosen)
                continue
            clips = []
            for sibling, real in zip(siblings, example["view_mask"]):
                if real:
                    same = frames.rescaled(chosen, count, length_of(sibling, name))
                    clips.append(take(sibling, name, same))
                else:
                    clips.append(take(main, name, choose(count, length)))
            out[name] = _stacked(main, name, [*clips, take(main, name, chosen)])
        return out


def for_dataset(
    dataset: Dataset, *, lengths: Mapping[str, int] | None = None, **options
) -> Clips:
    """How to sample a data set: all its modalities, each with its usual length.

    Args:
      dataset: with examples of several views.
      lengths: modality -> frames a clip, where they are to be others.
      **options: of `Clips`.

    Returns:
      The transform; `Drawn` of it is for training, `Mapped` for evaluation.

    Raises:
      DataError: if a length is given for a modality that the data set lacks.
    """
    if unknown := set(lengths or {}) - set(dataset.modalities):
        raise DataError(f"{dataset.name} has no modality {min(unknown)!r} to sample")
    usual = {name: LENGTHS[name] for name in dataset.modalities}
    return Clips(lengths={**usual, **(lengths or {})}, **options)


def described(clips: Clips) -> dict[str, Any]:
    """A transform as JSON can hold it.

    Args:
      clips: the transform.

    Returns:
      Its attributes.
    """
    return dataclasses.asdict(clips)


def restored(description: Mapping[str, Any], modalities: Sequence[str]) -> Clips:
    """A transform from what `described` made of it.

    Args:
      description: its attributes.
      modalities: those that are to be sampled.

    Returns:
      The transform.
    """
    lengths = {name: description["lengths"][name] for name in modalities}
    return Clips(**{**description, "lengths": lengths})


def length_of(example: Example, name: str) -> int:
    """The number of frames of one modality.

    Args:
      example: of one camera.
      name: of the modality.

    Returns:
      At least 1.

    Raises:
      DataError: if the example lacks it, or it is empty.
    """
    if name not in example:
        raise DataError(f"{example['key']} has no {name}")
    if not len(example[name]):
        raise DataError(f"the {name} of {example['key']} is empty")
    return len(example[name])


def take(example: Example, name: str, chosen: np.ndarray) -> np.ndarray:
    """Some frames of one modality.

    Args:
      example: of one camera.
      name: of the modality.
      chosen: their indices.

    Returns:
      The frames.

    Raises:
      DataError: if one has a value that is not finite.
    """
    values = example[name][chosen]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(
            f"the {name} of {example['key']} has values that are not finite"
        )
    return values


def _stacked(main: Example, name: str, clips: list[np.ndarray]) -> np.ndarray:
    shapes = {clip.shape for clip in clips}
    if len(shapes) > 1:
        raise DataError(
            f"the views of {main['key']} have {name} of the shapes {sorted(shapes)}"
        )
    return np.stack(clips)
