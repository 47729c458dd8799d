"""MMAct: 37 actions, 20 subjects, 4 cameras, 4 scenes, several sessions.

Raw layout: `acc_watch_clip`, `acc_phone_clip`, `gyro_clip` and `orientation_clip`, each
with `subject{S}/scene{N}/session{M}/{action}.csv` of lines time,x,y,z. The data set
ships no skeletons: poses that the user has estimated are looked for in
`pose/subject{S}/cam{C}/scene{N}/session{M}/{action}.json` (see `data_pipelines.pose`).
A performance with poses is one recording a camera, all of them with the same signals;
one without is a single recording with camera 0.

References:
  Kong, Wu, Deng, Klinkigt, Tong and Murakami, *MMAct: A Large-Scale Dataset for Cross
  Modal Human Action Understanding*, ICCV 2019, https://doi.org/10.1109/ICCV.2019.00875.
"""

import collections
import pathlib
import re
from collections.abc import Collection, Sequence

import numpy as np

from data_pipelines import builder, pose, raw, stored, timed
from data_pipelines.dataset import Dataset, Example
from data_pipelines.errors import DataError

ACTIONS = """carrying carrying_heavy carrying_light checking_time closing crouching
drinking entering exiting fall jumping kicking loitering looking_around opening
picking_up pocket_in pocket_out pointing pulling pushing running setting_down sitting
sitting_down standing standing_up talking talking_on_phone talking_on_phone_desk
throwing transferring_object using_pc using_phone using_phone_desk walking waving_hand"""
CLASSES = tuple(ACTIONS.split())
SENSORS = ("acc_watch", "acc_phone", "gyro", "orientation")
TRAIN_SUBJECTS = tuple(range(1, 17))
SUBJECTS = range(1, 21)
PROTOCOLS = ("cross_subject", "cross_view", "cross_scene", "cross_session")
PLACE = re.compile(
    r"subject(\d+)/(?:cam(\d+)/)?scene(\d+)/session(\d+)/(\w+)\.(?:csv|json)",
    re.IGNORECASE,
)
MAX_GAP = 5.0


def read(modality: str, path: pathlib.Path) -> raw.Reading:
    """Read one raw file.

    Args:
      modality: "skeleton" or one of `SENSORS`.
      path: of a pose JSON or a sensor CSV.

    Returns:
      `skeleton` float32 [T 2 17 3], or the sensor's signal float32 [T 3] and its
      `_time` float64 [T] in seconds.

    Raises:
      DataError: if the file is not what its name says.
    """
    if modality == "skeleton":
        return pose.read(path)
    lines = [line.split(",") for line in raw.text(path).splitlines() if line.strip()]
    if not lines[0][0].strip()[:1].isdecimal():
        lines = lines[1:]
    if not lines:
        raise DataError(f"{path}: no samples below the header")
    for number, line in enumerate(lines, 1):
        if len(line) != 4:
            raise DataError(
                f"{path}: sample {number} has {len(line)} of 4 columns, truncated? "
                f"({path.stat().st_size} bytes)"
            )
    try:
        values = np.array([line[1:] for line in lines], np.float64)
        times = seconds([line[0].strip() for line in lines])
    except ValueError as error:
        raise DataError(f"{path}: not lines of time,x,y,z ({error})") from error
    return timed.reading(path, modality, times, values, max_gap=MAX_GAP)


def seconds(stamps: Sequence[str]) -> np.ndarray:
    """Time stamps as seconds.

    Args:
      stamps: as 20180905_14:12:33.123456, the fraction being optional.

    Returns:
      Float64 [T] since the first of them.

    Raises:
      ValueError: if one has another form.
    """
    days = [f"{s[:4]}-{s[4:6]}-{s[6:8]}T{s[9:24]}" for s in stamps]
    times = np.array(days, "datetime64[us]")
    return (times - times[0]) / np.timedelta64(1, "s")


def find(raw_dir: pathlib.Path) -> raw.Found:
    """List the recordings of the official layout.

    Args:
      raw_dir: folder with the sensors' folders and, if there are poses, `pose`.

    Returns:
      The recordings, each with the sensors and poses that there are.
    """
    catalogue = raw.Catalogue(("skeleton", *SENSORS))
    cameras = collections.defaultdict(list)
    for path, place in _files(raw_dir / "pose", "json", catalogue):
        key = _key(**place)
        catalogue.add("skeleton", key, path)
        cameras[_key(**place | {"camera": 0})].append(key)
    for sensor in SENSORS:
        for path, place in _files(raw_dir / f"{sensor}_clip", "csv", catalogue):
            key = _key(**place | {"camera": 0})
            for recording in cameras.get(key, [key]):
                catalogue.add(sensor, recording, path)
    return catalogue.found(_recording)


def _files(folder: pathlib.Path, ending: str, catalogue: raw.Catalogue):
    """Files of a folder that may be absent, with what their place says."""
    if not folder.is_dir():
        return
    for path in raw.listing(folder, f"**/*.{ending}"):
        match = PLACE.fullmatch(path.relative_to(folder).as_posix())
        if not match:
            catalogue.refuse(path, "not where a recording would be")
        elif match[5].lower() not in CLASSES:
            catalogue.refuse(path, f"there is no action {match[5]}")
        elif int(match[1]) not in SUBJECTS:
            catalogue.refuse(path, f"there is no subject {match[1]}")
        else:
            subject, camera, scene, session = (int(g or 0) for g in match.groups()[:4])
            yield (
                path,
                {
                    "subject": subject,
                    "camera": camera,
                    "scene": scene,
                    "session": session,
                    "action": match[5].lower(),
                },
            )


