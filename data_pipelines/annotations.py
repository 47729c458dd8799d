"""Annotation files of pyskl and mmaction2: 2-D poses of many recordings in one pickle."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines import pickles, pose
from data_pipelines.dataset import Example, Row
from data_pipelines.errors import DataError

Annotations = Mapping[str, Mapping[str, Any]]
"""Name of a recording -> what the file says of it."""
TOPOLOGIES = {17: "coco", 25: "kinect_v2"}


def read(path: pathlib.Path) -> Annotations:
    """Read an annotation file.

    Args:
      path: of a pickle `{"split": ..., "annotations": [{"frame_dir", "label",
        "keypoint" [M T J 2], "keypoint_score" [M T J], ...}]}`. Its splits are not used.

    Returns:
      The annotations by `frame_dir`.

    Raises:
      DataError: if it is not such a file, asks for more than numbers (see `pickles`),
        names a recording twice or mixes numbers of joints.
    """
    content = pickles.read(path)
    entries = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: not a dict with a list of annotations")
    found: dict[str, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries):
        name = _checked(path, number, entry)
        if name in found:
            raise DataError(f"{path}: {name} is annotated twice")
        found[name] = entry
    counts = {entry["keypoint"].shape[2] for entry in found.values()}
    if len(counts) > 1 or not counts <= TOPOLOGIES.keys():
        raise DataError(f"{path}: poses of {sorted(counts)} joints, not of 17 or of 25")
    return found


def topology(found: Annotations) -> str:
    """The layout of the joints: "coco" of 17, "kinect_v2" of 25."""
    return TOPOLOGIES[next(iter(found.values()))["keypoint"].shape[2]]


def joints(entry: Mapping[str, Any]) -> np.ndarray:
    """The poses of one recording.

    Args:
      entry: of `read`.

    Returns:
      Float32 [T 2 J 3]: x and y in pixels, score; of more than two bodies those that
      move most.
    """
    score = entry["keypoint_score"][..., None]
    clip = np.concatenate([entry["keypoint"], score], axis=-1).astype(np.float32)
    return pose.most_moving(clip.transpose(1, 0, 2, 3))


@dataclasses.dataclass(frozen=True)
class Poses:
    """Examples that are poses alone.

    Attributes:
      annotations: of all recordings.
      names: key, label and subject of those that are the examples.
    """

    annotations: Annotations
    names: tuple[tuple[str, int, int], ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Example:
        row = Row(*self.names[index])
        return {**row._asdict(), "joints": joints(self.annotations[row.key])}

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return [Row(*name) for name in self.names]


@dataclasses.dataclass(frozen=True)
class Added:
    """Puts the annotated poses beside what an example has already."""

    annotations: Annotations

    def __call__(self, example: Example) -> Example:
        """The example with `joints` of the recording of its key."""
        return example | {"joints": joints(self.annotations[example["key"]])}


def _checked(path: pathlib.Path, number: int, entry: Any) -> str:
    """The name of an entry whose arrays fit together."""
    arrays = ("keypoint", "keypoint_score")
    if not isinstance(entry, dict) or not isinstance(entry.get("frame_dir"), str):
        raise DataError(f"{path}: annotation {number} has no frame_dir")
    name = entry["frame_dir"]
    if any(not isinstance(entry.get(array), np.ndarray) for array in arrays):
        raise DataError(f"{path}: {name} has no 2-D poses with scores")
    places, score = (entry[array] for array in arrays)
    if (
        places.ndim != 4
        or places.shape[-1] != 2
        or score.shape != places.shape[:-1]
        or {places.dtype.kind, score.dtype.kind} != {"f"}
    ):
        raise DataError(
            f"{path}: {name} has poses of shape {places.shape} and scores of "
            f"{score.shape}, not numbers [M T J 2] and [M T J]"
        )
    if not places.size:
        raise DataError(f"{path}: {name} has poses of shape {places.shape}: nobody")
    return name
