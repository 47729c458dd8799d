"""MultiSensor-Home: daily life in a home, five cameras with microphones, 16 actions.

Raw layout: `01/00-View1-Part1.mp4`, session, recording, camera and part, 320 by 240
with a sound track inside; `all_labels.json`, `train.json` and `test.json`, lists of
clips with the start, the end and the name of every action (`data_pipelines.tricks`).
The names are read from the labels. Untrimmed clips of about a minute show several
actions, some at the same time.

Of each video the frames at 2.5 a second are stored, as squares, and the sound as one
channel of 16 kHz. Person masks are files of their own (`data_pipelines.people`).

Each home has its own classes, its own split and its own networks. The second one is
`multisensor_home2`, the same layout under a name of its own; recordings of one's own in
this layout, of up to eight cameras, are read as well.

References:
  Nguyen, Kawanishi, John, Komamizu and Ide, *MultiSensor-Home: A Wide-area Multi-modal
  Multi-view Dataset for Action Recognition and Transformer-based Sensor Fusion*, IEEE
  FG 2025, https://github.com/thanhhff/MultiSensorHome.
"""

import pathlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from data_pipelines import (
    builder,
    fbank,
    grid,
    raw,
    scenes,
    sound,
    stored,
    stratify,
    tricks,
)
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.multisensor_files import CAMERAS, find, labels, parts

TOPOLOGY = "coco"
PROTOCOLS = ("auto", "official", "stratified")
VIEWS = 5
"""Cameras of the published homes."""


def read(
    modality: str, path: pathlib.Path, *, short_side: int = grid.SIDE
) -> raw.Reading:
    """Read the video of one camera.

    Args:
      modality: "view1" and so on.
      path: of an `.mp4` file.
      short_side: of the stored squares in pixels, see `grid.read`.

    Returns:
      `rgb1` and `rgb1_ends`, see `grid.read`, and `audio1`, see `sound.read`. Sound
      that is damaged or too short to be cut into frames is left out, which is noted.

    Raises:
      DataError: if the video cannot be read.
    """
    number = modality.removeprefix("view")
    seen = grid.read(path, f"rgb{number}", side=short_side)
    name, frames = f"audio{number}", len(seen.arrays[f"rgb{number}_ends"])
    try:
        heard = sound.read(path, name)
    except DataError as error:
        heard = raw.Reading({name: np.zeros(0, np.int16)}, (f"no sound ({error})",))
    samples = len(heard.arrays[name])
    if 0 < samples < fbank.WINDOW * frames:
        note = f"its sound of {samples / fbank.RATE:g} s is too short and left out"
        heard = raw.Reading({name: np.zeros(0, np.int16)}, (note,))
    return raw.Reading({**seen.arrays, **heard.arrays}, (*seen.notes, *heard.notes))


LAYOUT = raw.Layout(
    name="multisensor_home",
    fields={
        f"view{n}": {f"rgb{n}": (None,), f"rgb{n}_ends": (None,), f"audio{n}": (None,)}
        for n in CAMERAS
    },
    required=(),
    find=find,
    read=read,
    dtypes={
        name: kind
        for n in CAMERAS
        for name, kind in (
            (f"rgb{n}", np.uint8),
            (f"rgb{n}_ends", np.int64),
            (f"audio{n}", np.int16),
        )
    },
    parts=parts,
    short_side=grid.SIDE,
)


