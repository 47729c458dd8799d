"""A data set: named splits of examples, read by index and paired by key.

An example is a dict with `key`, `label`, `subject` and one array a modality, each
with its own number of frames (see `data_pipelines.transforms.align`). What protocols
ask for, subjects above all, is known of every example without decoding it: `rows`.
"""

import collections
import dataclasses
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, Protocol

import numpy as np

from data_pipelines.errors import DataError

Example = dict[str, Any]
Label = int | tuple[int, ...]
"""A class from 0, or the classes that occur, of data whose examples show several."""


class Source(Protocol):
    """Examples by index: picklable, safe to read from several threads."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


class Transform(Protocol):
    """A function of examples that can be fixed or random.

    One that has `opened` makes with it, once, what a held example needs at every draw.
    """

    def __call__(self, example: Example) -> Example:
        """What is made of an example without chance."""

    def draw(self, example: Example, rng: np.random.RandomState) -> Example:
        """What is made of it with a random stream of its own."""


class Row(NamedTuple):
    """What is known of an example before it is decoded."""

    key: str
    label: Label
    subject: int


class Dataset(NamedTuple):
    """A named data set with its splits.

    Attributes:
      name: of the data set.
      classes: one name a label.
      splits: "train", "test" and, where subjects are held out, "val".
      topology: layout of the joints, "kinect_v1", "kinect_v2" or "coco".
      modalities: what every example carries, such as ("skeleton", "inertial").
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, Source]
    topology: str
    modalities: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Subset:
    """The examples of `source` at `indices`, in that order."""

    source: Source
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        return self.source[self.indices[index]]

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        every = rows(self.source)
        return [every[i] for i in self.indices]


def rows(source: Source) -> list[Row]:
    """Key, label and subject of every example, decoding only if it must.

    Args:
      source: examples; an attribute `rows` saves reading them all.

    Returns:
      One `Row` an example, in the source's order.
    """
    known = getattr(source, "rows", None)
    if known is not None:
        return list(known)
    examples = (source[i] for i in range(len(source)))
    return [
        Row(e["key"], label_of(e["label"]), int(e.get("subject", -1))) for e in examples
    ]


def label_of(value: Any) -> Label:
    """A label as `Row` has it.

    Args:
      value: a number, or several; JSON holds a tuple as a list.

    Returns:
      An int or a tuple of ints.
    """
    return tuple(map(int, value)) if isinstance(value, list | tuple) else int(value)


def subset(source: Source, keep: Callable[[Row], bool]) -> Subset:
    """The examples whose row satisfies `keep`.

    Args:
      source: examples.
      keep: says of a row whether its example stays.

    Returns:
      Those examples, in the source's order.
    """
    return Subset(source, tuple(i for i, row in enumerate(rows(source)) if keep(row)))


def hold_out(dataset: Dataset, subjects: Collection[int]) -> Dataset:
    """Move training subjects into a split "val".

    Args:
      dataset: with a split "train".
      subjects: of the training split; none leaves the data set as it is.

    Returns:
      The data set with "train" shortened and "val" added.

    Raises:
      DataError: if a subject is not one of the training split, or all of them are.
    """
    if not subjects:
        return dataset
    train = _train_with(dataset, subjects, "hold out")
    splits = {
        "train": subset(train, lambda row: row.subject not in subjects),
        "val": subset(train, lambda row: row.subject in subjects),
        **{k: v for k, v in dataset.splits.items() if k != "train"},
    }
    return dataset._replace(splits=splits)


def keep_training(dataset: Dataset, subjects: Collection[int]) -> Dataset:
    """Learn from some of the training subjects only.

    Args:
      dataset: with a split "train".
      subjects: of the training split; none leaves the data set as it is.

    Returns:
      The data set with "train" shortened.

    Raises:
      DataError: if a subject is not one of the training split.
    """
    if not subjects:
        return dataset
    train = _train_with(dataset, subjects, "learn from")
    kept = subset(train, lambda row: row.subject in subjects)
    return dataset._replace(splits={**dataset.splits, "train": kept})


def _train_with(dataset: Dataset, subjects: Collection[int], what: str) -> Source:
    """The training split; DataError where one of the subjects is not in it."""
    train = dataset.splits["train"]
    known = {row.subject for row in rows(train)}
    if missing := sorted(set(subjects) - known):
        raise DataError(
            f"{dataset.name}: cannot {what} subject {missing[0]}, the training "
            f"subjects are {sorted(known)}"
        )
    return train


def check(dataset: Dataset, *, disjoint: bool = True) -> Dataset:
    """Refuse a data set that would train or evaluate on something else than it says.

    Args:
      dataset: to look through.
      disjoint: whether the splits must not share a subject.

    Returns:
      The data set itself.

    Raises:
      DataError: on an empty split, a key that occurs twice, a label without a class,
        no label where there may be several or, with `disjoint`, a subject in two splits.
    """
    every = {name: rows(source) for name, source in dataset.splits.items()}
    for name, split in every.items():
        if not split:
            raise DataError(f"{dataset.name}: the split {name!r} is empty")
        for row in split:
            labels = row.label if isinstance(row.label, tuple) else (row.label,)
            if not labels or min(labels) < 0 or max(labels) >= len(dataset.classes):
                raise DataError(
                    f"{dataset.name}: {row.key} has label {row.label}, there are "
                    f"{len(dataset.classes)} classes"
                )
    _refuse_repeated_keys(dataset.name, every)
    if disjoint:
        _refuse_shared_subjects(dataset.name, every)
    return dataset


def _refuse_repeated_keys(name: str, every: dict[str, list[Row]]) -> None:
    seen: dict[str, str] = {}
    for split, split_rows in every.items():
        for row in split_rows:
            if row.key in seen:
                raise DataError(
                    f"{name}: the key {row.key!r} occurs twice, in the split "
                    f"{seen[row.key]!r} and in {split!r}"
                )
            seen[row.key] = split


def _refuse_shared_subjects(name: str, every: dict[str, list[Row]]) -> None:
    where = collections.defaultdict(list)
    for split, split_rows in every.items():
        for subject in {row.subject for row in split_rows}:
            where[subject].append(split)
    for subject, splits in sorted(where.items()):
        if len(splits) > 1:
            raise DataError(
                f"{name}: subject {subject} is in the splits {' and '.join(splits)}"
            )
