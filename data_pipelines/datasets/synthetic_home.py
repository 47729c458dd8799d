"""The embedded home: several cameras with microphones, several activities a recording.

One or two people walk through two rooms and a corridor (`data_pipelines.home`) and do
several things, in and out of the cameras' sight. Some classes differ in movement, some
in what the hand holds, some in sound; it is known who is in whose picture.

The whole data set as MultiSensor-Home is distributed, and a recording for prediction:

    python -m data_pipelines.datasets.synthetic_home --out=FOLDER
    python -m data_pipelines.datasets.synthetic_home --index=3 --out=recording.npz
"""

import argparse
import pathlib
import sys
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import npz
from data_pipelines.dataset import Dataset, Example, check
from data_pipelines.errors import DataError
from data_pipelines.home import folder, script
from data_pipelines.home.activities import ACTIVITIES
from data_pipelines.home.cameras import MOST, OVERLAPS, install
from data_pipelines.home.recordings import Recordings
from data_pipelines.scenes import MODALITIES

CLASSES = ("drink", "eat", "kick", "knock", "lamp", "radio", "wave", "wipe")
TOPOLOGY = "kinect_v2"
PROTOCOLS = ("csub",)
SHAPES = {"rgb": ("V", "H", "W", 3), "audio": ("V",)}
"""Of one moment of each modality in a file for prediction."""


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "csub",
    modalities: tuple[str, ...] = MODALITIES,
    cameras: int = 5,
    overlap: str = "half",
    persons: int = 2,
    size: int = 48,
    holdout: Collection[int] = (),
    seed: int = 0,
    subjects: int = 18,
    recordings_per_subject: int = 10,
    classes: Sequence[str] = CLASSES,
) -> Dataset:
    """Make the data set.

    Args:
      data_dir: for likeness with other data sets; nothing is read.
      protocol: "csub" tests on every third subject and trains on the others.
      modalities: some of "rgb", "audio" and "human", the confidence of an ideal
        detector of people.
      cameras: V, 2..8.
      overlap: how many of them see a place: "all", "half" or "few", see
        `home.cameras.OVERLAPS`.
      persons: 1 or 2, at most so many are in a recording.
      size: width and height of a picture in pixels.
      holdout: training subjects to move into a split "val".
      seed: another one makes other people, and paints the home anew.
      subjects: how many, numbered from 1.
      recordings_per_subject: of 10 to 12 seconds each.
      classes: names in `home.activities.ACTIVITIES`, in the order of their labels.

    Returns:
      Splits of examples of all cameras, with `views`, each with `rgb`, frames uint8
      [L H W 3] at 2.5 a second, `audio` [samples] of 16 kHz and `human` [L]; with
      `labels` [K] and `frame_labels` [L K].

    Raises:
      DataError: if an option is not one of those, or a split would be empty.
    """
    del data_dir
    if not modalities or not set(modalities) <= set(MODALITIES):
        raise DataError(f"synthetic_home has {MODALITIES}, not {list(modalities)}")
    if protocol not in PROTOCOLS:
        raise DataError(f"synthetic_home has the protocols {PROTOCOLS}: {protocol!r}")
    household = script.Household(seed, tuple(classes), overlap, persons)
    _check_household(household)
    _check_sizes(cameras, size, subjects, recordings_per_subject)
    installed = install(overlap, cameras, size=size)
    splits = {
        side: Recordings(
            household, part, recordings_per_subject, installed, tuple(modalities)
        )
        for side, part in _sides(subjects, holdout).items()
    }
    return check(
        Dataset("synthetic_home", tuple(classes), splits, TOPOLOGY, tuple(modalities))
    )


def _sides(subjects: int, holdout: Collection[int]) -> dict[str, tuple[int, ...]]:
    """The subjects of each split."""
    train = [number for number in range(1, subjects + 1) if number % 3]
    if missing := sorted(set(holdout) - set(train)):
        raise DataError(
            f"synthetic_home: cannot hold out subject {missing[0]}, the training "
            f"subjects are {train}"
        )
    kept = tuple(number for number in train if number not in holdout)
    held = {"val": tuple(sorted(set(holdout)))} if holdout else {}
    return {"train": kept, **held, "test": tuple(range(3, subjects + 1, 3))}