class Builder(builder.RecordingsBuilder):
    """Builds MultiSensor-Home into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "auto",
    modalities: tuple[str, ...] = ("rgb", "audio"),
    human: str | None = None,
    missing_views: str = "drop",
    holdout: Collection[int] = (),
    strict: bool = True,
    seed: int = 0,
    name: str = LAYOUT.name,
) -> Dataset:
    """Load the prepared clips of one home.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "official" is the split of `train.json` and `test.json`; "stratified"
        draws seven of ten clips to train on, see `stratify.split`; "auto" is the
        official one where there is one.
      modalities: "rgb" and, where wanted, "audio" and "human".
      human: folder of person masks, see `scenes.masks`, needed for "human".
      missing_views: what is made of a training clip that lacks a camera, see
        `scenes.usable`. Test clips have all of them.
      holdout: sessions whose training clips become a split "val".
      strict: refuse a split that lacks a clip which the split files list.
      seed: of the stratified split.
      name: of the prepared data set.

    Returns:
      Splits of examples with `views` in the order of the cameras: `rgb`, frames uint8
      [L H W 3], `audio` float32 [samples] where there is sound, `human` float32 [L];
      and `labels` float32 [K], `frame_labels` float32 [L K]. The `subject` is the
      session.

    Raises:
      DataError: if it is not prepared, lacks masks, or splits are not what they should
        be.
    """
    scenes.check_modalities(name, modalities)
    if "human" in modalities and human is None:
        raise DataError(f"{name}: the modality human needs a folder of masks, human=")
    built = stored.open_built(name, data_dir)
    first = built.index[0]
    train = _training(built, protocol, seed)
    entries = scenes.usable(
        name,
        built.index,
        first["cameras"],
        lambda entry: train[entry["key"]],
        missing_views=missing_views,
        strict=strict,
    )
    official = protocol != "stratified" and strict and first["sizes"]
    dataset = stored.split(
        built,
        entries,
        [train[entry["key"]] for entry in entries],
        classes=first["classes"],
        topology=TOPOLOGY,
        fields=scenes.fields(modalities, first["cameras"], first["cameras"]),
        sizes=[tuple(first["sizes"])] if official else (),
        holdout=holdout,
        disjoint=False,
    )
    known = {entry["key"]: _scene(entry) for entry in entries}
    function = scenes.Assembled(
        known=known,
        classes=len(first["classes"]),
        microphones={camera: (camera,) for camera in first["cameras"]},
        masks=scenes.masks(
            built, human if "human" in modalities else None, known, first["cameras"]
        ),
    )
    return scenes.assembled(dataset._replace(modalities=tuple(modalities)), function)


def videos(
    raw_dir: pathlib.Path,
) -> tuple[dict[str, dict[int, pathlib.Path]], tuple[int, ...]]:
    """The videos of all labelled clips, for `people`.

    Args:
      raw_dir: folder of the official distribution.

    Returns:
      key -> camera -> its video, of those that are there, and all cameras.

    Raises:
      DataError: as `find`.
    """
    known = labels(raw_dir)
    there = {
        key: {c: raw_dir / p for c, p in clip.videos.items() if (raw_dir / p).is_file()}
        for key, clip in known.clips.items()
    }
    return {key: paths for key, paths in there.items() if paths}, known.cameras


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one clip for prediction.

    Args:
      paths: videos of its cameras, in folders and under names as the official ones; the
        views of cameras that are not among them are marked as missing.

    Returns:
      The raw example without labels.

    Raises:
      DataError: if the files do not belong together.
    """
    found: dict[int, pathlib.Path] = {}
    keys = set()
    for path in map(pathlib.Path, paths):
        key, _, camera = tricks.place("/".join(path.absolute().parts[-2:]))
        keys.add(key)
        if camera in found or len(keys) > 1 or camera not in CAMERAS:
            raise DataError(f"{path} is not another camera of the clip {min(keys)}")
        found[camera] = path
    if not found:
        raise DataError("multisensor_home: a clip is the videos of its cameras")
    example: Example = {"key": min(keys), "label": (), "subject": -1}
    for camera, path in found.items():
        example |= scenes.decoded(read(f"view{camera}", path).arrays)
    frames = {camera: len(example[f"rgb{camera}"]) for camera in found}
    cameras = range(1, max(VIEWS, *found) + 1)
    made = scenes.Assembled(
        known={example["key"]: scenes.Scene(frames, (), None)},
        classes=0,
        microphones={camera: (camera,) for camera in cameras},
    )(example)
    return {k: made[k] for k in ("key", "views", "view_ids", "view_mask")}


def _training(built: stored.Stored, protocol: str, seed: int) -> Mapping[str, bool]:
    """Of each clip, whether it is one to train on."""
    if protocol not in PROTOCOLS:
        raise DataError(f"{built.name} has the protocols {PROTOCOLS}, not {protocol!r}")
    listed = all(entry["side"] for entry in built.index)
    if protocol == "official" and not listed:
        raise DataError(
            f"{built.name}: {built.folder} was prepared without train.json and "
            'test.json; protocol="stratified" draws a split'
        )
    if protocol != "stratified" and listed:
        return {entry["key"]: entry["side"] == "train" for entry in built.index}
    count = len(built.index[0]["classes"])
    shown = np.stack([tricks.multi_hot(e["label"], count) for e in built.index])
    drawn = stratify.split(shown, seed=seed)
    return {entry["key"]: train for entry, train in zip(built.index, drawn)}


def _scene(entry: stored.Entry) -> scenes.Scene:
    return scenes.Scene(
        {int(camera): count for camera, count in entry["frames"].items()},
        tuple(entry["label"]),
        tuple((label, start, end) for label, start, end in entry["instances"]),
    )
