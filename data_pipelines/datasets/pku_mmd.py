"""PKU-MMD phase 1: 51 actions in 1,076 untrimmed videos, 66 subjects, three Kinects v2.

Raw layout: `RGB_VIDEO/XXXX-V.avi` (1920 by 1080), `IR_VIDEO/XXXX-V.avi` (512 by 424),
both at 30 frames a second, and `Train_Label_PKU_final/XXXX-V.txt`, lines
`label,start,end,confidence` with labels from 1 and frames; V is L, M or R. The split
files, `cross-view.txt` and `cross-subject.txt` or names much like these, may lie in the
raw folder or in a folder of it; without one, the published rule decides: cameras M and R
train, or all videos but 0291 to 0334. Depth and skeletons are not read.

A video lasts three to four minutes and holds some twenty actions. It is stored in chunks
of 64 frames, a record each, with the colour and the infrared frames of the same numbers
in one record. The two videos of a camera come from one device at one rate and may differ
by a few frames at the end; labels count frames. To pair frames by number leaves each
pair, and each label, where it was filmed; to pair them by fractions of the length would
move every frame after the first by part of that difference. Frames past the end of the
shorter video are stored and never shown.

Labels of two actions at one time are not used: of intervals that overlap, of the same
action or of two, the one that starts later is skipped and counted.

References:
  Liu, Hu, Li, Song and Liu, *PKU-MMD: A Large Scale Benchmark for Continuous Multi-Modal
  Human Action Understanding*, ACM Multimedia Workshop 2017, arXiv:1703.07475.
"""

import collections
import pathlib
import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from data_pipelines import builder, chunks, raw, stored, video
from data_pipelines.dataset import Dataset, Example, Row, check, hold_out
from data_pipelines.errors import DataError
from data_pipelines.pku_files import TOLERANCE, find_splits, read_labels
from data_pipelines.pku_names import (
    CAMERAS,
    CLASSES,
    SIZES,
    by_rule,
    parse,
    place,
    video_number,
    window_key,
)
from data_pipelines.views import alone, grouped

TOPOLOGY = "kinect_v2"
REQUIRED = ("rgb", "ir")
LABELS = "Train_Label_PKU_final"
KIND = re.compile(r"(.+)_(rgb|ir)")
"""A file outside the official folders says in its name what it shows."""
Chunks = dict[str, tuple[stored.Entry, ...]]
"""Name of a video -> the index entries of its chunks, the first with all details."""


