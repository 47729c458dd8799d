"""The raw files of MultiSensor-Home: label files read, videos listed, clips checked."""

import pathlib
from typing import NamedTuple

from data_pipelines import grid, raw, tricks
from data_pipelines.errors import DataError

WHOLE = "all_labels.json"
SIDES = ("train", "test")
CAMERAS = range(1, 9)
"""Numbers that a camera can have; the published homes have five."""
NOTED, TOLERANCE = 1.0, 10.0
"""Seconds by which cameras of one clip may differ without a note, and at all."""


class Labels(NamedTuple):
    """What the label files say together.

    Attributes:
      clips: those that can be used, by key.
      sides: key -> "train" or "test"; nothing without split files.
      sizes: clips that the split files list, training and test; none without them.
      classes: names of the labels, sorted.
      cameras: all that a clip has.
      faults: key -> why a clip cannot be used.
    """

    clips: dict[str, tricks.Clip]
    sides: dict[str, str]
    sizes: tuple[int, ...]
    classes: tuple[str, ...]
    cameras: tuple[int, ...]
    faults: dict[str, str]


def labels(raw_dir: pathlib.Path) -> Labels:
    """Read the label files.

    `train.json` and `test.json` say which clips there are, if both are there, else
    `all_labels.json`. The classes are those of `all_labels.json`, if it is there, so
    that a label may occur on one side only.

    Args:
      raw_dir: with the files.

    Returns:
      The clips, and why others cannot be used.

    Raises:
      DataError: if files are missing or not such lists, a clip is on both sides, or a
        camera has a number that none can have.
    """
    if not raw_dir.is_dir():
        raise DataError(f"{raw_dir}: there is no such folder, is the raw folder right?")
    whole = tricks.read(raw_dir / WHOLE) if (raw_dir / WHOLE).exists() else None
    halves = _halves(raw_dir)
    if whole is None and not halves:
        raise DataError(
            f"{raw_dir}: neither {WHOLE} nor train.json and test.json is there, is the "
            "raw folder right?"
        )
    listed = list(halves.values()) or [whole]
    faults = {key: why for part in listed for key, why in part.faults.items()}
    clips = {key: clip for part in listed for key, clip in part.clips.items()}
    classes = tricks.classes((whole.clips if whole else clips).values())
    for key, clip in list(clips.items()):
        strange = sorted({t.label for t in clip.tricks} - set(classes))
        if strange:
            faults[key] = f"{key}: the label {strange[0]!r} is not in {WHOLE}"
            del clips[key]
    for key in (whole.clips if whole else {}).keys() - clips.keys() - faults.keys():
        faults[key] = f"{key}: in {WHOLE}, but neither in train.json nor in test.json"
    return Labels(
        clips,
        {key: side for side, part in halves.items() for key in part.clips},
        tuple(len(part.clips) + len(part.faults) for part in halves.values()),
        classes,
        _cameras(raw_dir, clips),
        faults,
    )


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the clips of the official layout.

    Args:
      raw_dir: folder with the label files and folders of videos.

    Returns:
      The clips that have a video at least; every camera that is missing is a fault of
      its clip, and so is a video that no label file lists. The details of a recording
      are `classes`, `cameras`, `tricks`, `side` and `sizes`, see `Labels`.

    Raises:
      DataError: as `labels`.
    """
    known = labels(raw_dir)
    recordings, missing, faults = [], [], dict(known.faults)
    counts = dict.fromkeys((f"view{camera}" for camera in known.cameras), 0)
    for key, clip in sorted(known.clips.items(), key=lambda item: raw.natural(item[0])):
        paths = {f"view{c}": raw_dir / path for c, path in clip.videos.items()}
        absent = [path for path in paths.values() if not path.is_file()]
        reasons = [f"{path}: there is no such file" for path in absent]
        reasons += [
            f"{key}: its labels name no video_url_{camera}"
            for camera in known.cameras
            if camera not in clip.videos
        ]
        if reasons:
            faults[key] = "; ".join(reasons)
        there = {view: path for view, path in paths.items() if path not in absent}
        for view in there:
            counts[view] += 1
        if there:
            recordings.append(_recording(clip, there, known))
        else:
            missing.append(key)
    listed = {path for clip in known.clips.values() for path in clip.videos.values()}
    for path in raw.listing(raw_dir, "*/*.mp4"):
        name = path.relative_to(raw_dir).as_posix()
        key = tricks.place(name)[0] if tricks.VIDEO.fullmatch(name) else str(path)
        if name not in listed:
            faults.setdefault(key, f"{path}: no label file lists it")
    return raw.Found(recordings, faults, missing, counts)


def parts(recording: raw.Recording, fields: dict[str, raw.Arrays]) -> raw.Parts:
    """A clip with all that is known once its videos are read.

    Args:
      recording: of `find`.
      fields: view -> its stored fields.

    Returns:
      One record, with the details `frames`, of each camera, and `instances`, its
      actions as class, start and end in seconds; none where cameras do not fit together
      or no action lies within the clip.
    """
    key, details = recording.key, dict(recording.details)
    frames = {
        view.removeprefix("view"): len(arrays[f"rgb{view.removeprefix('view')}_ends"])
        for view, arrays in fields.items()
    }
    length = min(frames.values())
    apart = (max(frames.values()) - length) / grid.RATE
    if apart > TOLERANCE:
        reason = f"{key}: its cameras filmed for {_seconds(frames)} s"
        return raw.Parts([], (f"{reason}, which differ by more than {TOLERANCE:g}",))
    notes = [f"{key}: its cameras filmed for {_seconds(frames)} s"]
    notes, faults, instances = notes if apart > NOTED else [], [], []
    for trick in map(tricks.Trick._make, details.pop("tricks")):
        try:
            note = tricks.inside(trick, length)
        except DataError as error:
            faults.append(f"{key}: {error}")
            continue
        notes += [f"{key}: {note}"] if note else []
        number = details["classes"].index(trick.label)
        instances.append([number, trick.start, trick.end])
    if not instances:
        return raw.Parts([], (*faults, f"{key}: no action lies within it"))
    details |= {"frames": frames, "instances": instances}
    label = tuple(sorted({number for number, *_ in instances}))
    made = recording._replace(label=label, details=details)
    return raw.Parts([(made, fields)], tuple(faults), tuple(notes))


def _halves(raw_dir: pathlib.Path) -> dict[str, tricks.Listed]:
    """The split files; nothing where there is none."""
    paths = {side: raw_dir / f"{side}.json" for side in SIDES}
    there = [path.name for path in paths.values() if path.exists()]
    if not there:
        return {}
    if len(there) == 1:
        raise DataError(f"{raw_dir}: {there[0]} is there without the other split file")
    found = {side: tricks.read(path) for side, path in paths.items()}
    both = found["train"].clips.keys() & found["test"].clips.keys()
    if both:
        raise DataError(f"{raw_dir}: {min(both)} is in train.json and in test.json")
    return found


def _cameras(raw_dir: pathlib.Path, clips: dict[str, tricks.Clip]) -> tuple[int, ...]:
    cameras = sorted({camera for clip in clips.values() for camera in clip.videos})
    strange = [camera for camera in cameras if camera not in CAMERAS]
    if strange:
        raise DataError(
            f"{raw_dir}: a camera {strange[0]}, numbers go from {CAMERAS[0]} to "
            f"{CAMERAS[-1]}"
        )
    return tuple(cameras)


def _recording(
    clip: tricks.Clip, paths: dict[str, pathlib.Path], known: Labels
) -> raw.Recording:
    details = {
        "classes": list(known.classes),
        "cameras": list(known.cameras),
        "tricks": [list(trick) for trick in clip.tricks],
        "side": known.sides.get(clip.key, ""),
        "sizes": list(known.sizes),
    }
    return raw.Recording(clip.key, (), clip.session, details, paths)


def _seconds(frames: dict[str, int]) -> str:
    return ", ".join(f"{count / grid.RATE:g}" for count in frames.values())