def _key(*, subject: int, camera: int, scene: int, session: int, action: str) -> str:
    return f"s{subject}_c{camera}_n{scene}_m{session}_{action}"


def _recording(key: str, paths: dict[str, pathlib.Path]) -> raw.Recording:
    subject, camera, scene, session, action = key.split("_", 4)
    details = {
        "camera": int(camera[1:]),
        "scene": int(scene[1:]),
        "session": int(session[1:]),
    }
    return raw.Recording(key, CLASSES.index(action), int(subject[1:]), details, paths)


LAYOUT = raw.Layout(
    name="mmact",
    fields={"skeleton": {"skeleton": (None, pose.BODIES, pose.JOINTS, 3)}}
    | {s: {s: (None, 3), f"{s}_time": (None,)} for s in SENSORS},
    required=(),
    find=find,
    read=read,
)


class Builder(builder.RecordingsBuilder):
    """Builds MMAct into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


def load(
    *,
    data_dir: str | None = None,
    protocol: str = "cross_subject",
    sensor: str = "acc_watch",
    modalities: tuple[str, ...] = ("skeleton", "inertial"),
    test_cameras: Collection[int] = (4,),
    test_scenes: Collection[int] = (4,),
    train_sessions: float = 0.8,
    holdout: Collection[int] = (),
) -> Dataset:
    """Load the prepared data set.

    Args:
      data_dir: where it was prepared; see `stored.data_home`.
      protocol: one of `PROTOCOLS`. "cross_subject" trains on subjects 1 to 16,
        "cross_view" on all cameras but `test_cameras`, "cross_scene" on all scenes but
        `test_scenes`, "cross_session" on the first `train_sessions` of the sessions of
        each subject.
      sensor: one of `SENSORS`, as `inertial`.
      modalities: that every example has; ("inertial",) needs no poses and takes every
        performance once.
      test_cameras: the challenge of 2021 validates on camera 3.
      test_scenes: a choice of ours.
      train_sessions: share of each subject's sessions, in their order.
      holdout: training subjects to move into a split "val".

    Returns:
      Splits of raw examples with `skeleton` [T 2 17 3] (pixels, score), `inertial`
      [T' 3] and `inertial_time` [T'].

    Raises:
      DataError: if it is not prepared, lacks a modality, or a split is empty.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"mmact has the protocols {PROTOCOLS}, not {protocol!r}")
    if sensor not in SENSORS:
        raise DataError(f"mmact has the sensors {SENSORS}, not {sensor!r}")
    names = {"skeleton": "skeleton", "inertial": sensor}
    if unknown := set(modalities) - names.keys():
        raise DataError(f"mmact has no modality {min(unknown)!r}")
    fields = {modality: names[modality] for modality in modalities}
    built = stored.open_built(LAYOUT.name, data_dir)
    entries = built.having(*fields.values())
    if "skeleton" not in fields and protocol != "cross_view":
        entries = _once(entries)
    train = {
        "cross_subject": lambda e: e["subject"] in TRAIN_SUBJECTS,
        "cross_view": lambda e: e["camera"] not in test_cameras,
        "cross_scene": lambda e: e["scene"] not in test_scenes,
        "cross_session": _early_session(entries, train_sessions),
    }[protocol]
    return stored.split(
        built,
        entries,
        [train(entry) for entry in entries],
        classes=CLASSES,
        topology="coco",
        fields=fields,
        holdout=holdout,
        disjoint=protocol == "cross_subject",
    )


def _once(entries: Sequence[stored.Entry]) -> list[stored.Entry]:
    """One recording of each performance: cameras do not change a worn sensor."""
    performances: dict[str, stored.Entry] = {}
    for entry in entries:
        name = re.sub(r"_c\d+_", "_", entry["key"], count=1)
        performances.setdefault(name, entry)
    return list(performances.values())


def _early_session(entries: Sequence[stored.Entry], share: float):
    """Whether an entry is of the first sessions of its subject."""
    sessions = collections.defaultdict(set)
    for entry in entries:
        sessions[entry["subject"]].add(entry["session"])
    early = {
        subject: set(sorted(numbers)[: round(share * len(numbers))])
        for subject, numbers in sessions.items()
    }
    return lambda entry: entry["session"] in early[entry["subject"]]


def read_recording(paths: Sequence[str | pathlib.Path]) -> Example:
    """Read one recording for prediction.

    Args:
      paths: a sensor's CSV, a pose JSON, or both, of one performance.

    Returns:
      The raw example without label.

    Raises:
      DataError: if the files do not belong together.
    """
    example: Example = {}
    for path in map(pathlib.Path, paths):
        match = PLACE.search(path.as_posix())
        if not match:
            raise DataError(f"{path}: not where a recording would be")
        subject, _, scene, session, action = match.groups()
        key = _key(
            subject=int(subject),
            camera=0,
            scene=int(scene),
            session=int(session),
            action=action.lower(),
        )
        if example.setdefault("key", key) != key:
            raise DataError(f"{path} is not of the recording {example['key']}")
        modality = "skeleton" if path.suffix.lower() == ".json" else "inertial"
        if modality in example:
            raise DataError(f"{path}: a second file with the {modality} of {key}")
        example |= read(modality, path).arrays
    return example
