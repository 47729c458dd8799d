"""Raw examples of several modalities to the frames of equal segments, for TSN.

Modalities that were recorded together share what is drawn: their frames lie at the same
fractions of the performance, whatever their rates and lengths. Only those frames are
decoded or drawn.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.transforms import clips, frames


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segments:
    """Sample one frame of each segment of each modality of the main view.

    Attributes:
      names: modalities; the segments are drawn on the first.
      count: of the segments.
      short: what is made of fewer frames than segments, one of `frames.SHORT`.
      middle: show the middle frames in training as well: nothing is left to chance, and
        what a teacher says of an example is the same in every epoch.
    """

    names: tuple[str, ...]
    count: int = 8
    short: str = "spread"
    middle: bool = False

    def __post_init__(self):
        if self.count < 1 or not self.names:
            raise DataError(f"{self.count} segments of {list(self.names)} are none")
        if self.short not in frames.SHORT:
            raise DataError(f"short is one of {list(frames.SHORT)}, not {self.short}")

    def __call__(self, example: Example) -> Example:
        """The middle frames of the segments of one example.

        Args:
          example: with `views`, see `data_pipelines.views`.

        Returns:
          `key`, `label`, `view_ids`, `view_mask` and modality -> [1 S H W C].

        Raises:
          DataError: if the view lacks a modality, or it is empty.
        """
        return self._sampled(
            example, lambda count: frames.middles(count, self.count, short=self.short)
        )

    def draw(self, example: Example, rng: np.random.RandomState) -> Example:
        """Random frames of the segments of one example, for training.

        Args:
          example: with `views`.
          rng: of this example and epoch.

        Returns:
          As `__call__`.

        Raises:
          DataError: if the view lacks a modality, or it is empty.
        """
        if self.middle:
            return self(example)
        return self._sampled(
            example,
            lambda count: frames.segments(count, self.count, rng, short=self.short),
        )

    def _sampled(self, example: Example, choose) -> Example:
        main, fields = example["views"][-1], ("key", "label", "view_ids", "view_mask")
        out = {name: example[name] for name in fields if name in example}
        count = clips.length_of(main, self.names[0])
        chosen = choose(count) % count
        for name in self.names:
            same = frames.rescaled(chosen, count, clips.length_of(main, name))
            out[name] = clips.take(main, name, same)[None]
        return out


def for_dataset(
    dataset: Dataset, *, names: Sequence[str] | None = None, **options
) -> Segments:
    """How to sample a data set: all its modalities.

    Args:
      dataset: with examples of views, of which the main one is sampled.
      names: modalities, where not all are wanted.
      **options: of `Segments`.

    Returns:
      The transform; `Drawn` of it is for training, `Mapped` for evaluation.

    Raises:
      DataError: if a name is given that is no modality of the data set.
    """
    names = dataset.modalities if names is None else names
    if unknown := set(names) - set(dataset.modalities):
        raise DataError(f"{dataset.name} has no modality {min(unknown)!r} to sample")
    return Segments(names=tuple(names), **options)


def described(segments: Segments) -> dict[str, Any]:
    """A transform as JSON can hold it.

    Args:
      segments: the transform.

    Returns:
      Its attributes.
    """
    return dataclasses.asdict(segments)


def restored(description: Mapping[str, Any], modalities: Sequence[str]) -> Segments:
    """A transform from what `described` made of it.

    Args:
      description: its attributes.
      modalities: those that are to be sampled.

    Returns:
      The transform.
    """
    names = tuple(name for name in description["names"] if name in modalities)
    return Segments(**{**description, "names": names})
