"""UTD-MHAD: 27 actions, 8 subjects, 4 trials; Kinect v1 skeleton and a worn sensor.

Raw layout: folders `Skeleton` and `Inertial` with `a{A}_s{S}_t{T}_skeleton.mat`
(`d_skel` [20 3 T], metres) and `..._inertial.mat` (`d_iner` [T 6]: acceleration in g,
rate of turn in degrees/s), as distributed. Three trials of the grid were never
published. The two share neither clock nor rate; both span the whole trial.

References:
  Chen, Jafari and Kehtarnavaz, *UTD-MHAD: A Multimodal Dataset for Human Action
  Recognition Utilizing a Depth Camera and a Wearable Inertial Sensor*, ICIP 2015,
  https://doi.org/10.1109/ICIP.2015.7350781.
"""

import itertools
import pathlib
import re
from collections.abc import Collection, Sequence

from data_pipelines import builder, matlab, raw, stored
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError

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
NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_(skeleton|inertial)\.mat")


def read(modality: str, path: pathlib.Path) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: "skeleton" or "inertial".
      path: of a `.mat` file.

    Returns:
      `skeleton` float32 [T 1 20 3] in metres or `inertial` float32 [T 6].

    Raises:
      DataError: if the file is not what its name says.
    """
    if modality == "inertial":
        signal = matlab.read(path, "d_iner")
        if signal.ndim != 2 or signal.shape[1] != 6 or not len(signal):
            raise DataError(f"{path}: d_iner has shape {signal.shape}, not [T 6]")
        return raw.Reading({"inertial": raw.finite(path, signal)})
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


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the recordings of the official layout.

    Args:
      raw_dir: folder with `Skeleton` and `Inertial`.

    Returns:
      The complete recordings, and why others cannot be used.

    Raises:
      DataError: if a folder is missing.
    """
    catalogue = raw.Catalogue(("skeleton", "inertial"))
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
    return catalogue.found(_recording, required=tuple(catalogue.files), grid=grid)


def _recording(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
    action, subject, trial = GRID[key]
    return raw.Recording(key, action - 1, subject, {"trial": trial}, paths)


LAYOUT = raw.Layout(
    name="utd_mhad",
    fields={
        "skeleton": {"skeleton": (None, 1, JOINTS, 3)},
        "inertial": {"inertial": (None, 6)},
    },
    required=("skeleton", "inertial"),
    find=find,
    read=read,
)


class Builder(builder.RecordingsBuilder):
    """Builds UTD-MHAD into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "csub",
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
      holdout: training subjects to move into a split "val".
      strict: refuse a split that is not of the published size.
      split_seed: of "random_half".

    Returns:
      Splits of raw examples with `skeleton` [T 1 20 3] and `inertial` [T' 6].

    Raises:
      DataError: if it is not prepared, or splits are not what they should be.
    """
    if protocol not in SIZES:
        raise DataError(f"utd_mhad has the protocols {sorted(SIZES)}, not {protocol!r}")
    built = stored.open_built(LAYOUT.name, data_dir)
    if protocol == "csub":
        train = [entry["subject"] in TRAIN_SUBJECTS for entry in built.index]
    else:
        train = stored.random_half(len(built.index), seed=split_seed)
    return stored.split(
        built,
        built.index,
        train,
        classes=CLASSES,
        topology=TOPOLOGY,
        fields={"skeleton": "skeleton", "inertial": "inertial"},
        sizes=[SIZES[protocol]] if strict else (),
        holdout=holdout,
        disjoint=protocol == "csub",
    )


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: its `_skeleton.mat` and `_inertial.mat`, or one of them.

    Returns:
      The raw example without label.

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
    return example
