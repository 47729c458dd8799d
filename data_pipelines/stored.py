"""Prepared data sets: found on disk, opened, split by protocol."""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from data_pipelines import builder, video
from data_pipelines.dataset import Dataset, Example, Row, check, hold_out, label_of
from data_pipelines.errors import DataError

Entry = Mapping[str, Any]
"""Of the index: `key`, `label`, `subject`, `modalities` and what protocols go by."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """A prepared data set before a protocol splits it."""

    name: str
    folder: str
    index: tuple[Entry, ...]
    report: dict[str, Any]

    def having(self, *modalities: str) -> tuple[Entry, ...]:
        """The recordings that have all of some modalities; an error if none has."""
        chosen = tuple(
            entry for entry in self.index if set(modalities) <= set(entry["modalities"])
        )
        if not chosen:
            built = sorted({m for entry in self.index for m in entry["modalities"]})
            raise DataError(
                f"{self.name}: no recording in {self.folder} has "
                f"{' and '.join(modalities)}, it was built with {', '.join(built)}"
            )
        return chosen


@dataclasses.dataclass(frozen=True)
class Records:
    """Raw examples read from ArrayRecord.

    Attributes:
      folder: of the prepared data set.
      entries: of the examples, each with its `position` in the file.
      fields: modality of the example -> stored field.
    """

    folder: str
    entries: tuple[Entry, ...]
    fields: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Example:
        entry = self.entries[index]
        names = frozenset(self.fields.values())
        record = _records(self.folder, names)[entry["position"]]
        if record["key"].decode() != entry["key"]:
            raise DataError(
                f"{self.folder}: record {entry['position']} is "
                f"{record['key'].decode()}, not {entry['key']}: prepare it again"
            )
        example: Example = self._row(entry)._asdict()
        for name, field in self.fields.items():
            example[name] = record[field]
            if f"{field}_ends" in record:
                example[name] = video.frames(field, record)
            if f"{field}_time" in record:
                example[f"{name}_time"] = record[f"{field}_time"]
        return example

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return [self._row(entry) for entry in self.entries]

    @staticmethod
    def _row(entry: Entry) -> Row:
        return Row(entry["key"], label_of(entry["label"]), entry["subject"])


def data_home(data_dir: str | os.PathLike | None = None) -> pathlib.Path:
    """Where prepared data sets are kept.

    Args:
      data_dir: a folder, or None for `$KDJAX_DATA_HOME` and, without it,
        `~/kdjax_data`.

    Returns:
      The folder.
    """
    chosen = data_dir or os.environ.get("KDJAX_DATA_HOME") or "~/kdjax_data"
    return pathlib.Path(chosen).expanduser()


def folder_of(name: str, data_dir: str | os.PathLike | None = None) -> pathlib.Path:
    """Where one prepared data set is kept.

    Args:
      name: of the data set.
      data_dir: see `data_home`.

    Returns:
      The folder, which need not exist.
    """
    return data_home(data_dir) / name / str(builder.RecordingsBuilder.VERSION)


def open_built(name: str, data_dir: str | os.PathLike | None = None) -> Stored:
    """Open a prepared data set.

    Args:
      name: of the data set.
      data_dir: see `data_home`.

    Returns:
      Its index and report.

    Raises:
      DataError: if it is not prepared (with the command that does), or damaged.
    """
    folder = folder_of(name, data_dir)
    if not folder.is_dir():
        raise DataError(
            f"{name} is not prepared in {data_home(data_dir)}; run: python -m "
            f"data_pipelines.prepare --dataset={name} --raw_dir=RAW_FOLDER "
            f"--data_dir={data_home(data_dir)}"
        )
    try:
        report = json.loads((folder / builder.REPORT).read_text())
        index = json.loads((folder / "metadata.json").read_text())[builder.INDEX]
        _records.cache_clear()  # the folder may have been built anew
        records = _readable(str(folder))
    # Readers of damaged files raise whatever their libraries do.
    except Exception as error:
        raise DataError(
            f"{folder} is not a complete build ({error}); move it away and prepare "
            f"{name} again"
        ) from error
    if records != len(index):
        raise DataError(
            f"{folder} holds {records} records of {len(index)}; move it away and "
            f"prepare {name} again"
        )
    entries = tuple({**entry, "position": i} for i, entry in enumerate(index))
    return Stored(name, str(folder), entries, report)


def split(
    stored: Stored,
    entries: Sequence[Entry],
    train: Sequence[bool],
    *,
    classes: Sequence[str],
    topology: str,
    fields: Mapping[str, str],
    sizes: Collection[tuple[int, int]] = (),
    holdout: Collection[int] = (),
    disjoint: bool = True,
) -> Dataset:
    """Split recordings into training and test examples.

    Args:
      stored: the prepared data set.
      entries: of the recordings that the protocol uses.
      train: of each, whether it is one to train on.
      classes: names of the labels.
      topology: layout of the joints.
      fields: modality of an example -> stored field.
      sizes: the (training, test) sizes that the protocol can have; none allows any.
      holdout: training subjects for the split "val".
      disjoint: whether training and test share no subject.

    Returns:
      The data set, checked.

    Raises:
      DataError: if the sizes are others, or `dataset.check` refuses it.
    """
    sides = {
        side: tuple(e for e, t in zip(entries, train) if t == (side == "train"))
        for side in ("train", "test")
    }
    got = len(sides["train"]), len(sides["test"])
    if sizes and got not in sizes:
        raise DataError(_wrong_size(stored, got, next(iter(sizes))))
    splits = {
        side: Records(stored.folder, chosen, fields) for side, chosen in sides.items()
    }
    whole = Dataset(stored.name, tuple(classes), splits, topology, tuple(fields))
    return check(hold_out(check(whole, disjoint=disjoint), holdout), disjoint=False)


def random_half(count: int, *, seed: int) -> list[bool]:
    """Choose half of the trials at random, the odd one for training.

    Args:
      count: of trials.
      seed: of the choice.

    Returns:
      Of each trial, whether it is one to train on.
    """
    # Ranks of raw bits: NumPy promises that stream to be the same in every version.
    ranks = np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
    chosen = np.zeros(count, bool)
    chosen[ranks[: (count + 1) // 2]] = True
    return chosen.tolist()


def _wrong_size(
    stored: Stored, got: tuple[int, int], published: tuple[int, int]
) -> str:
    lost = [entry["key"] for entry in stored.report["skipped"]]
    lost += stored.report["missing"]
    named = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
    return (
        f"{stored.name} has {got[0]} training and {got[1]} test trials, the protocol "
        f"{published[0]} and {published[1]}; strict=False takes what there is"
        + (f" (missing: {named})" if lost else "")
    )


@functools.lru_cache(maxsize=16)
def _records(folder: str, fields: frozenset[str] = frozenset()) -> Sequence[Any]:
    """The records, of which only some fields are decoded; all, where none is named."""
    # Kept here and not in the source, which then pickles as a name.
    built = tfds.builder_from_directory(folder)
    # Parts of a field: its time stamps, the ends of its frames.
    wanted = {f"{field}{part}" for field in fields for part in ("", "_time", "_ends")}
    skipped = set(built.info.features) - wanted - {"key"} if fields else ()
    # What is not asked for, above all video, must not slow down what is.
    decoders = {name: tfds.decode.SkipDecoding() for name in skipped}
    return built.as_data_source(split=builder.SPLIT, decoders=decoders or None)


def _readable(folder: str) -> int:
    """The number of records, having read one of each file and the last."""
    records = _records(folder)
    lengths = records.dataset_info.splits[builder.SPLIT].shard_lengths
    starts = np.cumsum([0, *lengths[:-1]])
    for position in (*starts.tolist(), len(records) - 1):
        records[position]
    return len(records)
