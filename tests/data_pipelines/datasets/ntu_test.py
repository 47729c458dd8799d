"""NTU RGB+D: raw files, performances, views, annotation files, protocols."""

import json
import pickle

import numpy as np
import pytest

from data_pipelines import loader
from data_pipelines.dataset import rows
from data_pipelines.datasets import ntu
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from data_pipelines.sources import Drawn
from data_pipelines.transforms import clips
from tests.data_pipelines import raw_files

# Two performances of subject 1, who trains, and one of subject 3, who tests; the second
# of them lacks a camera.
NAMES = (
    *("S001C001P001R001A001", "S001C002P001R001A001", "S001C003P001R001A001"),
    *("S001C002P001R002A010", "S001C003P001R002A010"),
    *("S001C001P003R001A001", "S001C002P003R001A001"),
)


@pytest.fixture
def raw_dir(tmp_path):
    return raw_files.ntu(tmp_path / "raw", NAMES)


@pytest.fixture
def data_dir(raw_dir, tmp_path):
    prepare("ntu", raw_dir=raw_dir, data_dir=tmp_path / "data")
    return tmp_path / "data"


def skeleton_file(raw_dir, name):
    return raw_dir / "nturgb+d_skeletons" / f"{name}.skeleton"


def video_file(raw_dir, name):
    return raw_dir / "nturgb+d_rgb" / f"{name}_rgb.avi"


def load(data_dir, **options):
    return ntu.load(data_dir=data_dir, strict=False, **options)


def build(raw_dir, data_dir, **options):
    options = {"max_skipped": 0.9, **options}
    return prepare("ntu", raw_dir=raw_dir, data_dir=data_dir, **options)


def side_of(data_dir):
    """The short side that the build's report names."""
    return json.loads((data_dir / "ntu/1.0.0/report.json").read_text())["short_side"]


def keys(split):
    return [row.key for row in rows(split)]


def write_annotations(path, names, *, joints=17, bodies=1, lengths=14):
    """An annotation file as pyskl writes it; returns its path."""
    rng = np.random.default_rng(1)
    entries = []
    for name in names:
        shape = (bodies, lengths, joints)
        entries.append(
            {
                "frame_dir": name,
                "label": int(name[-3:]) - 1,
                "total_frames": lengths,
                "img_shape": (1080, 1920),
                "original_shape": (1080, 1920),
                "keypoint": rng.uniform(1, 900, (*shape, 2)).astype(np.float16),
                "keypoint_score": rng.uniform(0, 1, shape).astype(np.float16),
            }
        )
    content = {"split": {"xsub_train": list(names)}, "annotations": entries}
    path.write_bytes(pickle.dumps(content))
    return path


def test_prepared_examples_are_those_of_the_raw_files(raw_dir, data_dir):
    dataset = load(data_dir, modalities=("joints", "skeleton", "rgb"), views=1)
    assert (dataset.name, dataset.topology) == ("ntu", "kinect_v2")
    assert len(dataset.classes) == 60
    for source in dataset.splits.values():
        for i, row in enumerate(rows(source)):
            (view,) = source[i]["views"]
            read = ntu.read("skeleton", skeleton_file(raw_dir, row.key)).arrays
            for name in ("joints", "skeleton"):
                np.testing.assert_array_equal(view[name], read[name])
            assert len(view["rgb"]) == len(view["joints"])
            assert view["rgb"][np.array([3, 1])].shape == (2, 36, 64, 3)
            assert row.label == int(row.key[-3:]) - 1
            assert row.subject == int(row.key[9:12])


def test_every_training_video_is_the_main_view_beside_its_siblings(data_dir):
    train = load(data_dir, views=3).splits["train"]
    shown = {
        example["key"]: [view["key"][4:8] for view in example["views"]]
        for example in (train[i] for i in range(len(train)))
    }
    assert shown == {
        "S001C001P001R001A001": ["C002", "C003", "C001"],
        "S001C002P001R001A001": ["C001", "C003", "C002"],
        "S001C003P001R001A001": ["C001", "C002", "C003"],
        "S001C002P001R002A010": ["C002", "C003", "C002"],
        "S001C003P001R002A010": ["C003", "C002", "C003"],
    }
    masks = [train[i]["view_mask"].tolist() for i in range(len(train))]
    assert sorted(masks) == 2 * [[0, 1, 1]] + 3 * [[1, 1, 1]]


def test_camera_1_tests_and_never_stands_beside_a_training_view(data_dir):
    splits = load(data_dir, protocol="ntu60_cview", views=3).splits
    train = [splits["train"][i] for i in range(len(splits["train"]))]
    assert {c for e in train for c in e["view_ids"].tolist()} == {2, 3}
    assert keys(splits["test"]) == [*("S001C001P001R001A001", "S001C001P003R001A001")]


