"""UTD-MHAD: raw files, protocols, sizes."""

import numpy as np
import pytest
import scipy.io

from data_pipelines.dataset import rows
from data_pipelines.datasets import utd_mhad
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from tests.data_pipelines import raw_files


@pytest.fixture
def raw_dir(tmp_path):
    return raw_files.utd(tmp_path / "raw")


@pytest.fixture
def data_dir(raw_dir, tmp_path):
    prepare("utd_mhad", raw_dir=raw_dir, data_dir=tmp_path / "data")
    return tmp_path / "data"


def file(raw_dir, key, modality):
    return raw_dir / modality.capitalize() / f"{key}_{modality}.mat"


def test_there_are_27_classes_and_861_published_trials():
    # The paper's abstract says 27 actions, 8 subjects, 4 trials, 861 sequences.
    assert len(set(utd_mhad.CLASSES)) == 27
    assert len(set(utd_mhad.GRID) - utd_mhad.UNPUBLISHED) == 861
    train = [
        key
        for key, (_, subject, _) in utd_mhad.GRID.items()
        if subject in utd_mhad.TRAIN_SUBJECTS and key not in utd_mhad.UNPUBLISHED
    ]
    assert len(train) == 431


def test_a_file_is_read_into_frames_bodies_joints(raw_dir):
    path = file(raw_dir, "a1_s1_t1", "skeleton")
    stored = scipy.io.loadmat(path)["d_skel"]
    clip = utd_mhad.read("skeleton", path).arrays["skeleton"]
    assert clip.shape == (stored.shape[2], 1, 20, 3)
    np.testing.assert_allclose(clip[3, 0, 7], stored[7, :, 3], rtol=1e-6)
    path = file(raw_dir, "a1_s1_t1", "inertial")
    signal = utd_mhad.read("inertial", path).arrays["inertial"]
    np.testing.assert_allclose(signal, scipy.io.loadmat(path)["d_iner"], rtol=1e-6)


@pytest.mark.parametrize(
    ("modality", "value", "message"),
    [
        ("skeleton", np.ones((25, 3, 9)), r"\(25, 3, 9\), not \[20 3 T\].*kinect_v1"),
        ("skeleton", np.ones((20, 3)), r"shape \(20, 3\)"),
        ("skeleton", np.zeros((20, 3, 9)), "every joint of the skeleton is zero"),
        ("skeleton", np.full((20, 3, 2), np.nan), "120 of 120 values are NaN"),
        ("inertial", np.ones((9, 3)), r"\(9, 3\), not \[T 6\]"),
        ("inertial", np.ones((0, 6)), r"shape \(0, 6\)|shape \(0, 0\)"),
        ("inertial", np.full((2, 6), np.inf), "12 of 12 values"),
    ],
)
def test_a_file_of_other_content_is_named(tmp_path, modality, value, message):
    variable = {"skeleton": "d_skel", "inertial": "d_iner"}[modality]
    raw_files.write_utd(tmp_path, "a1_s1_t1", **{variable: value})
    with pytest.raises(DataError, match=message) as caught:
        utd_mhad.read(modality, file(tmp_path, "a1_s1_t1", modality))
    assert f"a1_s1_t1_{modality}.mat" in str(caught.value)


def test_strange_names_become_faults(raw_dir):
    for name in ("a28_s1_t1_skeleton.mat", "a1_s9_t1_skeleton.mat", "x.mat"):
        (raw_dir / "Skeleton" / name).touch()
    found = utd_mhad.find(raw_dir)
    assert len(found.recordings) == 8
    assert sorted(reason.split(": ")[1] for reason in found.faults.values()) == [
        "no such action, subject or trial",
        "no such action, subject or trial",
        "not the name of a skeleton file",
    ]
    assert len(found.missing) == 861 - 8


