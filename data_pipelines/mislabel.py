"""Wrong labels in training, as of somebody who labelled recordings in haste."""

import dataclasses
from collections.abc import Callable

from data_pipelines.dataset import Dataset, Example, Label, Row, Source, rows
from data_pipelines.errors import DataError
from data_pipelines.person.style import stream


@dataclasses.dataclass(frozen=True)
class Relabelled:
    """The examples of `source` with labels of their own, in its order."""

    source: Source
    labels: tuple[Label, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Example:
        return {**self.source[index], "label": self.labels[index]}

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return [
            row._replace(label=label)
            for row, label in zip(rows(self.source), self.labels, strict=True)
        ]


def mislabel(
    dataset: Dataset,
    share: float,
    *,
    seed: int,
    shown: Callable[[str], str] = str,
) -> Dataset:
    """Gives training examples a wrong label each with one probability.

    The wrong label is any other class, all of them alike: symmetric label noise.

    Args:
      dataset: with a split "train" of examples that have one label; the other splits
        keep the right ones.
      share: probability of a wrong label, from 0, which leaves the data set as it is,
        to below 1.
      seed: of the draws. An example's draw depends on nothing else than this and what it
        shows, so that fewer examples do not change the labels of those that stay.
      shown: what an example of a key shows; recordings of one performance by several
        cameras are right or wrong together.

    Returns:
      The data set with "train" relabelled.

    Raises:
      DataError: if the share is no such number, or there is no other class.
    """
    classes = len(dataset.classes)
    if not 0.0 <= share < 1.0:
        raise DataError(f"{dataset.name}: {share} of the labels cannot be wrong")
    if share and classes < 2:
        raise DataError(f"{dataset.name}: of one class no label can be wrong")
    if not share:
        return dataset

    def given(row: Row) -> int:
        rng = stream(seed, shown(row.key), "mislabelled")
        wrong, by = rng.random() < share, int(rng.integers(1, classes))
        return (row.label + by) % classes if wrong else row.label

    train = dataset.splits["train"]
    relabelled = Relabelled(train, tuple(map(given, rows(train))))
    return dataset._replace(splits={**dataset.splits, "train": relabelled})
