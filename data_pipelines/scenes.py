"""Stored clips of several cameras and microphones to examples of many labels.

A clip is one record with the fields `rgb1`, `rgb2`, ... of its cameras and `audio1`,
`audio2`, ... of its microphones. An example has all cameras in the order of their
numbers, the same for every example; one that is missing keeps its place.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_pipelines import grid, people, sound, stored, tricks, video
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.sources import Mapped

MODALITIES = ("rgb", "audio", "human")
MISSING = ("drop", "mask", "error")
"""What is made of a training clip that lacks a camera."""


class Scene(NamedTuple):
    """What is known of a clip before it is decoded.

    Attributes:
      frames: camera -> frames of the stored grid, of the cameras that it has.
      labels: classes that occur, from 0, sorted.
      instances: class, start and end in seconds of every action; None where it is known
        what occurs, but not when.
    """

    frames: dict[int, int]
    labels: tuple[int, ...]
    instances: tuple[tuple[int, float, float], ...] | None


@dataclasses.dataclass(frozen=True)
class Strided:
    """Every n-th frame of a video that decodes what it is asked for.

    Attributes:
      frames: the video.
      step: n.
    """

    frames: Any
    step: int

    def __len__(self) -> int:
        return len(range(0, len(self.frames), self.step))

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H W 3]."""
        return self.frames[np.asarray(indices) * self.step]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assembled:
    """Makes an example of all cameras out of the fields of a clip.

    Attributes:
      known: key -> what is known of the clip.
      classes: K, how many there are.
      microphones: camera -> the microphones whose sounds are averaged for it; the
        cameras are the views of every example, in this order.
      masks: key -> confidence of a person, float32 [V L] on the stored grid; none where
        nothing is known of persons.
      step: every how many frames of the stored grid an example has one.
    """

    known: Mapping[str, Scene]
    classes: int
    microphones: Mapping[int, tuple[int, ...]]
    masks: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    step: int = 1

    def __call__(self, example: Example) -> Example:
        """The example with `labels`, `views`, `view_ids` and `view_mask`.

        `frame_labels` [L K] is there where it is known when its actions occur; L is the
        length of the shortest view.
        """
        scene = self.known[example["key"]]
        cameras = tuple(self.microphones)
        out = {name: example[name] for name in ("key", "label", "subject")}
        out["labels"] = tricks.multi_hot(scene.labels, self.classes)
        if scene.instances is not None:
            out["frame_labels"] = tricks.grid_labels(
                scene.instances,
                length=-(-min(scene.frames.values()) // self.step),
                count=self.classes,
                rate=grid.RATE / self.step,
            )
        views = (self._view(example, scene, place) for place in range(len(cameras)))
        out["views"] = tuple(views)
        out["view_ids"] = np.array(cameras, np.int32)
        out["view_mask"] = np.array([c in scene.frames for c in cameras], np.float32)
        return out

    def _view(self, example: Example, scene: Scene, place: int) -> Example:
        camera, heard = list(self.microphones.items())[place]
        view: Example = {"key": f"{example['key']}_c{camera}"}
        if camera not in scene.frames:
            return view
        if f"rgb{camera}" in example:
            shown = example[f"rgb{camera}"]
            view["rgb"] = shown if self.step == 1 else Strided(shown, self.step)
        wave = mixed([example.get(f"audio{number}", ()) for number in heard])
        if len(wave):
            view["audio"] = wave
        if example["key"] in self.masks:
            view["human"] = self.masks[example["key"]][place, :: self.step]
        return view


def mixed(tracks: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of some sound tracks.

    Args:
      tracks: int16 [samples]; those without samples do not count, of longer ones the
        end is cut.

    Returns:
      Float32 [samples] in [-1, 1).
    """
    heard = [sound.from_steps(track) for track in tracks if len(track)]
    if not heard:
        return np.zeros(0, np.float32)
    shortest = min(map(len, heard))
    return np.mean([wave[:shortest] for wave in heard], axis=0, dtype=np.float32)


def check_modalities(dataset: str, modalities: Sequence[str]) -> None:
    """Refuse what no clip has, or an example without pictures.

    Args:
      dataset: its name.
      modalities: that are asked for.

    Raises:
      DataError: if "rgb" is not among them, or another than those of `MODALITIES`.
    """
    if "rgb" not in modalities or not set(modalities) <= set(MODALITIES):
        raise DataError(
            f"{dataset} has rgb and, if asked for, audio and human, not "
            f"{list(modalities)}"
        )


def usable(
    dataset: str,
    entries: Sequence[stored.Entry],
    cameras: Sequence[int],
    train: Callable[[stored.Entry], bool],
    *,
    missing_views: str,
    strict: bool,
) -> list[stored.Entry]:
    """The clips that can be used, by the cameras that they have.

    Args:
      dataset: its name.
      entries: of the index, each with `frames`.
      cameras: of a whole clip.
      train: whether a clip is one to train on.
      missing_views: what is made of a training clip that lacks a camera: "drop" leaves
        it out, "mask" keeps it and says so in `view_mask`, "error" stops.
      strict: stop at a test clip that lacks a camera, whose result would be another;
        otherwise it is left out.

    Returns:
      Those clips, in their order.

    Raises:
      DataError: on an unknown policy, or a clip that must not lack a camera.
    """
    if missing_views not in MISSING:
        raise DataError(f"missing_views is one of {MISSING}, not {missing_views!r}")
    chosen = []
    for entry in entries:
        lacking = [c for c in cameras if str(c) not in entry["frames"]]
        stops = missing_views == "error" if train(entry) else strict
        if lacking and stops:
            side = "training" if train(entry) else "test"
            raise DataError(
                f"{dataset}: the {side} clip {entry['key']} lacks camera "
                f"{', '.join(map(str, lacking))}; {_way_out(train(entry))}"
            )
        if not lacking or (train(entry) and missing_views == "mask"):
            chosen.append(entry)
    return chosen


def assembled(dataset: Dataset, function: Assembled) -> Dataset:
    """The same splits, of examples of all cameras.

    Args:
      dataset: of stored clips.
      function: makes the examples.

    Returns:
      The data set with every split mapped.
    """
    splits = {name: Mapped(source, function) for name, source in dataset.splits.items()}
    return dataset._replace(splits=splits)


def decoded(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Fields of a camera that was just read, as `stored.Records` gives them.

    Args:
      arrays: stored fields.

    Returns:
      Videos that decode what they are asked for, and sound.
    """
    ends = {name for name in arrays if name.endswith("_ends")}
    return {
        name: video.frames(name, arrays) if f"{name}_ends" in ends else values
        for name, values in arrays.items()
        if name not in ends
    }


def fields(
    modalities: Sequence[str], cameras: Sequence[int], microphones: Sequence[int]
) -> dict[str, str]:
    """The stored fields that examples are made of.

    Args:
      modalities: that are asked for.
      cameras: their numbers.
      microphones: their numbers.

    Returns:
      Each field under its own name, as `stored.Records` has them.
    """
    names = [f"rgb{camera}" for camera in cameras]
    if "audio" in modalities:
        names += [f"audio{number}" for number in microphones]
    return {name: name for name in names}


def masks(
    built: stored.Stored,
    folder: str | None,
    scenes: Mapping[str, Scene],
    cameras: Sequence[int],
) -> dict[str, np.ndarray]:
    """The person masks of all clips.

    Args:
      built: the prepared data set.
      folder: with a file a clip, see `people.read`, in the data set's own folder of the
        prepared data unless it is an absolute path; None for no masks.
      scenes: key -> what is known of the clip.
      cameras: of a whole clip.

    Returns:
      key -> confidence float32 [V L].

    Raises:
      DataError: if a file is missing, or not of the clip's shape.
    """
    if folder is None:
        return {}
    found = pathlib.Path(built.folder).parent / pathlib.Path(folder).expanduser()
    if not found.is_dir():
        raise DataError(
            f"{found}: there is no such folder of person masks; python -m "
            f"data_pipelines.people --dataset={built.name} --raw_dir=RAW_FOLDER "
            f"--detector=FILE.onnx --out={found} writes them"
        )
    return {
        key: people.read(
            found / f"{key}.npz", (len(cameras), min(scene.frames.values()))
        )
        for key, scene in scenes.items()
    }


def _way_out(train: bool) -> str:
    if train:
        return 'missing_views="drop" leaves it out, "mask" keeps it'
    return "strict=False leaves it out"