def test_the_splits_go_by_subject(data_dir):
    dataset = utd_mhad.load(data_dir=data_dir, strict=False)
    assert (dataset.name, dataset.topology) == ("utd_mhad", "kinect_v1")
    assert dataset.modalities == ("skeleton", "inertial")
    assert {row.subject for row in rows(dataset.splits["train"])} == {1}
    assert {row.subject for row in rows(dataset.splits["test"])} == {2}
    example = dataset.splits["test"][0]
    assert (example["key"], example["label"], example["subject"]) == ("a1_s2_t1", 0, 2)
    assert example["skeleton"].shape[1:] == (1, 20, 3)
    assert example["inertial"].shape[1:] == (6,)


def test_prepared_examples_are_those_of_the_raw_files(raw_dir, data_dir):
    for source in utd_mhad.load(data_dir=data_dir, strict=False).splits.values():
        for i in range(len(source)):
            for modality in ("skeleton", "inertial"):
                path = file(raw_dir, source[i]["key"], modality)
                np.testing.assert_array_equal(
                    source[i][modality], utd_mhad.read(modality, path).arrays[modality]
                )


def test_a_subject_is_held_out(tmp_path):
    raw_files.utd(tmp_path / "raw", subjects=(1, 2, 7))
    prepare("utd_mhad", raw_dir=tmp_path / "raw", data_dir=tmp_path)
    splits = utd_mhad.load(data_dir=tmp_path, strict=False, holdout=(7,)).splits
    assert {name: len(source) for name, source in splits.items()} == {
        "train": 4,
        "val": 4,
        "test": 4,
    }
    assert {row.subject for row in rows(splits["val"])} == {7}


def test_random_halves_are_seeded(data_dir):
    def train(seed):
        dataset = utd_mhad.load(
            data_dir=data_dir, protocol="random_half", split_seed=seed, strict=False
        )
        assert len(dataset.splits["train"]) == len(dataset.splits["test"]) == 4
        return [row.key for row in rows(dataset.splits["train"])]

    assert train(0) == train(0)
    assert len({tuple(train(seed)) for seed in range(6)}) > 1


def test_another_size_than_the_published_one_is_refused(data_dir):
    with pytest.raises(DataError, match="4 training and 4 test trials.* 431 and 430"):
        utd_mhad.load(data_dir=data_dir)


def test_a_missing_test_side_is_refused(tmp_path):
    raw_files.utd(tmp_path / "raw", subjects=(1, 3))
    prepare("utd_mhad", raw_dir=tmp_path / "raw", data_dir=tmp_path)
    with pytest.raises(DataError, match="the split 'test' is empty"):
        utd_mhad.load(data_dir=tmp_path, strict=False)


def test_an_unknown_protocol_is_refused(data_dir):
    with pytest.raises(DataError, match="protocols .*not 'cview'"):
        utd_mhad.load(data_dir=data_dir, protocol="cview")


def test_a_recording_is_read_for_prediction(raw_dir):
    paths = [file(raw_dir, "a2_s1_t2", m) for m in ("skeleton", "inertial")]
    example = utd_mhad.read_recording(paths)
    assert sorted(example) == ["inertial", "key", "skeleton"]
    assert example["key"] == "a2_s1_t2"
    assert sorted(utd_mhad.read_recording(paths[1:])) == ["inertial", "key"]
    with pytest.raises(DataError, match="is not of the recording a2_s1_t2"):
        utd_mhad.read_recording([paths[0], file(raw_dir, "a1_s1_t1", "inertial")])
    with pytest.raises(DataError, match="not the name of a UTD-MHAD file"):
        utd_mhad.read_recording(["x.mat"])


@pytest.fixture
def depth_dir(tmp_path):
    raw_files.utd(tmp_path / "with_depth", depth=True)
    return tmp_path / "with_depth"


@pytest.fixture
def deep(depth_dir, tmp_path):
    """Where trials with depth were prepared."""
    prepare("utd_mhad", raw_dir=depth_dir, data_dir=tmp_path / "deep")
    return tmp_path / "deep"


FILMED = {"modalities": ("joints", "depth"), "strict": False}


