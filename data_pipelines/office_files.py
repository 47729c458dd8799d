"""The raw files of MM-Office: cameras and microphones paired, labels read."""

import csv
import pathlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from data_pipelines import raw, tricks
from data_pipelines.errors import DataError

CLASSES = (
    *("eat", "tele", "chat", "meeting", "takeout", "prepare", "handout", "enter"),
    *("exit", "stand up", "sit down", "phone"),
)
"""Names of the classes 1 to 12, as the public code of MultiASL has them."""
CAMERAS, MICROPHONES = range(4), range(8)
NAME = re.compile(r"split\d+_id(\d+)_s\d+_(recid\d+(?:_(?:0|1|front|back))?)", re.ASCII)
DIVISIONS = {"front": "0", "back": "1"}
"""Other names of the halves of a recording."""
SIDES = ("train", "test")


class Key(NamedTuple):
    """A clip: the number of its recording and, of a half, "0" or "1", else ""."""

    recording: int
    division: str

    def __str__(self) -> str:
        half = f"_{self.division}" if self.division else ""
        return f"recid{self.recording:03}{half}"


def key_of(text: str) -> Key:
    """The clip that a name is of.

    Args:
      text: as recid010_0, recid008 or recid008_front.

    Returns:
      Its number and half.

    Raises:
      DataError: if it is no such name.
    """
    match = re.fullmatch(r"recid(\d+)(?:_(0|1|front|back))?", text.strip(), re.ASCII)
    if not match:
        raise DataError(f"{text.strip()!r} is not the name of a clip of MM-Office")
    half = match[2] or ""
    return Key(int(match[1]), DIVISIONS.get(half, half))


def sensor(path: pathlib.Path) -> tuple[Key, int]:
    """The clip and the sensor that a file is of.

    Args:
      path: as split0_id02_s05_recid010_0.wav.

    Returns:
      The clip, and the number of the camera or microphone.

    Raises:
      DataError: if it is no such file.
    """
    match = NAME.fullmatch(path.stem)
    if not match:
        raise DataError(f"{path.name}: not the name of a file of MM-Office")
    return key_of(match[2]), int(match[1])


