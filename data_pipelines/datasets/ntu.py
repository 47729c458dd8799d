"""NTU RGB+D 60 and 120: 120 actions, 106 subjects, three Kinects v2 at once.

Raw layout: `nturgb+d_skeletons/SsssCcccPpppRrrrAaaa.skeleton`, text with joints in
metres and in pixels of the colour picture (see `data_pipelines.kinect_text`), and
`nturgb+d_rgb/SsssCcccPpppRrrrAaaa_rgb.avi`, 1920 by 1080 at 30 frames a second. S is the
setup, C the camera, P the subject, R the replication, A the action; recordings that
differ in C alone are one performance. The 535 recordings whose skeletons are missing or
incomplete, by the list that the authors publish, are left out as they advise.

Poses that an estimator found may replace those of the Kinect: annotation files of pyskl
and mmaction2, `ntu60_hrnet.pkl` and `ntu120_hrnet.pkl`, are read as they are
(`data_pipelines.pickles`), and need no preparation where no video is asked for.

References:
  Shahroudy, Liu, Ng and Wang, *NTU RGB+D: A Large Scale Dataset for 3D Human Activity
  Analysis*, CVPR 2016, arXiv:1604.02808.
  Liu, Shahroudy, Perez, Wang, Duan and Kot, *NTU RGB+D 120: A Large-Scale Benchmark for
  3D Human Activity Understanding*, TPAMI 2019, arXiv:1905.04757.
"""

import pathlib
from collections.abc import Collection, Sequence

from data_pipelines import annotations as poses
from data_pipelines import builder, kinect_text, pose, raw, stored, video
from data_pipelines.dataset import Dataset, Example, check, hold_out
from data_pipelines.errors import DataError
from data_pipelines.ntu_names import (
    CLASSES,
    SIZES,
    check_protocol,
    every_name,
    missing,
    parse,
    place,
    split,
)
from data_pipelines.sources import Mapped
from data_pipelines.views import alone, grouped

TOPOLOGY = "kinect_v2"
TOLERANCE = 10
"""Frames by which a video and its skeleton may differ in length."""


def read(
    modality: str, path: pathlib.Path, *, short_side: int = video.SHORT_SIDE
) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: "skeleton" or "rgb".
      path: of a `.skeleton` or an `.avi` file.
      short_side: of video frames in pixels, see `video.read`.

    Returns:
      `joints` and `skeleton`, see `kinect_text.read`, or `rgb`, see `video.read`.

    Raises:
      DataError: if the file is not what its name says.
    """
    if modality == "rgb":
        return video.read(path, "rgb", short_side=short_side)
    return kinect_text.read(path)


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the recordings of the official layout.

    Args:
      raw_dir: folder with `nturgb+d_skeletons` and `nturgb+d_rgb`.

    Returns:
      The recordings that have both and whose skeletons are complete.

    Raises:
      DataError: if a folder is missing.
    """
    catalogue = raw.Catalogue(("skeleton", "rgb"))
    for modality, folder, ending in (
        ("skeleton", "nturgb+d_skeletons", ".skeleton"),
        ("rgb", "nturgb+d_rgb", "_rgb.avi"),
    ):
        for path in raw.listing(raw_dir / folder, "*"):
            name = path.name.removesuffix(ending)
            try:
                parse(name)
            except DataError as error:
                catalogue.refuse(path, str(error))
                continue
            if name not in missing():
                catalogue.add(modality, name, path)
    setups = {parse(key).setup for files in catalogue.files.values() for key in files}
    grid = set(every_name(sorted(setups))) - missing()
    return catalogue.found(_recording, required=LAYOUT.required, grid=grid)