def test_from_raw_files_to_batches(data_dir):
    dataset = load(data_dir, views=3)
    sample = clips.for_dataset(dataset, lengths={"joints": 6, "rgb": 4})
    source = Drawn(dataset.splits["train"], sample)
    (batch,) = loader.make_loader(source, batch_size=5, seed=0, epochs=1)
    assert batch["joints"].shape == (5, 3, 6, 2, 25, 3)
    assert batch["rgb"].shape == (5, 3, 4, 36, 64, 3)
    assert batch["rgb"].dtype == np.uint8


@pytest.mark.parametrize("damage", [b"", b"RIFF, or so it says"])
def test_a_video_that_does_not_decode_takes_its_performance_out(
    raw_dir, tmp_path, damage
):
    video_file(raw_dir, NAMES[1]).write_bytes(damage)
    report = build(raw_dir, tmp_path / "d")
    assert "ntu: kept 4 of 7 recordings" in report
    reason = (
        f"{NAMES[1]}_rgb.avi: {'not a readable' if damage else 'the file is empty'}"
    )
    assert report.count(reason) == 1
    for name in (NAMES[0], NAMES[2]):
        assert f"{name}: left out, as {NAMES[1]} of this performance is" in report
    left = load(tmp_path / "d").splits["train"]
    assert keys(left) == [*NAMES[3:5]]


@pytest.mark.parametrize("frames", [3, 40])
def test_a_video_of_another_length_than_its_skeleton_goes(raw_dir, tmp_path, frames):
    clip = np.random.default_rng(5).integers(0, 255, (frames, 36, 64, 3), np.uint8)
    # Twelve to fifteen frames of skeleton; ten more or less are let pass.
    raw_files.write_avi(video_file(raw_dir, NAMES[3]), clip)
    if frames == 3:
        body = raw_files.ntu_body(np.random.default_rng(5), frames=14)
        raw_files.write_skeleton(
            skeleton_file(raw_dir, NAMES[3]), [{1: joints} for joints in body]
        )
    report = build(raw_dir, tmp_path / "d")
    assert f"{NAMES[3]}_rgb.avi: {frames} frames, but the skeleton has" in report
    assert "kept 5 of 7" in report


def test_a_few_frames_of_difference_are_let_pass(raw_dir, tmp_path):
    clip = np.random.default_rng(5).integers(0, 255, (20, 36, 64, 3), np.uint8)
    raw_files.write_avi(video_file(raw_dir, NAMES[3]), clip)
    assert "kept 7 of 7" in build(raw_dir, tmp_path / "d")
    train = load(tmp_path / "d", views=1).splits["train"]
    (view,) = train[keys(train).index(NAMES[3])]["views"]
    assert len(view["rgb"]) == 20 and len(view["joints"]) < 16


def test_a_camera_without_a_file_leaves_the_others(raw_dir, tmp_path):
    video_file(raw_dir, NAMES[2]).unlink()
    report = build(raw_dir, tmp_path / "d")
    assert f"{NAMES[2]}: no rgb file" in report and "kept 6 of 7" in report


def test_nobody_seen_and_damaged_text_are_counted_and_named(raw_dir, tmp_path):
    raw_files.write_skeleton(skeleton_file(raw_dir, NAMES[3]), [{}] * 12)
    path = skeleton_file(raw_dir, NAMES[5])
    path.write_bytes(path.read_bytes()[:900])
    report = build(raw_dir, tmp_path / "d")
    assert f"{NAMES[3]}.skeleton: no body in any of the 12 frames" in report
    assert f"{NAMES[5]}.skeleton: not a skeleton file or truncated (900 bytes" in report
    assert "kept 3 of 7" in report


def test_recordings_on_the_list_of_missing_skeletons_are_passed_over(raw_dir, tmp_path):
    # The first of the authors' list.
    raw_files.ntu(raw_dir, ["S001C002P005R002A008"])
    report = build(raw_dir, tmp_path / "d")
    assert "kept 7 of 7" in report and "skipped: 0" in report


def test_strange_names_become_faults(raw_dir):
    for name in ("S001C004P001R001A001", "S001C001P001R001A061", "notes"):
        skeleton_file(raw_dir, name).touch()
    found = ntu.find(raw_dir)
    assert [recording.key for recording in found.recordings] == sorted(NAMES)
    assert sorted(reason.split(": ")[-1] for reason in found.faults.values()) == [
        "NTU RGB+D has no such recording",
        "NTU RGB+D has no such recording",
        "not the name of a recording of NTU RGB+D",
    ]
    # Of setup 1: eight subjects, three cameras, two replications, 60 actions.
    lost = sum(name.startswith("S001") for name in ntu.missing())
    assert len(found.missing) == 8 * 3 * 2 * 60 - lost - len(NAMES)


def test_frames_are_stored_with_the_short_side_that_is_asked_for(raw_dir, tmp_path):
    build(raw_dir, tmp_path / "d", short_side=18)
    assert side_of(tmp_path / "d") == 18
    train = load(tmp_path / "d", views=1).splits["train"]
    for i in range(len(train)):
        (view,) = train[i]["views"]
        assert view["rgb"][np.array([0])].shape == (1, 18, 32, 3)


