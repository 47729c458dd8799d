"""Berkeley MHAD: 11 actions, 12 subjects, 5 repetitions; six accelerometers.

Raw layout: `Accelerometer/Shimmer0{1-6}/acc_h{01-06}_s{01-12}_a{01-11}_r{01-05}.txt`,
each line an acceleration ax ay az in g and a unix time in seconds. The rate is about
31 Hz with gaps, so that signals are interpolated on their time stamps. Recording
s04_a08_r05 was never published, and a widespread copy lacks s02_a07_r05 too.

References:
  Ofli, Chaudhry, Kurillo, Vidal and Bajcsy, *Berkeley MHAD: A Comprehensive Multimodal
  Human Action Database*, WACV 2013, https://doi.org/10.1109/WACV.2013.6474999.
"""

import itertools
import pathlib
import re
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import builder, raw, stored, timed
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError

CLASSES = (
    "jump_in_place",
    "jumping_jacks",
    "bend",
    "punch",
    "wave_two_hands",
    "wave_right_hand",
    "clap",
    "throw",
    "sit_down_stand_up",
    "sit_down",
    "stand_up",
)
SENSORS = {
    "left_wrist": "h01",
    "right_wrist": "h02",
    "left_hip": "h03",
    "right_hip": "h04",
    "left_ankle": "h05",
    "right_ankle": "h06",
}
TRAIN_SUBJECTS = tuple(range(1, 8))
SIZES = {"csub": ((384, 275), (383, 275))}
"""Training and test recordings: as published, and in the copy that lacks one more."""

GRID = {
    f"s{s:02}_a{a:02}_r{r:02}": (s, a, r)
    for s, a, r in itertools.product(range(1, 13), range(1, 12), range(1, 6))
}
NAME = re.compile(r"acc_(h0[1-6])_(s\d\d_a\d\d_r\d\d)\.txt")
# In g. Recordings stay below 6 g but for a few samples of 12 and more, which are errors.
SPIKE = 12.0
MAX_GAP = 2.0


def read(modality: str, path: pathlib.Path) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: sensor, "h01" to "h06".
      path: of a text file.

    Returns:
      The sensor's acceleration float32 [T 3] in g and its `_time` float64 [T] in
      seconds.

    Raises:
      DataError: if the file is not what its name says.
    """
    lines = [line.split() for line in raw.text(path).splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if len(line) != 4:
            raise DataError(
                f"{path}: line {number} has {len(line)} of 4 columns, truncated? "
                f"({path.stat().st_size} bytes)"
            )
    try:
        table = np.array(lines, np.float64)
    except ValueError as error:
        raise DataError(f"{path}: not a table of numbers ({error})") from error
    times, values = table[:, 3], table[:, :3]
    return timed.reading(path, modality, times, values, max_gap=MAX_GAP, limit=SPIKE)


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the recordings of the official layout.

    Args:
      raw_dir: folder with `Accelerometer`.

    Returns:
      The recordings, each with the sensors that there are.

    Raises:
      DataError: if there is no such folder.
    """
    catalogue = raw.Catalogue(SENSORS.values())
    for path in raw.listing(raw_dir / "Accelerometer", "Shimmer0[1-6]/*.txt"):
        match = NAME.fullmatch(path.name)
        if not match:
            catalogue.refuse(path, "not the name of an accelerometer file")
        elif match[2] not in GRID:
            catalogue.refuse(path, "no such subject, action or repetition")
        else:
            catalogue.add(match[1], match[2], path)
    return catalogue.found(_recording, grid=GRID)


def _recording(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
    subject, action, repetition = GRID[key]
    return raw.Recording(key, action - 1, subject, {"repetition": repetition}, paths)


LAYOUT = raw.Layout(
    name="berkeley_mhad",
    fields={h: {h: (None, 3), f"{h}_time": (None,)} for h in SENSORS.values()},
    required=(),
    find=find,
    read=read,
)


class Builder(builder.RecordingsBuilder):
    """Builds Berkeley MHAD into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "csub",
    sensor: str = "left_wrist",
    holdout: Collection[int] = (),
    strict: bool = True,
) -> Dataset:
    """Load the prepared data set.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "csub" trains on subjects 1 to 7 and tests on the others.
      sensor: one of `SENSORS`.
      holdout: training subjects to move into a split "val".
      strict: refuse a split that is not of the published size.

    Returns:
      Splits of raw examples with `inertial` [T 3] in g and `inertial_time` [T].

    Raises:
      DataError: if it is not prepared, or splits are not what they should be.
    """
    if protocol not in SIZES:
        raise DataError(f"berkeley_mhad has the protocol csub, not {protocol!r}")
    if sensor not in SENSORS:
        raise DataError(
            f"berkeley_mhad has the sensors {sorted(SENSORS)}, no {sensor!r}"
        )
    built = stored.open_built(LAYOUT.name, data_dir)
    entries = built.having(SENSORS[sensor])
    return stored.split(
        built,
        entries,
        [entry["subject"] in TRAIN_SUBJECTS for entry in entries],
        classes=CLASSES,
        topology="none",
        fields={"inertial": SENSORS[sensor]},
        sizes=SIZES[protocol] if strict else (),
        holdout=holdout,
    )


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: the file of one sensor.

    Returns:
      The raw example without label.

    Raises:
      DataError: if that is not one file of the data set.
    """
    if len(paths) != 1:
        raise DataError(f"one accelerometer file makes a recording, not {len(paths)}")
    path = pathlib.Path(paths[0])
    match = NAME.fullmatch(path.name)
    if not match:
        raise DataError(f"{path}: not the name of an accelerometer file")
    arrays = read(match[1], path).arrays
    return {
        "key": match[2],
        "inertial": arrays[match[1]],
        "inertial_time": arrays[f"{match[1]}_time"],
    }
