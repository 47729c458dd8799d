"""A data set that is not here: black pictures and still bodies of its shapes.

For programs to be built and measured for a data set before it is prepared. Every example
of a split is the same; nothing can be learnt from it. Classes, modalities and sizes are
those that the data set's own module gives after ``python -m data_pipelines.prepare`` with
its default ``--short_side``, for recordings in the official layout.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from data_pipelines import fbank, grid
from data_pipelines.dataset import Dataset, Example, Row
from data_pipelines.datasets import (
    berkeley_mhad,
    mmact,
    multisensor_home,
    ntu,
    ntu_infrared,
    nw_ucla,
    pku_mmd,
    utd_mhad,
)
from data_pipelines.errors import DataError

FRAMES = 128
"""Of a recording, as many as any; clips are sampled from them."""
COUNTLESS = 100_000
"""Training examples of data sets that are not counted here, more than any batch. The
number decides how long a schedule of learning rates is, and nothing else of a step."""
COLOUR, INFRARED = (256, 456, 3), (256, 310, 1)
"""Stored frames of 1920 by 1080 and of 512 by 424 pixels."""
PKU_ACTIONS = {"csub": 18_841, "cview": 14_357}
"""Training actions of phase 1, as papers count them."""
HOME_CLASSES = 16
"""Of the first home; the second has a list of its own, which its labels tell."""


class Outline(NamedTuple):
    """What is known of a data set without having it.

    Attributes:
      classes: one name a label.
      topology: of its joints.
      fields: modality -> what a view of an example has of it; of data without views,
        what an example has.
      train: number of training examples.
      views: of a training example; 0 where examples have no views.
      scene: whether views belong together at the test as well, and examples show
        several classes at once.
    """

    classes: tuple[str, ...]
    topology: str
    fields: dict[str, np.ndarray]
    train: int
    views: int = 0
    scene: bool = False


class Same:
    """One example, as often as a split has examples."""

    def __init__(self, example: Example, count: int):
        """Keep it.

        Args:
          example: raw.
          count: of the split.
        """
        self._example, self._count = example, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        return self._example

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        known = Row(*(self._example[name] for name in Row._fields))
        return [known] * self._count


def _blank(*shape: int, dtype: type = np.float32) -> np.ndarray:
    # One value seen many times: videos would be large.
    return np.broadcast_to(np.zeros((), dtype), shape)


def _bodies(persons: int, joints: int) -> np.ndarray:
    return _blank(FRAMES, persons, joints, 3)


def _video(*frame: int) -> np.ndarray:
    return _blank(FRAMES, *frame, dtype=np.uint8)


def _ntu(*, protocol: str, annotations: str = "", views: int, **_: Any) -> Outline:
    joints, topology = (17, "coco") if annotations else (25, ntu.TOPOLOGY)
    fields = {
        "joints": _bodies(2, joints),
        "skeleton": _bodies(2, 25),
        "rgb": _video(*COLOUR),
    }
    classes = ntu.CLASSES[: 60 if protocol.startswith("ntu60") else 120]
    return Outline(classes, topology, fields, ntu.SIZES[protocol][0], views)


def _pairs(
    classes: tuple[str, ...], train: Mapping[str, int]
) -> Callable[..., Outline]:
    def outline(*, protocol: str, **_: Any) -> Outline:
        fields = {"rgb": _video(*COLOUR), "ir": _video(*INFRARED)}
        return Outline(tuple(classes), "kinect_v2", fields, train[protocol], 1)

    return outline


def _utd_mhad(
    *,
    protocol: str,
    views: int = 1,
    modalities: tuple[str, ...] = utd_mhad.REQUIRED,
    **_: Any,
) -> Outline:
    worn = set(modalities) <= set(utd_mhad.REQUIRED)
    fields = {
        "skeleton": _bodies(1, 20),
        "joints": _bodies(1, 20),
        "inertial": _blank(FRAMES, 6),
        "depth": _video(60, 80, 1),
        "ir": _video(15, 20, 1),
    }
    train = utd_mhad.SIZES[protocol][0]
    views = 0 if worn else views
    return Outline(utd_mhad.CLASSES, utd_mhad.TOPOLOGY, fields, train, views)


def _nw_ucla(
    *, protocol: str, views: int, size: tuple[int, int] = (48, 48), **_: Any
) -> Outline:
    fields = {"joints": _bodies(1, 20), "depth": _video(*size, 1)}
    train = nw_ucla.SIZES[protocol][0]
    return Outline(nw_ucla.CLASSES, nw_ucla.TOPOLOGY, fields, train, views)


def _berkeley_mhad(*, protocol: str, **_: Any) -> Outline:
    fields = {"inertial": _blank(FRAMES, 3)}
    train = berkeley_mhad.SIZES[protocol][0][0]
    return Outline(berkeley_mhad.CLASSES, "none", fields, train)


def _mmact(
    *, modalities: tuple[str, ...] = ("skeleton", "inertial"), **_: Any
) -> Outline:
    every = {"skeleton": _bodies(2, 17), "inertial": _blank(FRAMES, 3)}
    fields = {name: every[name] for name in modalities}
    return Outline(mmact.CLASSES, "coco", fields, COUNTLESS)


def _home(**_: Any) -> Outline:
    samples = round(fbank.RATE / grid.RATE) * FRAMES
    fields = {
        "rgb": _video(grid.SIDE, grid.SIDE, 3),
        "audio": _blank(samples),
        "human": _blank(FRAMES),
    }
    classes = tuple(f"action {number}" for number in range(1, HOME_CLASSES + 1))
    topology, views = multisensor_home.TOPOLOGY, multisensor_home.VIEWS
    return Outline(classes, topology, fields, COUNTLESS, views, scene=True)


OUTLINES: dict[str, Callable[..., Outline]] = {
    "berkeley_mhad": _berkeley_mhad,
    "mmact": _mmact,
    "multisensor_home": _home,
    "multisensor_home2": _home,
    "ntu": _ntu,
    "ntu_infrared": _pairs(
        ntu_infrared.CLASSES, {k: n for k, (n, _) in ntu_infrared.SIZES.items()}
    ),
    "nw_ucla": _nw_ucla,
    "pku_mmd": _pairs(pku_mmd.CLASSES, PKU_ACTIONS),
    "utd_mhad": _utd_mhad,
}
"""By data set, from the options of its ``load``."""


def load(*, of: str, **options: Any) -> Dataset:
    """The outline of a data set.

    Args:
      of: name of the data set.
      **options: of its own `load`.

    Returns:
      Splits "train" and "test" of examples like its own, all of them blank.

    Raises:
      DataError: if it has no outline, or no such protocol or modality.
      TypeError: if its `load` does not know an option.
    """
    if of not in OUTLINES:
        raise DataError(f"there is no outline of {of!r}, only of {', '.join(OUTLINES)}")
    module = importlib.import_module(f"data_pipelines.datasets.{of}")
    inspect.signature(module.load).bind(**options)
    try:
        outline = OUTLINES[of](**options)
    except KeyError as error:
        raise DataError(f"{of} has no {error.args[0]!r}") from error
    wanted = tuple(options.get("modalities", _modalities(of, outline)))
    if unknown := set(wanted) - set(outline.fields):
        raise DataError(f"{of} has no modality {min(unknown)!r}")
    fields = {name: outline.fields[name] for name in wanted}
    splits = {
        "train": Same(_example(outline, fields, max(outline.views, 1)), outline.train),
        "test": Same(
            _example(outline, fields, outline.views if outline.scene else 1), 1
        ),
    }
    return Dataset(of, outline.classes, splits, outline.topology, wanted)


def _modalities(of: str, outline: Outline) -> tuple[str, ...]:
    """Those of the data set's `load` by default."""
    module = importlib.import_module(f"data_pipelines.datasets.{of}")
    known = inspect.signature(module.load).parameters
    return known["modalities"].default if "modalities" in known else (*outline.fields,)


def _example(outline: Outline, fields: dict[str, np.ndarray], views: int) -> Example:
    label = (0,) if outline.scene else 0
    row = {"key": "outline", "label": label, "subject": 1}
    if not outline.views:
        return row | fields
    seen = {
        "views": (row | fields,) * views,
        "view_ids": np.arange(1, views + 1, dtype=np.int32),
        "view_mask": np.ones(views, np.float32),
    }
    if outline.scene:
        classes = len(outline.classes)
        seen |= {"labels": _blank(classes), "frame_labels": _blank(FRAMES, classes)}
    return row | seen
