"""MM-Office: work in an office, four cameras and eight microphones, 12 events.

Raw layout of `MM_Office_Dataset`: `video/{train,test}/split0_id02_s05_recid010_0.mp4`
and `audio/{train,test}/....wav`, split, sensor, scene, recording and half of it; in
`label/trainlabel` the tables `recinfo.csv` and `eventinfo.csv`, which say what happens
in a half; in `label/testlabel` a table a test clip, `recid008.csv`, with the events and
their times. Test recordings need not be halved. Times are taken for seconds, as
MultiASL's list of the same events has them; where they count something else, say so
when loading.

Training clips have weak labels: what happens, but not when. Frames at 2.5 a second and
sound are stored as those of `multisensor_home`, each microphone by itself.

References:
  Yasuda, Ohishi, Saito and Harada, *Multi-view and Multi-modal Event Detection
  Utilizing Transformer-based Multi-sensor Fusion*, ICASSP 2022, arXiv:2202.09124,
  https://github.com/nttrd-mdlab/mm-office.
  Nguyen, Kawanishi, Komamizu and Ide, *Action Selection Learning for Multilabel
  Multiview Action Recognition*, ACM Multimedia Asia 2024, arXiv:2410.03302.
"""

import pathlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from data_pipelines import builder, grid, office_files, raw, scenes, sound, stored
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.office_files import CAMERAS, CLASSES, MICROPHONES

TOPOLOGY = "coco"
SIZES = {"official": ((704, 88), (704, 176)), "multiasl": ((492, 212),)}
"""Protocol -> clips to train on and to test on; test recordings whole, or halved."""


def read(
    modality: str, path: pathlib.Path, *, short_side: int = grid.SIDE
) -> raw.Reading:
    """Read the file of one sensor.

    Args:
      modality: "cam0" to "cam3" or "mic0" to "mic7".
      path: of an `.mp4` or a `.wav` file.
      short_side: of the stored squares in pixels, see `grid.read`.

    Returns:
      `rgb0` and `rgb0_ends`, see `grid.read`, or `audio0`, see `sound.read`.

    Raises:
      DataError: if the file cannot be read.
    """
    if modality.startswith("mic"):
        return sound.read(path, f"audio{modality.removeprefix('mic')}")
    return grid.read(path, f"rgb{modality.removeprefix('cam')}", side=short_side)


LAYOUT = raw.Layout(
    name="mm_office",
    fields={
        **{f"cam{n}": {f"rgb{n}": (None,), f"rgb{n}_ends": (None,)} for n in CAMERAS},
        **{f"mic{n}": {f"audio{n}": (None,)} for n in MICROPHONES},
    },
    required=(),
    find=office_files.find,
    read=read,
    dtypes={
        **{f"rgb{n}": np.uint8 for n in CAMERAS},
        **{f"rgb{n}_ends": np.int64 for n in CAMERAS},
        **{f"audio{n}": np.int16 for n in MICROPHONES},
    },
    parts=office_files.parts,
    short_side=grid.SIDE,
)


