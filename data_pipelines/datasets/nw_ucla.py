"""NW-UCLA: 10 actions, 10 subjects, seen by three Kinects at once; skeletons.

Raw layout: `all_sqe/aAA_sSS_eEE_vVV.json`, as repacked for CTR-GCN, each an object with
`skeletons` [T 20 3] in metres in the Kinect's own frame and order, and a `label` from 1.
Clips of one action, subject and number e are one performance; each camera's is cut on
its own, so that their lengths differ.

The data set serves distillation from poses to video without any video: a virtual camera
projects the joints, which a teacher sees as heatmaps, and a coarse stick figure of thin
limbs is the student's `depth`. The camera is a pinhole that looks along the Kinect's own
axis at the middle of the clip from a fixed distance. A pinhole, not an orthographic
view, because a limb that moves towards a real camera grows; at the clip's middle,
because where in the room a subject stands says nothing and pixels are few.

References:
  Wang, Nie, Xia, Wu and Zhu, *Cross-view Action Modeling, Learning and Recognition*,
  CVPR 2014, arXiv:1405.2941.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import builder, figures, raw, stored
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.person.cameras import Camera
from data_pipelines.sources import Mapped
from data_pipelines.transforms.skeleton import missing
from data_pipelines.views import Place, alone, grouped

CLASSES = (
    "pick_up_with_one_hand",
    "pick_up_with_two_hands",
    "drop_trash",
    "walk_around",
    "sit_down",
    "stand_up",
    "donning",
    "doffing",
    "throw",
    "carry",
)
ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
"""Numbers of the classes in file names."""
TOPOLOGY = "kinect_v1"
JOINTS = 20
# Files have the Kinect's order, from the hip centre up; the topology begins at the head.
ORDER = (3, 2, 1, 0, *range(4, JOINTS))
TRAIN_CAMERAS = (1, 2)
SIZES = {"cview": (1020, 464)}
"""Training and test clips of each protocol."""
NAME = re.compile(r"(a(\d\d)_s(\d\d)_e(\d\d))_v(\d\d)")

PICTURE = 128
"""Width and height of the picture that `joints` are in, in pixels."""
DISTANCE = 4.0
SPAN = 2.4
"""Metres from the virtual camera to the clip's middle, and metres in the picture there."""


def place(key: str) -> Place:
    """The performance and the camera of a clip.

    Args:
      key: as a01_s02_e03_v01.

    Returns:
      ("a01_s02_e03", 1).
    """
    name, *_, camera = NAME.fullmatch(key).groups()
    return Place(name, int(camera))


def read(modality: str, path: pathlib.Path) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: "skeleton".
      path: of a JSON file.

    Returns:
      `skeleton` float32 [T 1 20 3] in metres, in the order of "kinect_v1".

    Raises:
      DataError: if the file is not what its name says.
    """
    del modality
    content = raw.text(path)
    try:
        document = json.loads(content)
        clip = np.array(document["skeletons"], np.float64)
        label, name = document["label"], document["file_name"]
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        size = path.stat().st_size
        raise DataError(
            f"{path}: not a skeleton's JSON or truncated ({size} bytes)"
        ) from error
    if name != path.stem or label != _label(path.stem) + 1:
        raise DataError(f"{path}: the file says it is {name} of the class {label}")
    if clip.ndim != 3 or clip.shape[1:] != (JOINTS, 3) or not len(clip):
        raise DataError(
            f"{path}: skeletons have shape {clip.shape}, not [T {JOINTS} 3] for the "
            f"{JOINTS} joints of {TOPOLOGY}"
        )
    if not clip.any():
        raise DataError(f"{path}: every joint of the skeleton is zero")
    return raw.Reading({"skeleton": raw.finite(path, clip[:, None, list(ORDER)])})


def _label(key: str) -> int:
    return ACTIONS.index(int(NAME.fullmatch(key)[2]))


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the clips.

    Args:
      raw_dir: folder with `all_sqe`.

    Returns:
      The clips, and why others cannot be used.

    Raises:
      DataError: if there is no such folder.
    """
    catalogue = raw.Catalogue(("skeleton",))
    for path in raw.listing(raw_dir / "all_sqe", "*.json"):
        match = NAME.fullmatch(path.stem)
        if not match:
            catalogue.refuse(path, "not the name of a clip")
        elif int(match[2]) not in ACTIONS or not 1 <= int(match[5]) <= 3:
            catalogue.refuse(path, "no such action or camera")
        else:
            catalogue.add("skeleton", path.stem, path)
    return catalogue.found(_recording)


