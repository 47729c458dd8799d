"""The raw files of PKU-MMD phase 1: videos listed, splits and labels read."""

import itertools
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_pipelines import raw
from data_pipelines.errors import DataError
from data_pipelines.pku_names import CLASSES, SIZES, by_rule, parse
from data_pipelines.twins import MODALITIES, TOLERANCE

LABELS = "Train_Label_PKU_final"
SPLIT_FILE = re.compile(r"cross[-_ ]?(view|subject)(_v\d+)?\.txt", re.IGNORECASE)
PROTOCOLS = {"cview": "view", "csub": "subject"}
"""Protocol -> what the name of its split file says."""


class Splits(NamedTuple):
    """Which videos train and which test.

    Attributes:
      files: protocol -> the split file that was found.
      sides: protocol -> name of a video -> "train" or "test", as the file says.
    """

    files: dict[str, pathlib.Path]
    sides: dict[str, dict[str, str]]

    @property
    def names(self) -> set[str]:
        """All videos that the files name."""
        return set(itertools.chain.from_iterable(self.sides.values()))

    def of(self, name: str) -> dict[str, str]:
        """Protocol -> the side of a video, by the rule where there is no file."""
        ruled = {p: by_rule(name, p) for p in SIZES if p not in self.files}
        given = {p: side[name] for p, side in self.sides.items() if name in side}
        return ruled | given

    def lacking(self, name: str) -> list[str]:
        """A sentence on each protocol whose file does not name a video."""
        return [
            f"{path}: {name} is not in it and so in no split of {protocol}"
            for protocol, path in self.files.items()
            if name not in self.sides[protocol]
        ]