class Builder(builder.RecordingsBuilder):
    """Builds MM-Office into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "official",
    modalities: tuple[str, ...] = ("rgb", "audio"),
    microphones: Sequence[Sequence[int]] | None = None,
    human: str | None = None,
    step: int = 1,
    time_unit: float = 1.0,
    missing_views: str = "drop",
    holdout: Collection[int] = (),
    strict: bool = True,
) -> Dataset:
    """Load the prepared clips.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "official" tests on the clips of the folder `test`, "multiasl" splits
        those of the folder `train` by the lists of its public code.
      modalities: "rgb" and, where wanted, "audio" and "human".
      microphones: of each camera, those whose mean is its sound. Which are near a
        camera is published as a drawing alone: by default every camera has the mean of
        all.
      human: folder of person masks, see `scenes.masks`, needed for "human".
      step: 2 takes every second frame, one each 0.8 s, as the public loader.
      time_unit: of the test labels, in seconds; 1/30 for frames of the video.
      missing_views: what is made of a training clip that lacks a camera, see
        `scenes.usable`. Test clips have all of them.
      holdout: numbers of training recordings for a split "val".
      strict: refuse a split of other than the published size.

    Returns:
      Splits of examples with four `views`, see `multisensor_home.load`; `frame_labels`
      are there in the official test split alone. The `subject` is the number of the
      recording.

    Raises:
      DataError: on an unknown option, or if it is not prepared, or lacks clips or
      masks.
    """
    scenes.check_modalities(LAYOUT.name, modalities)
    if "human" in modalities and human is None:
        raise DataError("mm_office: the modality human needs a folder of masks, human=")
    _check(protocol, step, time_unit)
    heard = _microphones(microphones)
    built = stored.open_built(LAYOUT.name, data_dir)
    side = "side" if protocol == "official" else "list"
    entries = scenes.usable(
        LAYOUT.name,
        [entry for entry in built.index if entry[side]],
        CAMERAS,
        lambda entry: entry[side] == "train",
        missing_views=missing_views,
        strict=strict,
    )
    dataset = stored.split(
        built,
        entries,
        [entry[side] == "train" for entry in entries],
        classes=CLASSES,
        topology=TOPOLOGY,
        fields=scenes.fields(modalities, CAMERAS, MICROPHONES),
        sizes=SIZES[protocol] if strict else (),
        holdout=holdout,
    )
    known = {entry["key"]: _scene(entry, time_unit) for entry in entries}
    function = scenes.Assembled(
        known=known,
        classes=len(CLASSES),
        microphones=heard,
        masks=scenes.masks(
            built, human if "human" in modalities else None, known, CAMERAS
        ),
        step=step,
    )
    return scenes.assembled(dataset._replace(modalities=tuple(modalities)), function)


def videos(
    raw_dir: pathlib.Path,
) -> tuple[dict[str, dict[int, pathlib.Path]], tuple[int, ...]]:
    """The videos of all clips, for `people`.

    Args:
      raw_dir: folder of the official distribution.

    Returns:
      key -> camera -> its video, of those that are there, and all cameras.

    Raises:
      DataError: as `office_files.find`.
    """
    clips = {
        recording.key: {
            n: recording.paths[f"cam{n}"]
            for n in CAMERAS
            if f"cam{n}" in recording.paths
        }
        for recording in office_files.find(raw_dir).recordings
    }
    return clips, tuple(CAMERAS)


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one clip for prediction, with the mean of its microphones as its sound.

    Args:
      paths: its `.mp4` and `.wav` files, under names as the official ones.

    Returns:
      The raw example without labels; views of cameras that are not among the files are
      marked as missing.

    Raises:
      DataError: if the files do not belong together.
    """
    example: Example = {"label": (), "subject": -1}
    for path in map(pathlib.Path, paths):
        key, modality = office_files.modality(path)
        if example.setdefault("key", str(key)) != str(key):
            raise DataError(f"{path} is not of the clip {example['key']}")
        example |= scenes.decoded(read(modality, path).arrays)
    frames = {n: len(example[f"rgb{n}"]) for n in CAMERAS if f"rgb{n}" in example}
    if not frames:
        raise DataError("mm_office: a clip is an .mp4 file at least")
    made = scenes.Assembled(
        known={example["key"]: scenes.Scene(frames, (), None)},
        classes=0,
        microphones=_microphones(None),
    )(example)
    return {name: made[name] for name in ("key", "views", "view_ids", "view_mask")}


def _check(protocol: str, step: int, time_unit: float) -> None:
    if protocol not in SIZES:
        raise DataError(
            f"mm_office has the protocols {sorted(SIZES)}, not {protocol!r}"
        )
    if step < 1 or not 0 < time_unit < np.inf:
        raise DataError(f"mm_office: step={step} and time_unit={time_unit:g} are none")


def _microphones(chosen: Sequence[Sequence[int]] | None) -> Mapping[int, tuple]:
    """Camera -> its microphones."""
    if chosen is None:
        return {camera: tuple(MICROPHONES) for camera in CAMERAS}
    numbers = {number for own in chosen for number in own}
    if len(chosen) != len(CAMERAS) or not numbers <= set(MICROPHONES):
        raise DataError(
            f"mm_office: microphones={list(map(list, chosen))} are not numbers of 0 to "
            f"{MICROPHONES[-1]} for each of {len(CAMERAS)} cameras"
        )
    return {camera: tuple(own) for camera, own in zip(CAMERAS, chosen)}


def _scene(entry: stored.Entry, time_unit: float) -> scenes.Scene:
    instances = entry["instances"]
    return scenes.Scene(
        {int(camera): count for camera, count in entry["frames"].items()},
        tuple(entry["label"]),
        instances
        and tuple((int(k), time_unit * s, time_unit * e) for k, s, e in instances),
    )
