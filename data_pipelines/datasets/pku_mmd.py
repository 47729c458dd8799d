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

import pathlib
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import builder, chunks, pku_spans, raw, stored, video
from data_pipelines.dataset import Dataset, Example, check, hold_out
from data_pipelines.errors import DataError
from data_pipelines.pku_files import find, read_labels
from data_pipelines.pku_names import (
    CLASSES,
    NAME,
    check_protocol,
    place,
    shown,
    video_number,
)
from data_pipelines.twins import (
    FIELDS,
    MODALITIES,
    check_lengths,
    check_modalities,
    disagree,
)
from data_pipelines.views import alone, grouped

TOPOLOGY = "kinect_v2"


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


def _parts(recording: raw.Recording, fields: dict[str, raw.Arrays]) -> raw.Parts:
    """The chunks of one video; the first says all that is known of it."""
    details, name = recording.details, recording.key
    frames = {m: len(fields[m][f"{m}_ends"]) for m in MODALITIES}
    path = pathlib.Path(details["labels"])
    try:
        labels = read_labels(path, min(frames.values()))
    except DataError as error:
        return raw.Parts([], (str(error),))
    faults = (*details["faults"], *labels.faults)
    if not labels.found:
        return raw.Parts([], (*faults, f"{path}: no action in it that can be used"))
    sides = details["sides"]
    known = {"frames": frames, "instances": labels.found, "sides": sides}
    records = []
    for start in range(0, max(frames.values()), chunks.LENGTH):
        own = {"video": name, "start": start, **({} if start else known)}
        key = f"{name}_{start // chunks.LENGTH:04}"
        pieces = {m: chunks.cut(m, fields[m], start) for m in MODALITIES}
        records.append((recording._replace(key=key, details=own), pieces))
    return raw.Parts(records, faults, labels.notes)


LAYOUT = raw.Layout(
    name="pku_mmd",
    fields=FIELDS,
    required=MODALITIES,
    find=find,
    read=read,
    dtypes=video.dtypes(*MODALITIES),
    disagree=disagree,
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
    modalities: tuple[str, ...] = MODALITIES,
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
    check_protocol(protocol)
    check_modalities(LAYOUT.name, modalities)
    built = stored.open_built(LAYOUT.name, data_dir)
    sides = pku_spans.sides(built, protocol)
    if strict:
        pku_spans.check_size(built, sides, protocol)
    fields = {name: name for name in modalities}
    splits = {
        side: chunks.Spans(
            built.folder,
            videos,
            tuple(pku_spans.actions(videos, end_inclusive=end_inclusive)),
            fields,
        )
        for side, videos in sides.items()
    }
    whole = Dataset(LAYOUT.name, CLASSES, splits, TOPOLOGY, tuple(modalities))
    held = hold_out(check(whole, disjoint=protocol == "csub"), holdout)
    if windows:
        slid = tuple(pku_spans.windows(sides["test"], windows))
        source = chunks.Spans(built.folder, sides["test"], slid, fields)
        held = held._replace(splits={**held.splits, "windows": source})
    return grouped(check(held, disjoint=False), place, views=1, main_view="each")


def ground_truth(*, data_dir: str | None = None, protocol: str = "cview") -> np.ndarray:
    """The actions of the test videos, as detections are measured against them.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: "cview" or "csub".

    Returns:
      Int64 [G 4]: label from 1, start, end, both as the label files have them, and
      `pku_names.video_number`. What was skipped when it was prepared is not among them.

    Raises:
      DataError: if it is not prepared, or the protocol is unknown.
    """
    check_protocol(protocol)
    test = pku_spans.sides(stored.open_built(LAYOUT.name, data_dir), protocol)["test"]
    found = [
        (*instance, video_number(name))
        for name, (first, *_) in test.items()
        for instance in first["instances"]
    ]
    return np.array(found, np.int64).reshape(-1, 4)


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
        key, modality = shown(path)
        if example.setdefault("key", key) != key:
            raise DataError(f"{path} is not of the recording {example['key']}")
        if modality in example:
            raise DataError(f"{path}: a second {modality} video of {key}")
        example[modality] = video.frames(modality, read(modality, path).arrays)
    if not example:
        raise DataError("pku_mmd: a recording is a colour video, an infrared or both")
    check_lengths(example)
    key = example["key"]
    return alone(example, camera=place(key).camera if NAME.match(key) else 0)
