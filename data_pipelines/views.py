"""Recordings of single cameras to examples of several synchronised views.

The views of one performance are found by key. The main view, which a teacher sees and
which is tested, is the last one.
"""

import collections
import dataclasses
from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from data_pipelines.dataset import Dataset, Example, Row, Source, rows
from data_pipelines.errors import DataError

MAIN_VIEWS = ("each", "fixed_last")


class Place(NamedTuple):
    """What the key of a recording says.

    Attributes:
      performance: the same for all cameras that saw it.
      camera: as numbered by the data set.
    """

    performance: str
    camera: int


@dataclasses.dataclass(frozen=True)
class Views:
    """Examples of several views, made of recordings of one camera each.

    Attributes:
      source: recordings of one camera.
      members: of each example, the recordings of its views, the main one last; where
        the main one stands before too, it fills the place of a view that is missing.
      cameras: of each example, the camera of each view.
    """

    source: Source
    members: tuple[tuple[int, ...], ...]
    cameras: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Example:
        chosen = self.members[index]
        read = {i: self.source[i] for i in sorted(set(chosen))}
        main = read[chosen[-1]]
        real = [*(i != chosen[-1] for i in chosen[:-1]), True]
        return {
            **{name: main[name] for name in Row._fields if name in main},
            "views": tuple(read[i] for i in chosen),
            "view_ids": np.array(self.cameras[index], np.int32),
            "view_mask": np.array(real, np.float32),
        }

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of the main view of every example."""
        every = rows(self.source)
        return [every[chosen[-1]] for chosen in self.members]


def group(
    source: Source,
    place: Callable[[str], Place],
    *,
    views: int,
    main_view: str = "each",
) -> Views:
    """Group recordings by performance.

    Args:
      source: recordings of one camera, those that the protocol allows.
      place: key -> performance and camera.
      views: V of every example. Where a performance has fewer, the main view stands in
        for those that are missing, with 0 in `view_mask`; where it has more, the first
        others are taken.
      main_view: "each" recording is the main view of an example; "fixed_last" gives one
        example a performance, its main view the camera of the highest number.

    Returns:
      Examples with `views`, a tuple of V raw examples, `view_ids` int32 [V], the camera
      of each, and `view_mask` float32 [V], 0 where the main view stands in.

    Raises:
      DataError: on an unknown option, or two recordings of one camera.
    """
    if main_view not in MAIN_VIEWS:
        raise DataError(f"main_view is each or fixed_last, not {main_view!r}")
    if views < 1:
        raise DataError(f"an example has at least 1 view, not {views}")
    every = rows(source)
    performances = _performances(every, place)
    if main_view == "each":
        mains = range(len(every))
    else:
        # The order of `each`, so that a seed shuffles both alike.
        mains = sorted(by[max(by)] for by in performances.values())
    members, cameras = [], []
    for main in mains:
        name, camera = place(every[main].key)
        others = [c for c in sorted(performances[name]) if c != camera][: views - 1]
        # What stands in comes first: siblings keep the place next to the main view.
        ids = [camera] * (views - 1 - len(others)) + others + [camera]
        cameras.append(tuple(ids))
        members.append(tuple(performances[name][c] for c in ids))
    return Views(source, tuple(members), tuple(cameras))


def grouped(
    dataset: Dataset,
    place: Callable[[str], Place],
    *,
    views: int,
    main_view: str,
) -> Dataset:
    """Train on several views and evaluate on every recording by itself.

    Args:
      dataset: splits of recordings of one camera.
      place: key -> performance and camera.
      views: V of the training split; the others have one.
      main_view: of the training split, see `group`.

    Returns:
      The same splits of examples with `views`, `view_ids` and `view_mask`.

    Raises:
      DataError: on an unknown option, or two recordings of one camera.
    """
    own = {"train": {"views": views, "main_view": main_view}}
    splits = {
        name: group(source, place, **own.get(name, {"views": 1}))
        for name, source in dataset.splits.items()
    }
    return dataset._replace(splits=splits)


def alone(example: Example, *, camera: int = 0) -> Example:
    """An example of one view, such as a recording for prediction.

    Args:
      example: a raw example of one camera.
      camera: its number.

    Returns:
      The example as `Views` would give it.
    """
    return {
        **{name: example[name] for name in Row._fields if name in example},
        "views": (example,),
        "view_ids": np.array([camera], np.int32),
        "view_mask": np.ones(1, np.float32),
    }


def _performances(
    every: Collection[Row], place: Callable[[str], Place]
) -> dict[str, dict[int, int]]:
    """Performance -> camera -> recording."""
    found: dict[str, dict[int, int]] = collections.defaultdict(dict)
    for index, row in enumerate(every):
        name, camera = place(row.key)
        if camera in found[name]:
            raise DataError(f"{row.key}: a second recording of camera {camera}")
        found[name][camera] = index
    return found
