"""UTD-MHAD: 27 actions, 8 subjects, 4 trials; Kinect v1, depth video, a worn sensor.

Raw layout: folders `Skeleton` and `Inertial` with `a{A}_s{S}_t{T}_skeleton.mat`
(`d_skel` [20 3 T], metres) and `..._inertial.mat` (`d_iner` [T 6]: acceleration in g,
rate of turn in degrees/s), as distributed. Three trials of the grid were never
published. The two share neither clock nor rate; both span the whole trial.

The folder `Depth`, with `..._depth.mat` (`d_depth` uint16 [240 320 T] in mm, zero
around the person), is optional, and its frames are those of the skeleton. Every fourth
row and column of it is kept; a folder that was thinned to [60 80 T] already serves as
well. A folder prepared without depth goes on serving whoever asks for none.

A cheap camera is made of the depth camera: `ir`, its pictures on a grid a quarter as
fine either way, at half the contrast and with noise (`data_pipelines.coarse`).

The Kinect's own pinhole projects the skeleton into the depth picture: a focal length of
285.63 pixels at a width of 320 (Microsoft's nominal value), the middle of the picture
as principal point. On 60 trials drawn at random 93 % of the joints fall where the depth
is within 25 cm of theirs; mirrored, 43 % do.

References:
  Chen, Jafari and Kehtarnavaz, *UTD-MHAD: A Multimodal Dataset for Human Action
  Recognition Utilizing a Depth Camera and a Wearable Inertial Sensor*, ICIP 2015,
  https://doi.org/10.1109/ICIP.2015.7350781.
"""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import builder, coarse, figures, matlab, raw, stored
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError
from data_pipelines.person.cameras import Camera
from data_pipelines.sources import Mapped
from data_pipelines.views import Place, alone, grouped

ACTIONS = """swipe_left swipe_right wave clap throw arm_cross basketball_shoot draw_x
draw_circle_CW draw_circle_CCW draw_triangle bowling boxing baseball_swing tennis_swing
arm_curl tennis_serve push knock catch pickup_throw jog walk sit2stand stand2sit lunge
squat"""
CLASSES = tuple(ACTIONS.split())
TOPOLOGY = "kinect_v1"
JOINTS = 20
TRAIN_SUBJECTS = (1, 3, 5, 7)
UNPUBLISHED = {"a8_s1_t4", "a23_s6_t4", "a27_s8_t4"}
SIZES = {"csub": (431, 430), "random_half": (431, 430)}
"""Training and test trials of each protocol."""

GRID = {
    f"a{a}_s{s}_t{t}": (a, s, t)
    for a, s, t in itertools.product(range(1, 28), range(1, 9), range(1, 5))
}
REQUIRED = ("skeleton", "inertial")
NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_(skeleton|inertial|depth)\.mat")

DEPTH_SIZE = (60, 80)
FULL_SIZE = (240, 320)
"""Height and width of the depth frames as they are stored, and as published."""
FOCAL = 285.63
"""Focal length in pixels of the published frames."""
NEAREST = 1600
LEVEL = 10
"""Depth is stored in levels: 0 where nothing was measured, 1 at and before `NEAREST`
mm, one more every `LEVEL` mm, 255 at 4140 mm and beyond. Bodies stand at 1.8 to 4 m."""