def _recording(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
    name = parse(key)
    details = {"camera": name.camera, "setup": name.setup}
    return raw.Recording(key, name.action - 1, name.subject, details, paths)


def _disagree(fields: dict[str, raw.Arrays]) -> dict[str, str]:
    """Video much longer or shorter than its skeleton."""
    if fields.keys() < {"skeleton", "rgb"}:
        return {}
    seen, shot = len(fields["skeleton"]["joints"]), len(fields["rgb"]["rgb_ends"])
    if abs(seen - shot) <= TOLERANCE:
        return {}
    return {"rgb": f"{shot} frames, but the skeleton has {seen}"}


LAYOUT = raw.Layout(
    name="ntu",
    fields={
        "skeleton": {
            "joints": (None, pose.BODIES, kinect_text.JOINTS, 3),
            "skeleton": (None, pose.BODIES, kinect_text.JOINTS, 3),
        },
        "rgb": {"rgb": (None,), "rgb_ends": (None,)},
    },
    required=("skeleton", "rgb"),
    find=find,
    read=read,
    dtypes=video.dtypes("rgb"),
    disagree=_disagree,
    performance=lambda key: place(key).performance,
    short_side=video.SHORT_SIDE,
)


class Builder(builder.RecordingsBuilder):
    """Builds NTU RGB+D into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "ntu60_csub",
    modalities: tuple[str, ...] = ("joints", "rgb"),
    annotations: str | None = None,
    views: int = 3,
    main_view: str = "each",
    holdout: Collection[int] = (),
    strict: bool = True,
) -> Dataset:
    """Load the prepared data set, an annotation file, or both paired by name.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: one of `SIZES`, see `split`.
      modalities: some of "joints", "skeleton" and "rgb".
      annotations: pickle of pyskl or mmaction2 whose 2-D poses are the `joints`.
      views: V of a training example; test examples have one. Cross-view training has
        two cameras: with V = 3 the main view stands in for the third.
      main_view: "each" or "fixed_last", see `views.group`.
      holdout: training subjects to move into a split "val".
      strict: refuse a split that is not of the published size.

    Returns:
      Splits of examples with `views`, each with `joints` [T 2 J 3] in pixels, `skeleton`
      [T 2 25 3] in metres and `rgb`, frames uint8 [T H W 3].

    Raises:
      DataError: if it is not prepared, lacks a modality, or splits are not what they
        should be.
    """
    check_protocol(protocol)
    if not modalities or not set(modalities) <= {"joints", "skeleton", "rgb"}:
        raise DataError(f"ntu has joints, skeleton and rgb, not {list(modalities)}")
    found = poses.read(pathlib.Path(annotations)) if annotations else None
    topology = poses.topology(found) if found else TOPOLOGY
    own = tuple(m for m in modalities if not (found and m == "joints"))
    options = {
        "classes": CLASSES[: 60 if protocol.startswith("ntu60") else 120],
        "sizes": [SIZES[protocol]] if strict else (),
        "disjoint": protocol.endswith("csub"),
    }
    if own:
        built = stored.open_built(LAYOUT.name, data_dir)
        known = {entry["key"]: entry for entry in built.index}
        train, test = split(
            [key for key in known if found is None or key in found], protocol
        )
        dataset = stored.split(
            built,
            [known[key] for key in (*train, *test)],
            [True] * len(train) + [False] * len(test),
            topology=topology,
            fields={name: name for name in own},
            holdout=holdout,
            **options,
        )
    else:
        dataset = _annotated(found, protocol, topology, holdout, options)
    if found and own:
        splits = {
            name: Mapped(source, poses.Added(found))
            for name, source in dataset.splits.items()
        }
        dataset = dataset._replace(splits=splits)
    dataset = dataset._replace(modalities=tuple(modalities))
    return grouped(dataset, place, views=views, main_view=main_view)


def _annotated(found, protocol, topology, holdout, options) -> Dataset:
    """The poses of an annotation file by themselves."""
    splits = {}
    for side, names in zip(("train", "test"), split(found, protocol)):
        numbers = [parse(name) for name in names]
        rows = tuple((str(n), n.action - 1, n.subject) for n in numbers)
        splits[side] = poses.Poses(found, rows)
    got = tuple(len(source) for source in splits.values())
    if options["sizes"] and got not in options["sizes"]:
        published = options["sizes"][0]
        raise DataError(
            f"ntu has {got[0]} training and {got[1]} test recordings with poses, the "
            f"protocol {published[0]} and {published[1]}; strict=False takes what there "
            "is"
        )
    whole = Dataset("ntu", options["classes"], splits, topology, ("joints",))
    held = hold_out(check(whole, disjoint=options["disjoint"]), holdout)
    return check(held, disjoint=False)


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: its `.skeleton` and `.avi`, or one of them.

    Returns:
      The raw example without label, of one view.

    Raises:
      DataError: if the files do not belong together.
    """
    example: Example = {}
    for path in map(pathlib.Path, paths):
        key = path.name.removesuffix(".skeleton").removesuffix("_rgb.avi")
        parse(key)
        if example.setdefault("key", key) != key:
            raise DataError(f"{path} is not of the recording {example['key']}")
        modality = "skeleton" if path.suffix == ".skeleton" else "rgb"
        example |= read(modality, path).arrays
    if not example:
        raise DataError("ntu: a recording is a .skeleton file, an .avi file or both")
    if "rgb" in example:
        example["rgb"] = video.frames("rgb", example)
        del example["rgb_ends"]
    return alone(example, camera=place(example["key"]).camera)