def test_depth_is_stored_in_levels(tmp_path):
    clip = np.zeros((240, 320, 2), np.uint16)
    # Rows and columns that are kept are 0, 4, 8, ...
    clip[4, 8] = (1, 1600)
    clip[8, 8] = (1609, 1610)
    clip[12, 8] = (2800, 2809)
    clip[16, 8] = (4140, 65535)
    clip[17, 9] = 3000
    raw_files.write_utd(tmp_path, "a1_s1_t1", d_depth=clip)
    got = utd_mhad.read("depth", file(tmp_path, "a1_s1_t1", "depth")).arrays["depth"]
    assert got.shape == (2, 60, 80) and got.dtype == np.uint8
    column = [(1, 1), (1, 2), (121, 121), (255, 255)]
    np.testing.assert_array_equal(got[:, 1:5, 2].T, column)
    assert np.count_nonzero(got) == 8


def test_published_and_thinned_depth_are_stored_alike(tmp_path):
    whole = np.random.default_rng(0).integers(0, 5000, (240, 320, 3), np.uint16)
    for name, clip in (("a1_s1_t1", whole), ("a1_s1_t2", whole[::4, ::4])):
        raw_files.write_utd(tmp_path, name, d_depth=clip)
    one, two = (
        utd_mhad.read("depth", file(tmp_path, name, "depth")).arrays["depth"]
        for name in ("a1_s1_t1", "a1_s1_t2")
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones((80, 60, 9), np.uint16), r"\(80, 60, 9\), not \[240 320 T\]"),
        (np.ones((60, 80), np.uint16), r"shape \(60, 80\)"),
        (np.ones((60, 80, 9)), "d_depth is float64, not whole millimetres"),
        (np.zeros((60, 80, 9), np.uint16), "nothing was measured"),
    ],
)
def test_depth_of_other_content_is_named(tmp_path, value, message):
    raw_files.write_utd(tmp_path, "a1_s1_t1", d_depth=value)
    with pytest.raises(DataError, match=message):
        utd_mhad.read("depth", file(tmp_path, "a1_s1_t1", "depth"))


def test_depth_changes_nothing_for_skeleton_and_sensor(deep, data_dir):
    plain = utd_mhad.load(data_dir=data_dir, strict=False).splits
    shot = utd_mhad.load(data_dir=deep, strict=False).splits
    for name, source in plain.items():
        assert rows(source) == rows(shot[name])
        # The fixtures with depth draw other numbers: the fields are what is compared.
        assert source[0].keys() == shot[name][0].keys()
        path = file(deep.parent / "with_depth", shot[name][0]["key"], "skeleton")
        np.testing.assert_array_equal(
            shot[name][0]["skeleton"],
            utd_mhad.read("skeleton", path).arrays["skeleton"],
        )


def test_a_folder_without_depth_serves_all_but_depth(data_dir):
    with pytest.raises(DataError, match="no recording in .* has .*depth, it was built"):
        utd_mhad.load(data_dir=data_dir, **FILMED)
    dataset = utd_mhad.load(data_dir=data_dir, modalities=("joints",), strict=False)
    assert dataset.modalities == ("joints",)
    assert "joints" in dataset.splits["train"][0]["views"][0]


def test_depth_and_joints_make_examples_of_one_camera(deep, depth_dir):
    dataset = utd_mhad.load(data_dir=deep, views=3, **FILMED)
    assert dataset.modalities == ("joints", "depth")
    example = dataset.splits["train"][0]
    assert example["view_mask"].tolist() == [0, 0, 1]
    assert example["view_ids"].tolist() == [0, 0, 0]
    view = example["views"][-1]
    path = file(depth_dir, example["key"], "depth")
    np.testing.assert_array_equal(
        view["depth"][..., 0], utd_mhad.read("depth", path).arrays["depth"]
    )
    assert view["joints"].shape == (len(view["depth"]), 1, 20, 3)
    assert len(dataset.splits["test"][0]["views"]) == 1


