"""The embedded person before several cameras: pictures, infrared ones, and poses.

The same people as of `synthetic`, performing the same way. Some classes are one and the
same movement with another thing in the hand, so that poses cannot tell them apart and
pictures can; others differ in movement alone.

A recording to try prediction on:

    python -m data_pipelines.datasets.synthetic_views --index=3 --out=recording.npz
"""

import dataclasses
import functools
import pathlib
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import npz
from data_pipelines.dataset import (
    Dataset,
    Example,
    Row,
    check,
    hold_out,
    keep_training,
)
from data_pipelines.datasets import synthetic
from data_pipelines.errors import DataError
from data_pipelines.mislabel import mislabel
from data_pipelines.person import body, film
from data_pipelines.person.performance import Performance
from data_pipelines.views import Place, alone, grouped

CLASSES = (
    *("drink", "eat", "brush_teeth", "wave_right", "wave_both", "knock"),
    *("punch_right", "throw_right", "kick_left", "kick_right"),
)
PROTOCOLS = ("csub", "cview")
SHAPES = {
    "joints": (1, len(body.JOINTS), 3),
    "rgb": ("H", "W", 3),
    "ir": ("H", "W", 1),
}
"""Of one frame of each modality."""
COARSER = 2
"""Pixels of a picture in colour a pixel of an infrared one, either way."""


