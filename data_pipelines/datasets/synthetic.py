"""The embedded data set: a procedural person, with nothing to download.

Subjects of different build, tempo and manner perform actions (`data_pipelines.person`)
before a Kinect, with an accelerometer on the right wrist. Some actions differ in limbs
that the wrist hardly feels: the sensor alone confuses them, the skeleton does not.

A recording to try prediction on:

    python -m data_pipelines.datasets.synthetic --index=3 --out=recording.npz
"""

import dataclasses
import pathlib
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import npz
from data_pipelines.dataset import Dataset, Example, Row, check
from data_pipelines.errors import DataError
from data_pipelines.person import body, sensors
from data_pipelines.person.actions import ACTIONS
from data_pipelines.person.performance import Performance, perform

CLASSES = (
    *("wave_right", "wave_both", "raise_left", "clap", "knock", "punch_right"),
    *("throw_right", "kick_left", "kick_right", "squat", "sit_down", "walk"),
)
TOPOLOGY = "kinect_v2"
PROTOCOLS = ("csub",)
SHAPES = {"skeleton": (1, len(body.JOINTS), 3), "inertial": (3,)}
"""Of one frame of each modality."""


@dataclasses.dataclass(frozen=True)
class Performances:
    """Examples generated when they are read, each a pure function of its row.

    Attributes:
      seed: of the whole data set.
      classes: one action a label.
      subjects: who perform.
      trials: of each subject and action.
      sensor: joint that wears the accelerometer.
    """

    seed: int
    classes: tuple[str, ...]
    subjects: tuple[int, ...]
    trials: int
    sensor: str

    def __len__(self) -> int:
        return len(self.subjects) * len(self.classes) * self.trials

    def __getitem__(self, index: int) -> Example:
        performance = self.performance_of(index)
        return {
            **self._row(index)._asdict(),
            "skeleton": sensors.skeleton(performance),
            "inertial": sensors.accelerometer(performance, joint=self.sensor),
        }

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return [self._row(index) for index in range(len(self))]

    def performance_of(self, index: int) -> Performance:
        """What an example shows, for whoever wants to see or hear it otherwise."""
        subject, label, trial = self._place(index)
        return perform(self.seed, subject, self.classes[label], trial)

    def _row(self, index: int) -> Row:
        subject, label, trial = self._place(index)
        return Row(f"{self.classes[label]}_s{subject}_t{trial}", label, subject)

    def _place(self, index: int) -> tuple[int, int, int]:
        shape = (len(self.subjects), len(self.classes), self.trials)
        # The range refuses what is outside; NumPy scalars would not be plain labels.
        place = np.unravel_index(range(len(self))[index], shape)
        subject, label, trial = map(int, place)
        return self.subjects[subject], label, trial + 1


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "csub",
    holdout: Collection[int] = (),
    seed: int = 0,
    subjects: int = 20,
    trials_per_subject: int = 2,
    classes: Sequence[str] = CLASSES,
    sensor: str = "right_wrist",
) -> Dataset:
    """Make the data set.

    Args:
      data_dir: for likeness with other data sets; nothing is read.
      protocol: "csub" trains on subjects with odd numbers and tests on the others.
      holdout: training subjects to move into a split "val".
      seed: another one makes other people.
      subjects: how many, numbered from 1.
      trials_per_subject: of each action.
      classes: actions, in the order of their labels.
      sensor: joint that wears the accelerometer, a name in `body.JOINTS`.

    Returns:
      Splits of raw examples with `skeleton` [T 1 25 3] and `inertial` [T' 3].

    Raises:
      DataError: if an option is not one of those, or a split would be empty.
    """
    del data_dir
    _check_options(protocol, seed, trials_per_subject, tuple(classes), sensor)
    train, test = set(range(1, subjects + 1, 2)), set(range(2, subjects + 1, 2))
    if missing := sorted(set(holdout) - train):
        raise DataError(
            f"synthetic: cannot hold out subject {missing[0]}, the training subjects "
            f"are {sorted(train)}"
        )
    parts = {"train": train - set(holdout), "val": train & set(holdout), "test": test}
    splits = {
        name: Performances(
            seed, tuple(classes), tuple(sorted(part)), trials_per_subject, sensor
        )
        for name, part in parts.items()
        if part or name != "val"
    }
    return check(Dataset("synthetic", tuple(classes), splits, TOPOLOGY, tuple(SHAPES)))


def _check_options(
    protocol: str, seed: int, trials: int, classes: tuple[str, ...], sensor: str
) -> None:
    if protocol not in PROTOCOLS:
        raise DataError(
            f"synthetic has the protocols {list(PROTOCOLS)}, not {protocol!r}"
        )
    if seed < 0 or trials < 1:
        raise DataError(
            f"synthetic: seed {seed} is negative or trials_per_subject {trials} is "
            "less than 1"
        )
    if unknown := [name for name in classes if name not in ACTIONS]:
        raise DataError(f"synthetic: no action {unknown[0]!r}, only {list(ACTIONS)}")
    if len(set(classes)) < max(2, len(classes)):
        raise DataError(f"synthetic: {list(classes)} are not two or more classes")
    if sensor not in body.JOINTS[1:]:
        raise DataError(f"synthetic: a sensor cannot be worn on {sensor!r}")


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: `.npz` files that together hold the arrays `skeleton` [T 1 25 3] in metres
        and `inertial` [T' 3] in g, or one of them.

    Returns:
      The raw example without label.

    Raises:
      DataError: if a file is anything else.
    """
    return npz.read(paths, shapes=SHAPES, dataset="synthetic")


def write_recording(path: str | pathlib.Path, example: Example) -> None:
    """Write the modalities of an example as `read_recording` reads them.

    Args:
      path: a file that does not exist yet.
      example: with `skeleton`, `inertial` or both.

    Raises:
      DataError: if the file exists, which is never overwritten, or cannot be written.
    """
    npz.write(path, example, shapes=SHAPES)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one example to a file.

    Args:
      arguments: of the command line.
    """
    npz.command(load, write_recording, arguments)


if __name__ == "__main__":
    main()