def test_a_build_with_another_short_side_is_neither_taken_nor_touched(
    raw_dir, data_dir
):
    assert side_of(data_dir) == 256
    for options in ({}, {"short_side": 256}):
        assert "nothing to do" in build(raw_dir, data_dir, **options)
    other = "built already in .* with --short_side=256, not 128: move it away"
    with pytest.raises(DataError, match=other):
        build(raw_dir, data_dir, short_side=128)
    assert side_of(data_dir) == 256
    assert len(load(data_dir, views=1).splits["train"]) == 5


@pytest.mark.parametrize("side", [-256, 0, 14, 255])
def test_a_short_side_that_no_frame_can_have_is_refused(raw_dir, tmp_path, side):
    with pytest.raises(DataError, match=f"--short_side={side}: not an even number"):
        build(raw_dir, tmp_path / "d", short_side=side)
    assert not (tmp_path / "d").exists()


def test_a_folder_without_video_is_refused(raw_dir, tmp_path):
    with pytest.raises(DataError, match=r"nturgb\+d_rgb: there is no such folder"):
        (raw_dir / "nturgb+d_rgb").rename(tmp_path / "elsewhere")
        build(raw_dir, tmp_path / "d")


def test_annotated_poses_need_no_preparation(tmp_path):
    path = write_annotations(tmp_path / "ntu60_hrnet.pkl", NAMES)
    dataset = load(tmp_path, modalities=("joints",), annotations=path)
    assert (dataset.topology, dataset.modalities) == ("coco", ("joints",))
    assert len(dataset.splits["train"]) == 5
    example = dataset.splits["train"][0]
    assert [view["joints"].shape for view in example["views"]] == 3 * [(14, 2, 17, 3)]
    entry = pickle.loads(path.read_bytes())["annotations"][0]
    got = example["views"][-1]["joints"][:, 0]
    np.testing.assert_array_equal(got[..., :2], entry["keypoint"][0])
    np.testing.assert_array_equal(got[..., 2], entry["keypoint_score"][0])
    with pytest.raises(DataError, match="5 training and 2 test .* 40091 and 16487"):
        ntu.load(modalities=("joints",), annotations=path)


def test_annotated_poses_are_paired_with_video_by_name(data_dir, tmp_path):
    # In another order, and without the poses of one recording.
    names = [*reversed(NAMES[1:])]
    path = write_annotations(tmp_path / "poses.pkl", names)
    dataset = load(data_dir, annotations=path, views=1)
    assert dataset.topology == "coco" and dataset.modalities == ("joints", "rgb")
    train = dataset.splits["train"]
    assert keys(train) == sorted(NAMES[1:5], key=lambda name: (name[8:], name))
    entries = pickle.loads(path.read_bytes())["annotations"]
    poses = {entry["frame_dir"]: entry["keypoint"] for entry in entries}
    for i, row in enumerate(rows(train)):
        (view,) = train[i]["views"]
        np.testing.assert_array_equal(view["joints"][:, 0, :, :2], poses[row.key][0])
        assert len(view["rgb"]) >= 12


def test_a_subject_is_held_out(tmp_path):
    names = [f"S001C001P{p:03}R001A001" for p in (1, 2, 3)]
    path = write_annotations(tmp_path / "poses.pkl", names)
    options = {"modalities": ("joints",), "annotations": path, "holdout": [2]}
    splits = load(tmp_path, **options).splits
    assert {name: keys(source) for name, source in splits.items()} == {
        "train": names[:1],
        "val": names[1:2],
        "test": names[2:],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "csub"}, "ntu has the protocols .*'csub'"),
        ({"modalities": ("joints", "ir")}, r"not \['joints', 'ir'\]"),
        ({"modalities": ()}, r"not \[\]"),
    ],
)
def test_options_that_make_no_data_set_are_refused(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        load(tmp_path, **options)


def test_another_size_than_the_published_one_is_refused(data_dir):
    with pytest.raises(DataError, match="5 training and 2 test .* 40091 and 16487"):
        ntu.load(data_dir=data_dir)


def test_a_recording_is_read_for_prediction(raw_dir):
    paths = [skeleton_file(raw_dir, NAMES[1]), video_file(raw_dir, NAMES[1])]
    example = ntu.read_recording(paths)
    assert (example["key"], example["view_ids"].tolist()) == (NAMES[1], [2])
    (view,) = example["views"]
    assert sorted(view) == ["joints", "key", "rgb", "skeleton"]
    assert view["rgb"][np.array([0])].shape == (1, 36, 64, 3)
    with pytest.raises(DataError, match=f"is not of the recording {NAMES[1]}"):
        ntu.read_recording([paths[0], video_file(raw_dir, NAMES[0])])
    with pytest.raises(DataError, match="x.avi: not the name of a recording"):
        ntu.read_recording(["x.avi"])
    with pytest.raises(DataError, match="a .skeleton file, an .avi file or both"):
        ntu.read_recording([])