def read(modality: str, path: pathlib.Path) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: "skeleton", "inertial" or "depth".
      path: of a `.mat` file.

    Returns:
      `skeleton` float32 [T 1 20 3] in metres, `inertial` float32 [T 6], or `depth`
      uint8 [T 60 80] in levels, see `LEVEL`.

    Raises:
      DataError: if the file is not what its name says.
    """
    if modality == "inertial":
        signal = matlab.read(path, "d_iner")
        if signal.ndim != 2 or signal.shape[1] != 6 or not len(signal):
            raise DataError(f"{path}: d_iner has shape {signal.shape}, not [T 6]")
        return raw.Reading({"inertial": raw.finite(path, signal)})
    if modality == "depth":
        return raw.Reading({"depth": _levels(path, matlab.read(path, "d_depth"))})
    clip = matlab.read(path, "d_skel")
    if clip.ndim != 3 or clip.shape[:2] != (JOINTS, 3) or not clip.shape[2]:
        raise DataError(
            f"{path}: d_skel has shape {clip.shape}, not [{JOINTS} 3 T] for the "
            f"{JOINTS} joints of {TOPOLOGY}"
        )
    if not clip.any():
        raise DataError(f"{path}: every joint of the skeleton is zero")
    clip = clip.transpose(2, 0, 1)[:, None]
    return raw.Reading({"skeleton": raw.finite(path, clip)})


def _levels(path: pathlib.Path, clip: np.ndarray) -> np.ndarray:
    if clip.ndim != 3 or clip.shape[:2] not in (DEPTH_SIZE, FULL_SIZE):
        raise DataError(
            f"{path}: d_depth has shape {clip.shape}, not [240 320 T] or [60 80 T]"
        )
    if clip.dtype.kind not in "iu":
        raise DataError(f"{path}: d_depth is {clip.dtype}, not whole millimetres")
    if not clip.any():
        raise DataError(f"{path}: nothing was measured in any frame")
    step = clip.shape[0] // DEPTH_SIZE[0]
    thin = clip[::step, ::step].transpose(2, 0, 1).astype(np.int32)
    levels = np.clip(1 + (thin - NEAREST) // LEVEL, 1, 255)
    return np.where(thin > 0, levels, 0).astype(np.uint8)


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the recordings of the official layout.

    Args:
      raw_dir: folder with `Skeleton`, `Inertial` and, if it is wanted, `Depth`.

    Returns:
      The complete recordings, and why others cannot be used.

    Raises:
      DataError: if a folder is missing.
    """
    optional = ("depth",) if (raw_dir / "Depth").is_dir() else ()
    catalogue = raw.Catalogue((*REQUIRED, *optional))
    for modality in catalogue.files:
        for path in raw.listing(raw_dir / modality.capitalize(), "*.mat"):
            match = NAME.fullmatch(path.name)
            if not match or match[4] != modality:
                catalogue.refuse(path, f"not the name of a {modality} file")
                continue
            key = "a{}_s{}_t{}".format(*map(int, match.group(1, 2, 3)))
            if key in GRID:
                catalogue.add(modality, key, path)
            else:
                catalogue.refuse(path, "no such action, subject or trial")
    grid = set(GRID) - UNPUBLISHED
    return catalogue.found(_recording, required=REQUIRED, grid=grid)