def _recording(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
    subject = int(NAME.fullmatch(key)[3])
    details = {"camera": place(key).camera}
    return raw.Recording(key, _label(key), subject, details, paths)


LAYOUT = raw.Layout(
    name="nw_ucla",
    fields={"skeleton": {"skeleton": (None, 1, JOINTS, 3)}},
    required=("skeleton",),
    find=find,
    read=read,
)


class Builder(builder.RecordingsBuilder):
    """Builds NW-UCLA into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


@dataclasses.dataclass(frozen=True)
class Filmed:
    """Adds what the virtual camera sees of a clip.

    Attributes:
      size: height and width of the stick figure's picture in pixels.
    """

    size: tuple[int, int]

    def __call__(self, example: Example) -> Example:
        """`joints` [T 1 20 3] and `depth`, frames [T H W 1], beside the skeleton."""
        clip = example["skeleton"]
        seen = figures.joints(clip, camera(clip))
        scale = PICTURE / min(self.size)
        video = figures.StickFigure(seen, figures.KINECT_V1_BONES, self.size, scale)
        return example | {"joints": seen, "depth": video}


def camera(clip: np.ndarray) -> Camera:
    """The virtual camera before a clip, in the Kinect's own frame.

    Args:
      clip: [T M J 3] in metres.

    Returns:
      A camera that looks along the Kinect's axis at the middle of the joints' range.
    """
    known = clip[~missing(clip)[..., 0]]
    middle = (known.min(0) + known.max(0)) / 2
    position = middle - (0, 0, DISTANCE)
    focal = PICTURE * DISTANCE / SPAN
    return Camera(position, figures.KINECT_AXES, focal, (PICTURE, PICTURE))


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "cview",
    views: int = 2,
    main_view: str = "each",
    size: tuple[int, int] = (48, 48),
    holdout: Collection[int] = (),
    strict: bool = True,
) -> Dataset:
    """Load the prepared data set.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "cview" trains on cameras 1 and 2 and tests on camera 3.
      views: V of a training example; test examples have one.
      main_view: "each" or "fixed_last", see `views.group`.
      size: height and width of the stick figure's picture in pixels.
      holdout: training subjects to move into a split "val".
      strict: refuse a split that is not of the published size.

    Returns:
      Splits of examples with `views`, each with `skeleton` [T 1 20 3] in metres,
      `joints` [T 1 20 3] in pixels of a picture of `PICTURE` by `PICTURE`, and `depth`,
      frames uint8 [T H W 1].

    Raises:
      DataError: if it is not prepared, or splits are not what they should be.
    """
    if protocol not in SIZES:
        raise DataError(f"nw_ucla has the protocol cview, not {protocol!r}")
    if len(size) != 2 or not all(8 <= side <= PICTURE for side in size):
        raise DataError(f"nw_ucla: a picture of {size} is not 8 to {PICTURE} pixels")
    built = stored.open_built(LAYOUT.name, data_dir)
    dataset = stored.split(
        built,
        built.index,
        [entry["camera"] in TRAIN_CAMERAS for entry in built.index],
        classes=CLASSES,
        topology=TOPOLOGY,
        fields={"skeleton": "skeleton"},
        sizes=[SIZES[protocol]] if strict else (),
        holdout=holdout,
        disjoint=False,
    )
    splits = {k: Mapped(s, Filmed(tuple(size))) for k, s in dataset.splits.items()}
    filmed = dataset._replace(splits=splits, modalities=("joints", "depth"))
    return grouped(filmed, place, views=views, main_view=main_view)


def read_recording(
    paths: Sequence[str | pathlib.Path], *, size: tuple[int, int] = (48, 48)
) -> Example:
    """Read one clip for prediction.

    Args:
      paths: its JSON file.
      size: of the stick figure's picture, as it was trained on.

    Returns:
      The raw example without label, of one view.

    Raises:
      DataError: if that is not one file of the data set.
    """
    if len(paths) != 1:
        raise DataError(f"one JSON file makes a clip, not {len(paths)}")
    path = pathlib.Path(paths[0])
    if not NAME.fullmatch(path.stem):
        raise DataError(f"{path}: not the name of a clip")
    arrays = read("skeleton", path).arrays
    return alone(Filmed(size)({"key": path.stem, **arrays}))
