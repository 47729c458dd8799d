"""MMAct: files written in its format, protocols, poses."""

import numpy as np
import pytest

from data_pipelines.dataset import rows
from data_pipelines.datasets import mmact
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from data_pipelines.sources import Mapped
from data_pipelines.transforms import align
from tests.data_pipelines import raw_files


def build(tmp_path, **options):
    raw_files.mmact(tmp_path / "raw", **options)
    return prepare("mmact", raw_dir=tmp_path / "raw", data_dir=tmp_path)


def load(tmp_path, **options):
    return mmact.load(data_dir=tmp_path, **options)


def sizes(dataset):
    return {name: len(source) for name, source in dataset.splits.items()}


def test_there_are_37_classes_in_order():
    assert len(mmact.CLASSES) == 37
    assert list(mmact.CLASSES) == sorted(mmact.CLASSES)


def test_time_stamps_with_and_without_fraction_are_seconds():
    got = mmact.seconds(
        ["20180905_14:12:33.5", "20180905_14:12:34", "20180906_14:12:33.500001"]
    )
    np.testing.assert_allclose(got, [0, 0.5, 86400.000001], rtol=0, atol=1e-7)


@pytest.mark.parametrize("header", [False, True])
def test_a_sensor_is_read_sorted_and_without_repetitions(tmp_path, header):
    values = np.arange(12.0).reshape(4, 3)
    path = raw_files.write_mmact_sensor(
        tmp_path, "gyro", values, seconds=[0.0, 1.0, 0.02, 1.0], header=header
    )
    reading = mmact.read("gyro", path)
    np.testing.assert_allclose(reading.arrays["gyro_time"], [0, 0.02, 1], atol=1e-6)
    np.testing.assert_array_equal(reading.arrays["gyro"], values[[0, 2, 1]])
    assert len(reading.notes) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"the file is empty \(0 bytes\)"),
        ("time,x,y,z\n", "no samples below the header"),
        ("20180905_14:12:33,1,2,3\n20180905_14:12:34,1", r"sample 2 has 2 of 4.*\(43"),
        ("20180905_14:12:33,1,2,x\n", "not lines of time,x,y,z"),
        ("2018,1,2,3\n", "not lines of time,x,y,z"),
        ("20180905_14:12:33,1,2,nan\n", "NaN or infinite"),
        ("20180905_14:12:33,1,2,3\n20180905_14:13:33,1,2,3", r"a gap of 60\.00 s"),
    ],
)
def test_a_fault_is_named(tmp_path, content, message):
    path = tmp_path / "walking.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        mmact.read("acc_watch", path)
    assert "walking.csv" in str(caught.value)


def test_sensors_without_cameras_are_one_recording_a_performance(tmp_path):
    report = build(tmp_path)
    assert "kept 4 of 4" in report
    assert "acc_watch: kept 4 of 4" in report
    assert "orientation: kept 0 of 0" in report
    dataset = load(tmp_path, modalities=("inertial",))
    assert sizes(dataset) == {"train": 2, "test": 2}
    assert {row.subject for row in rows(dataset.splits["test"])} == {17}
    # Labels differ in case between files: Carrying_light is carrying_light.
    labels = {dataset.classes[row.label] for row in rows(dataset.splits["train"])}
    assert labels == {"carrying_light", "walking"}


def test_another_sensor_is_another_signal(tmp_path):
    build(tmp_path)
    watch, gyro = (
        load(tmp_path, modalities=("inertial",), sensor=sensor).splits["train"][0]
        for sensor in ("acc_watch", "gyro")
    )
    assert watch["key"] == gyro["key"]
    assert watch["inertial"].tobytes() != gyro["inertial"].tobytes()
    with pytest.raises(DataError, match="has orientation, it was built with acc_watch"):
        load(tmp_path, modalities=("inertial",), sensor="orientation")


def test_poses_make_one_recording_a_camera_with_the_same_signal(tmp_path):
    build(tmp_path, cameras=(1, 4))
    dataset = load(tmp_path)
    assert sizes(dataset) == {"train": 4, "test": 4}
    assert dataset.topology == "coco"
    by_key = {e["key"]: e for e in map(dataset.splits["train"].__getitem__, range(4))}
    one, two = by_key["s1_c1_n1_m1_walking"], by_key["s1_c4_n1_m1_walking"]
    np.testing.assert_array_equal(one["inertial"], two["inertial"])
    assert one["skeleton"].shape == (12, 2, 17, 3)
    assert one["skeleton"].tobytes() != two["skeleton"].tobytes()
    assert sizes(load(tmp_path, modalities=("inertial",))) == {"train": 2, "test": 2}


def test_skeletons_that_nobody_estimated_are_asked_for(tmp_path):
    build(tmp_path)
    with pytest.raises(DataError, match="no recording .* has skeleton and acc_watch"):
        load(tmp_path)