def _check_household(household: script.Household) -> None:
    if household.overlap not in OVERLAPS:
        raise DataError(
            f"synthetic_home: overlap is one of {list(OVERLAPS)}, not "
            f"{household.overlap!r}"
        )
    if unknown := [name for name in household.classes if name not in ACTIVITIES]:
        raise DataError(
            f"synthetic_home: no activity {unknown[0]!r}, only {list(ACTIVITIES)}"
        )
    if len(set(household.classes)) < max(2, len(household.classes)):
        raise DataError(
            f"synthetic_home: {list(household.classes)} are not two or more classes"
        )
    if household.seed < 0 or household.persons not in (1, 2):
        raise DataError(
            f"synthetic_home: seed {household.seed} is negative or persons is "
            f"{household.persons}, not 1 or 2"
        )


def _check_sizes(count: int, size: int, subjects: int, recordings: int) -> None:
    if not 2 <= count <= MOST or not 16 <= size <= 512:
        raise DataError(
            f"synthetic_home: {count} cameras with pictures of {size} pixels; there "
            f"are 2..{MOST} cameras, and pictures have 16..512"
        )
    if not 1 <= recordings <= 99 or not subjects <= script.SUBJECTS:
        raise DataError(
            f"synthetic_home: {recordings} recordings of each of {subjects} subjects; "
            f"there are 1..99 of at most {script.SUBJECTS}"
        )


def write_home(
    out: str | pathlib.Path, *, frames_per_second: float = 10.0, **options
) -> None:
    """Write the data set as MultiSensor-Home is distributed.

    Args:
      out: folder to make, see `home.folder.write`.
      frames_per_second: of the videos, a multiple of 2.5.
      **options: of `load`.

    Raises:
      DataError: if an option is not one of those, or the folder is not empty.
    """
    folder.write(out, load(**options), rate=frames_per_second)


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: `.npz` files that together hold the arrays `rgb`, frames uint8
        [L V H W 3] at 2.5 a second, and `audio` [samples V] of 16 kHz, or one of them.

    Returns:
      The raw example without labels, of V views.

    Raises:
      DataError: if a file is anything else.
    """
    found = npz.read(paths, shapes=SHAPES, dataset="synthetic_home")
    counts = {name: found[name].shape[1] for name in SHAPES if name in found}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise DataError(f"{paths[0]}: the numbers of views are {counts}")
    count = next(iter(counts.values()))
    return {
        "key": found["key"],
        "view_ids": np.arange(1, 1 + count, dtype=np.int32),
        "view_mask": np.ones(count, np.float32),
        "views": tuple(
            {"key": f"{found['key']}_c{i + 1}"}
            | {name: found[name][:, i] for name in counts}
            for i in range(count)
        ),
    }


def write_recording(path: str | pathlib.Path, example: Example) -> None:
    """Write the views of an example as `read_recording` reads them.

    Args:
      path: a file that does not exist yet.
      example: with `views`.

    Raises:
      DataError: if the file exists, which is never overwritten, or cannot be written.
    """
    views = example["views"]
    whole = {
        name: np.stack([view[name][np.arange(len(view[name]))] for view in views], 1)
        for name in SHAPES
        if name in views[0]
    }
    npz.write(path, whole, shapes=SHAPES)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the data set to a folder, or with `--index` one example to a file.

    Args:
      arguments: of the command line.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if any(argument.startswith("--index") for argument in arguments):
        npz.command(load, write_recording, arguments)
        return
    parser = argparse.ArgumentParser(
        description="Write the data set as MultiSensor-Home is distributed; with "
        "--index, see --index=0 --help, one example to a file."
    )
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--frames_per_second", type=float, default=10.0)
    parser.add_argument("--overlap", default="half", help="all, half or few")
    for name, default in (
        *(("cameras", 5), ("size", 128), ("seed", 0)),
        *(("subjects", 18), ("recordings_per_subject", 10)),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = vars(parser.parse_args(arguments))
    try:
        write_home(options.pop("out"), **options)
    except DataError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