@dataclasses.dataclass(frozen=True)
class Filmed:
    """Recordings of one camera each, made when they are read.

    Attributes:
      performances: what is filmed.
      cameras: numbers of those whose recordings these are.
      count: of all cameras.
      size: width and height of a picture in pixels.
      modalities: some of those of `SHAPES`.
    """

    performances: synthetic.Performances
    cameras: tuple[int, ...]
    count: int
    size: int
    modalities: tuple[str, ...] = ("joints", "rgb")

    def __len__(self) -> int:
        return len(self.performances) * len(self.cameras)

    def __getitem__(self, index: int) -> Example:
        number, camera = self._place(index)
        shown, places = _shots(self.performances, number)
        seen_by = film.camera(camera, self.count, size=self.size)
        coarse = film.camera(camera, self.count, size=self.size // COARSER)
        make = {
            "joints": lambda: film.pose(shown, places, seen_by, camera),
            "rgb": lambda: film.Film(shown, places, seen_by, camera),
            "ir": lambda: film.Infrared(shown, places, coarse, camera),
        }
        made = {name: make[name]() for name in self.modalities}
        return {**self.rows[index]._asdict(), **made}

    @functools.cached_property
    def rows(self) -> list[Row]:
        """Key, label and subject of every recording."""
        every = self.performances.rows
        places = map(self._place, range(len(self)))
        return [
            every[number]._replace(key=f"{every[number].key}_c{camera}")
            for number, camera in places
        ]

    def _place(self, index: int) -> tuple[int, int]:
        number, camera = divmod(range(len(self))[index], len(self.cameras))
        return number, self.cameras[camera]


# The cameras of one performance are read one after the other.
@functools.lru_cache(maxsize=64)
def _shots(
    performances: synthetic.Performances, number: int
) -> tuple[Performance, np.ndarray]:
    shown = performances.performance_of(number)
    return shown, film.shots(shown)


def place(key: str) -> Place:
    """The performance and the camera of a recording.

    Args:
      key: as drink_s1_t2_c3.

    Returns:
      ("drink_s1_t2", 3).
    """
    name, _, camera = key.rpartition("_c")
    return Place(name, int(camera))


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "csub",
    modalities: tuple[str, ...] = ("joints", "rgb"),
    views: int = 3,
    main_view: str = "each",
    cameras: int = 3,
    size: int = 48,
    holdout: Collection[int] = (),
    train_subjects: Collection[int] = (),
    mislabelled: float = 0.0,
    seed: int = 0,
    subjects: int = 20,
    trials_per_subject: int = 2,
    classes: Sequence[str] = CLASSES,
) -> Dataset:
    """Make the data set.

    Args:
      data_dir: for likeness with other data sets; nothing is read.
      protocol: "csub" trains on subjects with odd numbers and tests on the others,
        "cview" tests on the last camera and trains on the others.
      modalities: some of "joints", "rgb" and "ir", which is infrared.
      views: V of a training example; test examples have one.
      main_view: "each" or "fixed_last", see `views.group`.
      cameras: how many stand around the person.
      size: width and height of a picture in pixels.
      holdout: training subjects to move into a split "val".
      train_subjects: those of the training split that are learnt from, which leaves the
        other splits as they are; all where there are none.
      mislabelled: share of the training performances whose label is wrong, see
        `data_pipelines.mislabel`.
      seed: another one makes other people.
      subjects: how many, numbered from 1.
      trials_per_subject: of each action.
      classes: actions, in the order of their labels.

    Returns:
      Splits of examples with `views`, each with `joints` [T 1 25 3] (pixels, score),
      `rgb`, frames uint8 [T H W 3], and `ir`, frames uint8 [T H/2 W/2 1].

    Raises:
      DataError: if an option is not one of those, or a split would be empty.
    """
    del data_dir
    if not modalities or not set(modalities) <= set(SHAPES):
        raise DataError(
            f"synthetic_views has {', '.join(SHAPES)}, not {list(modalities)}"
        )
    if protocol not in PROTOCOLS:
        raise DataError(f"synthetic_views has the protocols {PROTOCOLS}: {protocol!r}")
    if cameras < 1 or (cameras < 2 and protocol == "cview") or not 16 <= size <= 512:
        raise DataError(
            f"synthetic_views: {cameras} cameras with pictures of {size} pixels; there "
            "is at least one to train on and one to test on, and pictures have 16..512"
        )
    people = synthetic.load(
        seed=seed,
        subjects=subjects,
        trials_per_subject=trials_per_subject,
        classes=classes,
    )
    every = tuple(range(1, cameras + 1))
    if protocol == "csub":
        splits = {
            side: Filmed(source, every, cameras, size, tuple(modalities))
            for side, source in people.splits.items()
        }
    else:
        source = dataclasses.replace(
            people.splits["train"], subjects=tuple(range(1, subjects + 1))
        )
        sides = {"train": every[:-1], "test": every[-1:]}
        splits = {
            side: Filmed(source, who, cameras, size, tuple(modalities))
            for side, who in sides.items()
        }
    whole = Dataset(
        "synthetic_views", people.classes, splits, people.topology, tuple(modalities)
    )
    whole = keep_training(whole, train_subjects)
    held = hold_out(check(whole, disjoint=protocol == "csub"), holdout)
    held = mislabel(
        held, mislabelled, seed=seed, shown=lambda key: place(key).performance
    )
    return grouped(check(held, disjoint=False), place, views=views, main_view=main_view)


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: `.npz` files that together hold the arrays `joints` [T 1 25 3] (pixels,
        score), `rgb`, frames uint8 [T H W 3], and `ir`, frames uint8 [T H W 1], or some
        of them.

    Returns:
      The raw example without label, of one view.

    Raises:
      DataError: if a file is anything else.
    """
    return alone(npz.read(paths, shapes=SHAPES, dataset="synthetic_views"))


def write_recording(path: str | pathlib.Path, example: Example) -> None:
    """Write the main view of an example as `read_recording` reads it.

    Args:
      path: a file that does not exist yet.
      example: with `views`.

    Raises:
      DataError: if the file exists, which is never overwritten, or cannot be written.
    """
    main_view = example["views"][-1]
    painted = {
        name: main_view[name][np.arange(len(main_view[name]))]
        for name in SHAPES
        if name in main_view
    }
    npz.write(path, painted, shapes=SHAPES)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one example to a file.

    Args:
      arguments: of the command line.
    """
    npz.command(
        functools.partial(load, modalities=tuple(SHAPES)), write_recording, arguments
    )


if __name__ == "__main__":
    main()