def test_cameras_scenes_and_sessions_split_too(tmp_path):
    build(tmp_path, cameras=(1, 3, 4), scenes=(1, 4), sessions=(1, 2, 3, 4, 5))

    def places(name, **options):
        splits = load(tmp_path, protocol=f"cross_{name}", **options).splits
        letter = {"view": "_c", "scene": "_n", "session": "_m"}[name]
        return {
            side: {int(row.key.split(letter)[1].split("_")[0]) for row in rows(source)}
            for side, source in splits.items()
        }

    assert places("view") == {"train": {1, 3}, "test": {4}}
    assert places("view", test_cameras=(3,)) == {"train": {1, 4}, "test": {3}}
    assert places("scene") == {"train": {1}, "test": {4}}
    assert places("scene", test_scenes=(1,)) == {"train": {4}, "test": {1}}
    assert places("session") == {"train": {1, 2, 3, 4}, "test": {5}}
    assert places("session", train_sessions=0.4) == {"train": {1, 2}, "test": {3, 4, 5}}


def test_a_camera_protocol_without_cameras_is_refused(tmp_path):
    build(tmp_path)
    with pytest.raises(DataError, match="the split 'test' is empty"):
        load(tmp_path, protocol="cross_view", modalities=("inertial",))


def test_empty_files_and_strange_names_are_skipped_and_named(tmp_path):
    raw_files.mmact(tmp_path / "raw", subjects=tuple(range(1, 18)))
    folder = tmp_path / "raw" / "acc_watch_clip"
    (folder / "subject2/scene1/session1/walking.csv").write_text("")
    (folder / "subject2/scene1/session1/flying.csv").touch()
    (folder / "subject2/walking.csv").touch()
    (folder / "subject21/scene1/session1").mkdir(parents=True)
    (folder / "subject21/scene1/session1/walking.csv").touch()
    report = prepare(
        "mmact", raw_dir=tmp_path / "raw", data_dir=tmp_path, max_skipped=0.2
    )
    for reason in (
        "subject2/scene1/session1/walking.csv: the file is empty (0 bytes)",
        "there is no action flying",
        "subject2/walking.csv: not where a recording would be",
        "there is no subject 21",
    ):
        assert reason in report
    # The other sensor of that performance is still there.
    assert "acc_watch: kept 33 of 34" in report
    assert "gyro: kept 34 of 34" in report


def test_one_file_under_two_modalities_is_skipped(tmp_path):
    raw_files.mmact(tmp_path / "raw", subjects=tuple(range(1, 18)))
    place = "subject3/scene1/session1/walking.csv"
    watch = tmp_path / "raw/acc_watch_clip" / place
    gyro = tmp_path / "raw/gyro_clip" / place
    gyro.write_bytes(watch.read_bytes())
    report = prepare("mmact", raw_dir=tmp_path / "raw", data_dir=tmp_path)
    assert f"{gyro}: the same content as {watch}" in report
    assert "gyro: kept 33 of 34" in report


def test_examples_align_to_batches(tmp_path):
    build(tmp_path, cameras=(1,))
    dataset = load(tmp_path)
    train = dataset.splits["train"]
    fitted = align.standardised(align.for_dataset(dataset, length=32), train)
    aligned = Mapped(train, fitted)[0]
    assert aligned["skeleton"].shape == (32, 2, 17, 3)
    assert aligned["inertial"].shape == (32, 3)
    # The second body was never there and stays absent.
    assert not aligned["skeleton"][:, 1].any()


def test_a_recording_is_read_for_prediction(tmp_path):
    raw_files.mmact(tmp_path, cameras=(2,))
    csv = tmp_path / "acc_watch_clip/subject1/scene1/session1/walking.csv"
    poses = tmp_path / "pose/subject1/cam2/scene1/session1/walking.json"
    example = mmact.read_recording([csv, poses])
    assert sorted(example) == ["inertial", "inertial_time", "key", "skeleton"]
    assert sorted(mmact.read_recording([poses])) == ["key", "skeleton"]
    other = tmp_path / "gyro_clip/subject1/scene1/session1/walking.csv"
    with pytest.raises(DataError, match="a second file with the inertial"):
        mmact.read_recording([csv, other])
    other = csv.with_name("Carrying_light.csv")
    with pytest.raises(DataError, match="is not of the recording"):
        mmact.read_recording([csv, other])
    with pytest.raises(DataError, match="not where a recording would be"):
        mmact.read_recording([tmp_path / "walking.csv"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "csub"}, "not 'csub'"),
        ({"sensor": "watch"}, "not 'watch'"),
        ({"modalities": ("rgb",)}, "no modality 'rgb'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        mmact.load(**options)
