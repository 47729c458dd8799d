"""Ten actions of NTU RGB+D 60 in colour and in infrared, paired by name.

Raw layout: `nturgb+d_rgb/SsssCcccPpppRrrrAaaa_rgb.avi`, 1920 by 1080, and
`nturgb+d_ir/SsssCcccPpppRrrrAaaa_ir.avi`, 512 by 424, both of 30 frames a second and of
about equal length; infrared pictures are stored with one channel. The actions are A1 to
A10; files of others are passed over. Skeletons are not needed, so that recordings without
one take part: 672 to train on and 276 to test on a class across subjects.

References:
  Shahroudy, Liu, Ng and Wang, *NTU RGB+D: A Large Scale Dataset for 3D Human Activity
  Analysis*, CVPR 2016, arXiv:1604.02808.
"""

import pathlib
from collections.abc import Collection, Sequence

from data_pipelines import builder, ntu_names, raw, stored, video
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.ntu_names import parse, place
from data_pipelines.twins import (
    FIELDS,
    MODALITIES,
    check_lengths,
    check_modalities,
    disagree,
)
from data_pipelines.views import alone, grouped

ACTIONS = range(1, 11)
CLASSES = ntu_names.CLASSES[:10]
SETUPS = range(1, 18)
SIZES = {"csub": (6_720, 2_760), "cview": (6_320, 3_160)}
"""Training and test recordings of each protocol."""
SEGMENTS = 8
"""Of a video; one with fewer frames repeats some, which is noted."""


def read(
    modality: str, path: pathlib.Path, *, short_side: int = video.SHORT_SIDE
) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: "rgb" or "ir".
      path: of an `.avi` file.
      short_side: of video frames in pixels, see `video.read`.

    Returns:
      The frames, see `video.read`.

    Raises:
      DataError: if the file is not a whole video.
    """
    reading = video.read(path, modality, short_side=short_side)
    count = len(reading.arrays[f"{modality}_ends"])
    if count >= SEGMENTS:
        return reading
    note = f"{count} frames, fewer than {SEGMENTS} segments: some are repeated"
    return reading._replace(notes=(*reading.notes, note))


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the recordings of the official layout.

    Args:
      raw_dir: folder with `nturgb+d_rgb` and `nturgb+d_ir`.

    Returns:
      The recordings of the ten actions that have both, and why others cannot be used.

    Raises:
      DataError: if a folder is missing.
    """
    catalogue = raw.Catalogue(MODALITIES)
    for modality in MODALITIES:
        folder, ending = raw_dir / f"nturgb+d_{modality}", f"_{modality}.avi"
        for path in raw.listing(folder, "*"):
            name = path.name.removesuffix(ending)
            try:
                numbers = parse(name)
            except DataError as error:
                catalogue.refuse(path, str(error))
                continue
            if numbers.action in ACTIONS and numbers.setup in SETUPS:
                catalogue.add(modality, name, path)
    every = [k for files in catalogue.files.values() for k in files]
    setups = sorted({parse(key).setup for key in every})
    grid = [n for n in ntu_names.every_name(setups) if parse(n).action in ACTIONS]
    return catalogue.found(_recording, required=MODALITIES, grid=grid)


def _recording(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
    name = parse(key)
    details = {"camera": name.camera, "setup": name.setup}
    return raw.Recording(key, name.action - 1, name.subject, details, paths)


LAYOUT = raw.Layout(
    name="ntu_infrared",
    fields=FIELDS,
    required=MODALITIES,
    find=find,
    read=read,
    dtypes=video.dtypes(*MODALITIES),
    disagree=disagree,
    short_side=video.SHORT_SIDE,
)


class Builder(builder.RecordingsBuilder):
    """Builds the pairs into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "csub",
    modalities: tuple[str, ...] = MODALITIES,
    holdout: Collection[int] = (),
    strict: bool = True,
) -> Dataset:
    """Load the prepared data set.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "csub" trains on the twenty subjects of NTU RGB+D 60, "cview" on the
        cameras 2 and 3. The paper of RGB to infrared states neither.
      modalities: "rgb", "ir" or both.
      holdout: training subjects to move into a split "val".
      strict: refuse a split that is not of the published size.

    Returns:
      Splits of examples of one view with `rgb`, frames uint8 [T H W 3], and `ir`, frames
      uint8 [T' H' W' 1].

    Raises:
      DataError: if it is not prepared, or splits are not what they should be.
    """
    if protocol not in SIZES:
        raise DataError(
            f"ntu_infrared has the protocols {sorted(SIZES)}, not {protocol!r}"
        )
    check_modalities(LAYOUT.name, modalities)
    built = stored.open_built(LAYOUT.name, data_dir)
    entries = built.having(*MODALITIES)
    train = [
        ntu_names.trains(parse(entry["key"]), f"ntu60_{protocol}") for entry in entries
    ]
    dataset = stored.split(
        built,
        entries,
        train,
        classes=CLASSES,
        topology="kinect_v2",
        fields={name: name for name in modalities},
        sizes=[SIZES[protocol]] if strict else (),
        holdout=holdout,
        disjoint=protocol == "csub",
    )
    return grouped(dataset, place, views=1, main_view="each")


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: its `_rgb.avi` and `_ir.avi`, or one of them.

    Returns:
      The raw example without label, of one view.

    Raises:
      DataError: if the files do not belong together.
    """
    example: Example = {}
    for path in map(pathlib.Path, paths):
        name = path.name.removesuffix(".avi")
        key, _, modality = name.rpartition("_")
        if modality not in MODALITIES:
            raise DataError(f"{path}: neither an _rgb.avi nor an _ir.avi file")
        parse(key)
        if example.setdefault("key", key) != key:
            raise DataError(f"{path} is not of the recording {example['key']}")
        example[modality] = video.frames(modality, read(modality, path).arrays)
    if not example:
        raise DataError("ntu_infrared: a recording is an _rgb.avi, an _ir.avi or both")
    check_lengths(example)
    return alone(example, camera=place(example["key"]).camera)