def read(
    modality: str, path: pathlib.Path, *, short_side: int = video.SHORT_SIDE
) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: "rgb" or "ir".
      path: of an `.avi` file.
      short_side: of video frames in pixels, see `video.read`.

    Returns:
      The whole video, see `video.read`.

    Raises:
      DataError: if the file is not what its name says.
    """
    return video.read(path, modality, short_side=short_side)


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the videos of the official layout.

    Args:
      raw_dir: folder with `RGB_VIDEO`, `IR_VIDEO` and `Train_Label_PKU_final`.

    Returns:
      The videos that have both files, labels and a side in a split, and why others
      cannot be used; missing are those that a split or a label file names.

    Raises:
      DataError: if a folder is missing, or a split file is not what its name says.
    """
    catalogue = raw.Catalogue(REQUIRED)
    for modality in REQUIRED:
        for path in raw.listing(raw_dir / f"{modality.upper()}_VIDEO", "*"):
            name = path.name.removesuffix(".avi")
            try:
                parse(name)
            except DataError as error:
                catalogue.refuse(path, str(error))
                continue
            catalogue.add(modality, name, path)
    labels = {path.stem: path for path in raw.listing(raw_dir / LABELS, "*-[LMR].txt")}
    splits = find_splits(raw_dir)

    def make(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
        given = {p: by_rule(key, p) for p in SIZES if p not in splits.files}
        given |= {p: named[key] for p, named in splits.sides.items() if key in named}
        lacking = [
            f"{path}: {key} is not in it, and in no split of {protocol}"
            for protocol, path in splits.files.items()
            if protocol not in given
        ]
        details = {"sides": given, "labels": labels.get(key), "faults": lacking}
        return raw.Recording(key, 0, parse(key).number, details, paths)

    grid = splits.names | labels.keys()
    found = catalogue.found(make, required=REQUIRED, grid=grid)
    usable, faults = [], dict(found.faults)
    for recording in found.recordings:
        key, details = recording.key, recording.details
        if not details["labels"]:
            faults[key] = f"{raw_dir / LABELS / key}.txt: there is no such file"
        elif not details["sides"]:
            faults[key] = "; ".join(details["faults"])
        else:
            usable.append(recording)
    return found._replace(recordings=usable, faults=faults)


def _disagree(fields: dict[str, raw.Arrays]) -> dict[str, str]:
    """Infrared video much longer or shorter than the colour video."""
    if not set(REQUIRED) <= fields.keys():
        return {}
    rgb, ir = (len(fields[name][f"{name}_ends"]) for name in REQUIRED)
    if abs(rgb - ir) <= TOLERANCE:
        return {}
    return {"ir": f"{ir} frames, but the colour video has {rgb}"}


def _parts(recording: raw.Recording, fields: dict[str, raw.Arrays]) -> raw.Parts:
    """The chunks of one video; the first says all that is known of it."""
    details, name = recording.details, recording.key
    frames = {m: len(fields[m][f"{m}_ends"]) for m in REQUIRED}
    try:
        labels = read_labels(details["labels"], min(frames.values()))
    except DataError as error:
        return raw.Parts([], (str(error),))
    faults = (*details["faults"], *labels.faults)
    if not labels.found:
        reason = f"{details['labels']}: no action in it that can be used"
        return raw.Parts([], (*faults, reason))
    known = {
        "frames": frames,
        "instances": labels.found,
        "sides": details["sides"],
    }
    records = []
    for start in range(0, max(frames.values()), chunks.LENGTH):
        own = {"video": name, "start": start, **({} if start else known)}
        key = f"{name}_{start // chunks.LENGTH:04}"
        pieces = {m: chunks.cut(m, fields[m], start) for m in REQUIRED}
        records.append((recording._replace(key=key, details=own), pieces))
    return raw.Parts(records, faults, labels.notes)


LAYOUT = raw.Layout(
    name="pku_mmd",
    fields={name: {name: (None,), f"{name}_ends": (None,)} for name in REQUIRED},
    required=REQUIRED,
    find=find,
    read=read,
    dtypes=video.dtypes(*REQUIRED),
    disagree=_disagree,
    parts=_parts,
    short_side=video.SHORT_SIDE,
)


class Builder(builder.RecordingsBuilder):
    """Builds PKU-MMD into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "cview",
    modalities: tuple[str, ...] = REQUIRED,
    end_inclusive: bool = False,
    windows: Collection[tuple[int, int]] = (),
    holdout: Collection[int] = (),
    strict: bool = True,
) -> Dataset:
    """Load the actions of the prepared videos, each trimmed to its interval.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "cview" trains on cameras M and R and tests on L; "csub" tests on other
        subjects.
      modalities: "rgb", "ir" or both.
      end_inclusive: whether the frame `end` of a label belongs to the action, which the
        data set leaves open.
      windows: (length, stride) in frames; each slides over all test videos, see
        `chunks.windows`, and gives examples of a further split "windows".
      holdout: numbers of training videos, of all their cameras, for a split "val".
      strict: refuse a split of other than the published number of videos.

    Returns:
      Splits of examples with one view, see `data_pipelines.views`, with `rgb` uint8
      [T H W 3] and `ir` uint8 [T H W 1], frames of the same numbers. A key is
      0002-M_i05, the video and the place of the action in it, or
      0002-M_w000064_000128, a window; the label of a window is 0 and says nothing.
      Subjects are not published: `subject` is the number of the video, 2, which in
      "csub" is on one side only.

    Raises:
      DataError: if it is not prepared, lacks a modality, or splits are not what they
        should be.
    """
    _check_options(protocol, modalities)
    built = stored.open_built(LAYOUT.name, data_dir)
    sides = _sides(built, protocol)
    if strict:
        _refuse_other_size(built, sides, protocol)
    fields = {name: name for name in modalities}
    splits = {
        side: chunks.Spans(
            built.folder, videos, tuple(_actions(videos, end_inclusive)), fields
        )
        for side, videos in sides.items()
    }
    whole = Dataset(LAYOUT.name, CLASSES, splits, TOPOLOGY, tuple(modalities))
    held = hold_out(check(whole, disjoint=protocol == "csub"), holdout)
    if windows:
        slid = tuple(_windows(sides["test"], windows))
        held.splits["windows"] = chunks.Spans(built.folder, sides["test"], slid, fields)
    return grouped(check(held, disjoint=False), place, views=1, main_view="each")


def ground_truth(*, data_dir: str | None = None, protocol: str = "cview") -> np.ndarray:
    """The actions of the test videos, as detections are measured against them.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "cview" or "csub".

    Returns:
      Int64 [G 4]: label from 1, start, end, both as the label files have them, and
      `pku_names.video_number`.

    Raises:
      DataError: if it is not prepared, or the protocol is unknown.
    """
    _check_options(protocol, REQUIRED)
    test = _sides(stored.open_built(LAYOUT.name, data_dir), protocol)["test"]
    found = [
        (*instance, video_number(name))
        for name, (first, *_) in test.items()
        for instance in first["instances"]
    ]
    return np.array(found, np.int64).reshape(-1, 4)


def _check_options(protocol: str, modalities: Collection[str]) -> None:
    if protocol not in SIZES:
        raise DataError(f"pku_mmd has the protocols {sorted(SIZES)}, not {protocol!r}")
    if not modalities or not set(modalities) <= set(REQUIRED):
        raise DataError(f"pku_mmd has rgb and ir, not {list(modalities)}")


def _sides(built: stored.Stored, protocol: str) -> dict[str, Chunks]:
    """The videos that train and those that test."""
    videos = collections.defaultdict(list)
    for entry in built.index:
        videos[entry["video"]].append(entry)
    sides: dict[str, Chunks] = {"train": {}, "test": {}}
    for name, entries in videos.items():
        side = entries[0]["sides"].get(protocol)
        if side:
            sides[side][name] = tuple(entries)
    return sides


def _refuse_other_size(
    built: stored.Stored, sides: dict[str, Chunks], protocol: str
) -> None:
    got = tuple(len(videos) for videos in sides.values())
    if got == SIZES[protocol]:
        return
    lost = sorted(
        {e["key"] for e in built.report["skipped"]} - set().union(*sides.values())
    )
    lost += built.report["missing"]
    named = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
    raise DataError(
        f"pku_mmd has {got[0]} training and {got[1]} test videos, the protocol "
        f"{SIZES[protocol][0]} and {SIZES[protocol][1]}; strict=False takes what there "
        "is" + (f" (missing: {named})" if lost else "")
    )


def _actions(videos: Chunks, end_inclusive: bool) -> Iterator[chunks.Span]:
    for name, (first, *_) in videos.items():
        frames = min(first["frames"].values())
        for place_, (label, start, end) in enumerate(first["instances"]):
            row = Row(f"{name}_i{place_:02}", label - 1, first["subject"])
            stop = min(end + end_inclusive, frames)
            yield chunks.Span(row, name, start, stop)


def _windows(
    videos: Chunks, sizes: Collection[tuple[int, int]]
) -> Iterator[chunks.Span]:
    for name, (first, *_) in videos.items():
        frames = min(first["frames"].values())
        # Windows of two strides may coincide; each is an example once.
        every = {pair for size in sizes for pair in chunks.windows(frames, *size)}
        for start, stop in sorted(every):
            row = Row(window_key(name, start, stop), 0, first["subject"])
            yield chunks.Span(row, name, start, stop)


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction, the whole of it as one clip.

    Args:
      paths: a colour video, an infrared one, or both. What a file shows is said by its
        folder, `RGB_VIDEO` or `IR_VIDEO`, or by its name, which ends in `_rgb` or `_ir`
        before `.avi`.

    Returns:
      The raw example without label, of one view.

    Raises:
      DataError: if the files do not belong together.
    """
    example: Example = {}
    for path in map(pathlib.Path, paths):
        key, modality = _shown(path)
        if example.setdefault("key", key) != key:
            raise DataError(f"{path} is not of the recording {example['key']}")
        if modality in example:
            raise DataError(f"{path}: a second {modality} video of {key}")
        example[modality] = video.frames(modality, read(modality, path).arrays)
    if not example:
        raise DataError("pku_mmd: a recording is a colour video, an infrared or both")
    lengths = [len(example[name]) for name in REQUIRED if name in example]
    if max(lengths) - min(lengths) > TOLERANCE:
        raise DataError(
            f"{example['key']}: the infrared video has {lengths[1]} frames, but the "
            f"colour video {lengths[0]}"
        )
    camera = example["key"][-1:]
    return alone(example, camera=max(CAMERAS.find(camera), 0))


def _shown(path: pathlib.Path) -> tuple[str, str]:
    """The name of a recording and the modality of one of its files."""
    folders = {f"{name.upper()}_VIDEO": name for name in REQUIRED}
    if match := KIND.fullmatch(path.stem):
        return match[1], match[2]
    if path.parent.name in folders:
        return path.stem, folders[path.parent.name]
    raise DataError(
        f"{path}: colour or infrared? Put it into a folder RGB_VIDEO or IR_VIDEO, or "
        "name it ..._rgb.avi or ..._ir.avi"
    )