def test_faulty_depth_leaves_the_rest_of_a_trial(depth_dir, tmp_path):
    file(depth_dir, "a1_s1_t1", "depth").write_bytes(b"")
    clip = np.full((60, 80, 99), 2000, np.uint16)
    raw_files.write_utd(depth_dir, "a1_s1_t2", d_depth=clip)
    file(depth_dir, "a1_s2_t1", "depth").unlink()
    options = {"raw_dir": depth_dir, "data_dir": tmp_path / "d", "max_skipped": 0.5}
    report = prepare("utd_mhad", **options)
    assert "kept 8 of 8" in report and "depth: kept 5 of 7" in report
    assert "a1_s1_t1_depth.mat: the file is empty (0 bytes)" in report
    assert "a1_s1_t2_depth.mat: 99 frames, but the skeleton has" in report
    splits = utd_mhad.load(data_dir=tmp_path / "d", **FILMED).splits
    assert {name: len(source) for name, source in splits.items()} == {
        "train": 2,
        "test": 3,
    }
    splits = utd_mhad.load(data_dir=tmp_path / "d", strict=False).splits
    assert {len(source) for source in splits.values()} == {4}


def test_modalities_that_do_not_go_together_are_refused(data_dir):
    with pytest.raises(DataError, match="not depth and inertial"):
        utd_mhad.load(data_dir=data_dir, modalities=("depth", "inertial"))


def test_a_recording_with_depth_is_read_for_prediction(depth_dir):
    paths = [file(depth_dir, "a2_s1_t2", m) for m in ("skeleton", "depth")]
    example = utd_mhad.read_recording(paths)
    assert sorted(example) == ["key", "view_ids", "view_mask", "views"]
    assert sorted(example["views"][0]) == ["depth", "ir", "joints", "key", "skeleton"]
    assert "joints" not in utd_mhad.read_recording(paths[1:])["views"][0]
    clip = np.full((60, 80, 99), 2000, np.uint16)
    raw_files.write_utd(depth_dir, "a2_s1_t2", d_depth=clip)
    with pytest.raises(DataError, match="a2_s1_t2: its depth has 99 frames, but"):
        utd_mhad.read_recording(paths)


def test_the_projection_falls_on_the_body(real_data):
    # Of 60 trials drawn at random 93 % of the joints have depth within 25 cm of their
    # own; in a mirrored picture 43 %.
    folder = real_data("utd_mhad")
    on_body, mirrored = [], []
    for key in ("a1_s1_t1", "a7_s3_t2", "a16_s5_t4", "a22_s2_t1", "a27_s7_t3"):
        paths = [file(folder, key, m) for m in ("skeleton", "depth")]
        (view,) = utd_mhad.read_recording(paths)["views"]
        x, y = np.rint(view["joints"][:, 0, :, :2]).astype(int).transpose(2, 0, 1)
        inside = (x >= 0) & (x < 80) & (y >= 0) & (y < 60)
        distance = 1000 * view["skeleton"][:, 0, :, 2]
        frame = np.arange(len(x))[:, None]
        for column, share in ((x, on_body), (79 - x, mirrored)):
            level = view["depth"][frame, y.clip(0, 59), column.clip(0, 79), 0]
            measured = utd_mhad.NEAREST + utd_mhad.LEVEL * (level - 1.0)
            near = inside & (level > 0) & (np.abs(measured - distance) < 250)
            share.append(near.mean())
    assert np.mean(on_body) > 0.88
    assert np.mean(mirrored) < 0.6


def test_the_real_recordings_are_as_published(real_data, tmp_path):
    report = prepare("utd_mhad", raw_dir=real_data("utd_mhad"), data_dir=tmp_path)
    assert "kept 861 of 861" in report and "depth: kept 861 of 861" in report
    shot = utd_mhad.load(data_dir=tmp_path, modalities=("joints", "depth")).splits
    assert (len(shot["train"]), len(shot["test"])) == (431, 430)
    splits = utd_mhad.load(data_dir=tmp_path).splits
    assert (len(splits["train"]), len(splits["test"])) == (431, 430)
    halves = utd_mhad.load(data_dir=tmp_path, protocol="random_half").splits
    assert (len(halves["train"]), len(halves["test"])) == (431, 430)
    # Lengths from the files themselves: skeletons 41 to 125 frames, signals 107 to 326.
    examples = [s[i] for s in splits.values() for i in range(len(s))]
    frames = [len(e["skeleton"]) for e in examples]
    samples = [len(e["inertial"]) for e in examples]
    assert (min(frames), max(frames)) == (41, 125)
    assert (min(samples), max(samples)) == (107, 326)