class Instances(NamedTuple):
    """What a label file says.

    Attributes:
      found: [label, start, end] of every action, as the file has them, in its order.
      faults: sentences on lines that cannot be used.
      notes: what had to be put right.
    """

    found: list[list[int]]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the videos of the official layout.

    Args:
      raw_dir: folder with `RGB_VIDEO`, `IR_VIDEO` and `Train_Label_PKU_final`.

    Returns:
      The videos that have both files, labels and a side in a split, and why others
      cannot be used; missing are those that only a split or a label file names. The
      details of a recording are its `sides`, `labels`, the path of its label file, and
      `faults`, on protocols that it is not part of.

    Raises:
      DataError: if a folder is missing, or a split file is not what its name says.
    """
    catalogue = raw.Catalogue(MODALITIES)
    for modality in MODALITIES:
        for path in raw.listing(raw_dir / f"{modality.upper()}_VIDEO", "*"):
            name = path.name.removesuffix(".avi")
            try:
                parse(name)
            except DataError as error:
                catalogue.refuse(path, str(error))
                continue
            catalogue.add(modality, name, path)
    labels = {path.stem for path in raw.listing(raw_dir / LABELS, "*-[LMR].txt")}
    splits = find_splits(raw_dir)

    def make(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
        details = {
            "sides": splits.of(key),
            "labels": str(raw_dir / LABELS / f"{key}.txt"),
            "faults": splits.lacking(key),
        }
        return raw.Recording(key, 0, parse(key).number, details, paths)

    found = catalogue.found(make, required=MODALITIES, grid=splits.names | labels)
    usable, faults = [], dict(found.faults)
    for recording in found.recordings:
        details = recording.details
        if recording.key not in labels:
            faults[recording.key] = f"{details['labels']}: there is no such file"
        elif not details["sides"]:
            faults[recording.key] = "; ".join(details["faults"])
        else:
            usable.append(recording)
    return found._replace(recordings=usable, faults=faults)


def find_splits(raw_dir: pathlib.Path) -> Splits:
    """Read the split files, which may lie in a folder of the raw folder.

    Args:
      raw_dir: to look in.

    Returns:
      The sides of each protocol that has a file.

    Raises:
      DataError: if a file is not a split file, or two of one protocol disagree.
    """
    found = Splits({}, {})
    for path in raw.listing(raw_dir, "*.txt") + raw.listing(raw_dir, "*/*.txt"):
        match = SPLIT_FILE.fullmatch(path.name)
        if not match:
            continue
        (protocol,) = (p for p, word in PROTOCOLS.items() if word == match[1].lower())
        sides = read_split(path)
        if found.sides.setdefault(protocol, sides) != sides:
            raise DataError(
                f"{path}: another split than {found.files[protocol]} has; keep the one "
                "of phase 1 in the raw folder"
            )
        found.files.setdefault(protocol, path)
    return found


def read_split(path: pathlib.Path) -> dict[str, str]:
    """Read one split file.

    Args:
      path: of four lines: a title, the names of the training videos separated by
        commas, a title, and those of the test videos.

    Returns:
      Name of a video -> "train" or "test".

    Raises:
      DataError: if it is not such a file, or a video is on both sides.
    """
    lines = [line for line in raw.text(path).splitlines() if line.strip()]
    if len(lines) != 4:
        raise DataError(
            f"{path}: not a split file, it has {len(lines)} lines and not a title and "
            "names for training, a title and names for validation"
        )
    sides: dict[str, str] = {}
    for side, line in (("train", lines[1]), ("test", lines[3])):
        for name in filter(None, map(str.strip, line.split(","))):
            try:
                parse(name)
            except DataError as error:
                raise DataError(f"{path}: {error}") from error
            if sides.setdefault(name, side) != side:
                raise DataError(f"{path}: {name} is on both sides")
    return sides


def read_labels(path: pathlib.Path, frames: int) -> Instances:
    """Read one label file.

    Two actions at one time cannot be: of intervals that overlap, whether their labels
    are the same or not, the one that starts later is left out as a fault. The frame
    `end` is taken for the one after the last, so that intervals may touch.

    Args:
      path: of lines `label,start,end,confidence`, label from 1, the others in frames.
      frames: that both videos have. An interval may reach past them by `TOLERANCE`, as
        the videos may differ by that, which is noted; whoever reads it stops there.

    Returns:
      The intervals, and a sentence on each line that cannot be used.

    Raises:
      DataError: if the file is absent, empty or not text.
    """
    valid, faults, notes = {}, {}, []
    for number, line in enumerate(raw.text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            valid[number] = _interval(line, frames)
        except DataError as error:
            faults[number] = f"{path}: line {number} {error}"
            continue
        past = valid[number][2] - frames
        if past > 0:
            notes.append(f"{path}: line {number} reaches {past} frames past the video")
    for number, earlier in _overlapping(valid).items():
        same = valid[number][0] == valid[earlier][0]
        which = "the same" if same else "another"
        faults[number] = (
            f"{path}: line {number} overlaps line {earlier} of {which} action"
        )
    valid = {number: valid[number] for number in valid if number not in faults}
    sentences = tuple(faults[number] for number in sorted(faults))
    return Instances(list(valid.values()), sentences, tuple(notes))


def _interval(line: str, frames: int) -> list[int]:
    """Label, start and end of one line."""
    kinds = (int, int, int, float)
    try:
        values = [k(text) for k, text in zip(kinds, line.split(","), strict=True)]
    except ValueError as error:
        raise DataError(
            f"is not label,start,end,confidence: {line.strip()[:40]!r}"
        ) from error
    label, start, end, _ = values
    if not 1 <= label <= len(CLASSES):
        raise DataError(f"has the label {label}, not one of 1 to {len(CLASSES)}")
    if start >= end:
        raise DataError(f"starts at frame {start} and ends at frame {end}")
    if start < 0 or start >= frames or end > frames + TOLERANCE:
        raise DataError(
            f"goes from frame {start} to {end}, but the video has {frames} frames"
        )
    return [label, start, end]


def _overlapping(intervals: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Line -> the earlier line that it overlaps, of lines with label, start and end."""
    kept: list[int] = []
    found: dict[int, int] = {}
    for number in sorted(intervals, key=lambda n: (intervals[n][1], n)):
        # In the order of their starts, only the last one kept can reach this far.
        if kept and intervals[kept[-1]][2] > intervals[number][1]:
            found[number] = kept[-1]
        else:
            kept.append(number)
    return found