def modality(path: pathlib.Path) -> tuple[Key, str]:
    """The clip of a file and its modality, "cam0" to "cam3" or "mic0" to "mic7".

    Args:
      path: of an `.mp4` or a `.wav` file.

    Returns:
      Clip and modality.

    Raises:
      DataError: if it is no such file.
    """
    key, number = sensor(path)
    kind, numbers = {".mp4": ("cam", CAMERAS), ".wav": ("mic", MICROPHONES)}.get(
        path.suffix, ("", ())
    )
    if number not in numbers:
        raise DataError(f"{path.name}: there is no such sensor in MM-Office")
    return key, f"{kind}{number}"


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the clips of the official layout.

    Args:
      raw_dir: folder with `audio`, `video` and `label`; the lists of clips of MultiASL,
        `split_train.txt` and `split_test.txt`, may be there too.

    Returns:
      The clips that have a camera and labels. A sensor that is missing is a fault of
      its clip. The details of a recording are `side`, the folder it was in, `list`, the
      list of MultiASL that it is in, or "", and `instances`, class, start and end of
      every event in the unit of the file, None for training clips.

    Raises:
      DataError: if a folder or a label file is missing or not what its name says.
    """
    catalogue, sides = _files(raw_dir)
    weak, lists = _weak(raw_dir / "label" / "trainlabel"), _lists(raw_dir)
    recordings, faults, files = [], dict(catalogue.faults), catalogue.files
    for key, side in sorted(sides.items()):
        paths = {m: files[m][str(key)] for m in files if str(key) in files[m]}
        absent = [f"no {m}" for m in files if m not in paths]
        try:
            if not any(m.startswith("cam") for m in paths):
                raise DataError("no camera has a file of it")
            label, instances = (
                (_weak_label(key, weak), None)
                if side == "train"
                else _strong(raw_dir / "label" / "testlabel", key)
            )
        except DataError as error:
            faults[str(key)] = f"{key}: {error}"
            continue
        if absent:
            faults[str(key)] = f"{key}: {', '.join(absent)} file"
        details = {"side": side, "list": lists.get(key, ""), "instances": instances}
        recordings.append(raw.Recording(str(key), label, key.recording, details, paths))
    missing = [str(key) for key in sorted(lists.keys() - sides.keys())]
    counts = {m: len(found) for m, found in files.items()}
    return raw.Found(recordings, faults, missing, counts)


def _files(raw_dir: pathlib.Path) -> tuple[raw.Catalogue, dict[Key, str]]:
    """The files of all sensors, and the folder that each clip is in."""
    names = [f"cam{n}" for n in CAMERAS] + [f"mic{n}" for n in MICROPHONES]
    catalogue, sides = raw.Catalogue(names), {}
    for side in SIDES:
        for kind in ("video", "audio"):
            for path in raw.listing(raw_dir / kind / side, "*"):
                try:
                    key, name = modality(path)
                except DataError as error:
                    catalogue.refuse(path, str(error))
                    continue
                if sides.setdefault(key, side) != side:
                    catalogue.refuse(path, f"{key} is in {sides[key]} too")
                    continue
                catalogue.add(name, str(key), path)
    return catalogue, sides


def _weak_label(key: Key, weak: dict[tuple[int, str], tuple[int, ...]]) -> tuple:
    label = weak.get((key.recording, key.division))
    if label is None:
        raise DataError("recinfo.csv and eventinfo.csv do not say what happens in it")
    if not label:
        raise DataError("nothing happens in it, by eventinfo.csv")
    return label


def _weak(folder: pathlib.Path) -> dict[tuple[int, str], tuple[int, ...]]:
    """(recording, division) -> the classes that occur, from 0."""
    events = {}
    path = folder / "eventinfo.csv"
    columns = [f"class{n}" for n in range(1, len(CLASSES) + 1)]
    for row in _table(path, ("sceneid", "patternid", "division", *columns)):
        shown = [k for k, name in enumerate(columns) if row[name] > 0]
        events[row["sceneid"], row["patternid"], row["division"]] = tuple(shown)
    found = {}
    for row in _table(folder / "recinfo.csv", ("recid", "sceneid", "patternid")):
        for division in (0, 1):
            scene = row["sceneid"], row["patternid"], division
            if scene in events:
                found[int(row["recid"]), str(division)] = events[scene]
    return found


def _strong(
    folder: pathlib.Path, key: Key
) -> tuple[tuple[int, ...], list[list[float]]]:
    """Classes and events of a test clip, from the file of its own name.

    A file of a half says nothing of a whole recording, whose halves need not be equally
    long, nor the other way round.
    """
    paths = [
        path
        for path in raw.listing(folder, f"recid{key.recording:03}*.csv")
        if key_of(path.stem) == key
    ]
    if len(paths) != 1:
        there = [path.name for path in raw.listing(folder, f"recid{key.recording:03}*")]
        raise DataError(
            f"{folder}: not one label file of it, but {', '.join(there) or 'none'} of "
            "the recording"
        )
    events = []
    for row in _table(paths[0], ("eventclass", "starttime", "endtime")):
        number = int(row["eventclass"])
        if number in (-1, 0):  # nothing happens
            continue
        if number not in range(1, len(CLASSES) + 1):
            raise DataError(f"{paths[0]}: there is no class {number}")
        if not 0 <= row["starttime"] <= row["endtime"]:
            span = f"{row['starttime']:g} to {row['endtime']:g}"
            raise DataError(f"{paths[0]}: an event from {span}")
        events.append([number - 1, row["starttime"], row["endtime"]])
    if not events:
        raise DataError(f"{paths[0]}: no event in it")
    return tuple(sorted({number for number, *_ in events})), events


def _lists(raw_dir: pathlib.Path) -> dict[Key, str]:
    """Clip -> the list of MultiASL that it is in."""
    found: dict[Key, str] = {}
    for side in SIDES:
        path = raw_dir / f"split_{side}.txt"
        if not path.exists():
            continue
        for line in filter(str.strip, raw.text(path).splitlines()):
            try:
                key = key_of(line)
            except DataError as error:
                raise DataError(f"{path}: {error}") from error
            if found.setdefault(key, side) != side:
                raise DataError(f"{path}: {key} is in split_train.txt too")
    return found


def _table(path: pathlib.Path, columns: Iterable[str]) -> list[dict[str, float]]:
    """Some columns of numbers of a CSV file with a header."""
    reader = csv.DictReader(raw.text(path).splitlines(), skipinitialspace=True)
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    if lacking := set(columns) - set(names):
        raise DataError(f"{path}: there is no column {min(lacking)!r} in it")
    try:
        return [{name: float(row[name]) for name in columns} for row in reader]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: not numbers throughout ({error})") from error


def parts(recording: raw.Recording, fields: dict[str, raw.Arrays]) -> raw.Parts:
    """A clip with the number of frames of each camera.

    Args:
      recording: of `find`.
      fields: sensor -> its stored fields.

    Returns:
      One record with the details `frames`; none where no camera could be read. Events
      that are past its end, if their times are seconds, are noted.
    """
    frames = {
        str(n): len(fields[f"cam{n}"][f"rgb{n}_ends"])
        for n in CAMERAS
        if f"cam{n}" in fields
    }
    if not frames:
        return raw.Parts([], (f"{recording.key}: no camera of it can be read",))
    notes = []
    for number, start, end in recording.details["instances"] or ():
        trick = tricks.Trick(CLASSES[int(number)], start, end)
        try:
            note = tricks.inside(trick, min(frames.values()))
        except DataError as error:
            note = str(error)
        notes += [f"{recording.key}: {note}, if times are seconds"] if note else []
    made = recording._replace(details={**recording.details, "frames": frames})
    return raw.Parts([(made, fields)], (), tuple(notes))