def _recording(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
    action, subject, trial = GRID[key]
    return raw.Recording(key, action - 1, subject, {"trial": trial}, paths)


def _disagree(fields: dict[str, raw.Arrays]) -> dict[str, str]:
    """Depth of another number of frames than the skeleton has."""
    if not {"skeleton", "depth"} <= fields.keys():
        return {}
    skeleton, depth = (len(fields[name][name]) for name in ("skeleton", "depth"))
    if skeleton == depth:
        return {}
    return {"depth": f"{depth} frames, but the skeleton has {skeleton}"}


LAYOUT = raw.Layout(
    name="utd_mhad",
    fields={
        "skeleton": {"skeleton": (None, 1, JOINTS, 3)},
        "inertial": {"inertial": (None, 6)},
        "depth": {"depth": (None, *DEPTH_SIZE)},
    },
    required=REQUIRED,
    find=find,
    read=read,
    dtypes={"depth": np.uint8},
    disagree=_disagree,
)


class Builder(builder.RecordingsBuilder):
    """Builds UTD-MHAD into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


SEEN = {"joints": "skeleton", "depth": "depth", "ir": "depth"}
"""Modality of a camera -> stored field that it is made of."""


@dataclasses.dataclass(frozen=True)
class Filmed:
    """Adds what cameras see: `joints`, `depth` as it is stored, and `ir`."""

    def __call__(self, example: Example) -> Example:
        """`joints` [T 1 20 3] in pixels of `depth`, [T 60 80 1]; `ir` [T 15 20 1]."""
        added = {}
        if "skeleton" in example:
            added["joints"] = figures.joints(example["skeleton"], CAMERA)
        if "depth" in example:
            added["depth"] = example["depth"][..., None]
            added["ir"] = coarse.Coarse(added["depth"], example["key"])
        return example | added


CAMERA = Camera(
    np.zeros(3),
    figures.KINECT_AXES,
    FOCAL * DEPTH_SIZE[1] / FULL_SIZE[1],
    DEPTH_SIZE[::-1],
)
"""In the frame of the skeleton; its picture is the stored one."""


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "csub",
    modalities: tuple[str, ...] = REQUIRED,
    views: int = 1,
    holdout: Collection[int] = (),
    strict: bool = True,
    split_seed: int = 0,
) -> Dataset:
    """Load the prepared data set.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "csub" trains on subjects 1, 3, 5, 7 and tests on the others;
        "random_half" splits the trials at random and is for comparison only: the same
        subjects are on both sides, which lifts every number.
      modalities: ("skeleton", "inertial") for raw examples of the two, or some of
        "joints", "depth", "ir" and "skeleton" for examples of views.
      views: V of a training example of views; there is one camera, so that its other
        views are further clips of the same recording, with 0 in `view_mask`.
      holdout: training subjects to move into a split "val".
      strict: refuse a split that is not of the published size.
      split_seed: of "random_half".

    Returns:
      Splits of raw examples with `skeleton` [T 1 20 3] and `inertial` [T' 6]; or of
      examples with `views`, see `data_pipelines.views`, each with `skeleton`, `joints`
      [T 1 20 3] in pixels of the depth, `depth` uint8 [T 60 80 1] and `ir`, frames
      uint8 [T 15 20 1].

    Raises:
      DataError: if it is not prepared, lacks a modality, or splits are not what they
        should be.
    """
    if protocol not in SIZES:
        raise DataError(f"utd_mhad has the protocols {sorted(SIZES)}, not {protocol!r}")
    worn = set(modalities) <= set(REQUIRED)
    if not worn and not set(modalities) <= {"skeleton", *SEEN}:
        raise DataError(
            "utd_mhad has skeleton and inertial, or skeleton, joints, depth and ir, not "
            f"{' and '.join(modalities)}"
        )
    fields = tuple(SEEN.get(modality, modality) for modality in modalities)
    if not worn:
        fields = ("skeleton", *fields)
    built = stored.open_built(LAYOUT.name, data_dir)
    entries = built.having(*fields)
    if protocol == "csub":
        train = [entry["subject"] in TRAIN_SUBJECTS for entry in entries]
    else:
        train = stored.random_half(len(entries), seed=split_seed)
    dataset = stored.split(
        built,
        entries,
        train,
        classes=CLASSES,
        topology=TOPOLOGY,
        fields={name: name for name in fields},
        sizes=[SIZES[protocol]] if strict else (),
        holdout=holdout,
        disjoint=protocol == "csub",
    )
    if worn:
        return dataset
    splits = {name: Mapped(source, Filmed()) for name, source in dataset.splits.items()}
    filmed = dataset._replace(splits=splits, modalities=tuple(modalities))
    return grouped(filmed, lambda key: Place(key, 0), views=views, main_view="each")


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: its `_skeleton.mat`, `_inertial.mat` and `_depth.mat`, or some of them.

    Returns:
      The raw example without label; with depth, an example of one view.

    Raises:
      DataError: if the files do not belong together.
    """
    example: Example = {}
    for path in map(pathlib.Path, paths):
        match = NAME.fullmatch(path.name)
        if not match:
            raise DataError(f"{path}: not the name of a UTD-MHAD file")
        key = path.name.rsplit("_", 1)[0]
        if example.setdefault("key", key) != key:
            raise DataError(f"{path} is not of the recording {example['key']}")
        example |= read(match[4], path).arrays
    if "depth" not in example:
        return example
    if reason := _disagree({name: {name: example[name]} for name in example}):
        raise DataError(f"{example['key']}: its depth has {reason['depth']}")
    return alone(Filmed()(example))
