"""NW-UCLA: raw files, the virtual camera, views, protocol."""

import json

import numpy as np
import pytest

from data_pipelines import loader
from data_pipelines.dataset import rows
from data_pipelines.datasets import nw_ucla
from data_pipelines.errors import DataError
from data_pipelines.person.body import INDEX, bones, standing
from data_pipelines.prepare import prepare
from data_pipelines.sources import Drawn
from data_pipelines.transforms import clips
from tests.data_pipelines import raw_files

KEYS = (
    *("a01_s01_e00_v01", "a01_s01_e00_v02", "a01_s01_e00_v03"),
    *("a12_s02_e05_v02", "a12_s02_e05_v03"),
    "a08_s01_e01_v01",
)


@pytest.fixture
def raw_dir(tmp_path):
    return raw_files.nw_ucla(tmp_path / "raw", KEYS)


@pytest.fixture
def data_dir(raw_dir, tmp_path):
    prepare("nw_ucla", raw_dir=raw_dir, data_dir=tmp_path / "data")
    return tmp_path / "data"


def load(data_dir, **options):
    return nw_ucla.load(data_dir=data_dir, strict=False, **options)


def file(raw_dir, key):
    return raw_dir / "all_sqe" / f"{key}.json"


def test_a_file_is_read_into_the_topology_s_order(raw_dir):
    path = file(raw_dir, KEYS[0])
    stored = np.array(json.loads(path.read_text())["skeletons"], np.float32)
    clip = nw_ucla.read("skeleton", path).arrays["skeleton"]
    assert clip.shape == (len(stored), 1, 20, 3)
    # The Kinect's order begins with hip centre, spine, shoulder centre, head.
    for name, theirs, ours in (("hip", 0, 3), ("head", 3, 0), ("left hand", 7, 7)):
        np.testing.assert_array_equal(clip[:, 0, ours], stored[:, theirs], name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skeletons": np.ones((3, 25, 3)).tolist()}, r"\(3, 25, 3\), not \[T 20 3\]"),
        ({"skeletons": []}, r"shape \(0,\)"),
        ({"skeletons": np.zeros((3, 20, 3)).tolist()}, "every joint .* is zero"),
        (
            {"skeletons": np.full((1, 20, 3), np.nan).tolist()},
            "60 of 60 values are NaN",
        ),
        ({"skeletons": [[1], [2, 3]]}, "not a skeleton's JSON"),
        ({"label": 2}, "says it is a01_s01_e00_v01 of the class 2"),
        ({"file_name": "a01_s01_e00_v02"}, "says it is a01_s01_e00_v02"),
    ],
)
def test_a_file_of_other_content_is_named(raw_dir, change, message):
    path = file(raw_dir, KEYS[0])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message) as caught:
        nw_ucla.read("skeleton", path)
    assert KEYS[0] in str(caught.value)


def test_a_truncated_file_is_named(raw_dir):
    path = file(raw_dir, KEYS[0])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"truncated \(100 bytes\)"):
        nw_ucla.read("skeleton", path)


def test_strange_names_become_faults(raw_dir):
    for name in ("a07_s01_e01_v01", "a01_s01_e01_v04", "notes"):
        file(raw_dir, name).write_text("{}")
    found = nw_ucla.find(raw_dir)
    assert [recording.key for recording in found.recordings] == sorted(KEYS)
    assert sorted(reason.split(": ")[1] for reason in found.faults.values()) == [
        "no such action or camera",
        "no such action or camera",
        "not the name of a clip",
    ]


def test_cameras_1_and_2_train_and_camera_3_tests(data_dir):
    dataset = load(data_dir)
    assert (dataset.name, dataset.topology) == ("nw_ucla", "kinect_v1")
    assert dataset.modalities == ("joints", "depth")
    train, test = (rows(dataset.splits[name]) for name in ("train", "test"))
    assert [row.key for row in train] == [
        *("a01_s01_e00_v01", "a01_s01_e00_v02", "a08_s01_e01_v01", "a12_s02_e05_v02")
    ]
    assert [row.key for row in test] == ["a01_s01_e00_v03", "a12_s02_e05_v03"]
    assert [row.label for row in train] == [0, 0, 6, 9]
    assert [row.subject for row in test] == [1, 2]


def test_the_test_camera_is_never_a_sibling(data_dir):
    train = load(data_dir, views=3).splits["train"]
    shown = {train[i]["key"]: train[i] for i in range(len(train))}
    ids = {key: example["view_ids"].tolist() for key, example in shown.items()}
    masks = {key: example["view_mask"].tolist() for key, example in shown.items()}
    assert ids["a01_s01_e00_v01"] == [1, 2, 1]
    assert masks["a01_s01_e00_v01"] == [0, 1, 1]
    assert ids["a12_s02_e05_v02"] == [2, 2, 2]
    assert masks["a12_s02_e05_v02"] == [0, 0, 1]


def test_from_raw_files_to_batches(data_dir):
    dataset = load(data_dir, views=3, size=(32, 40))
    sample = clips.for_dataset(dataset, lengths={"joints": 12, "depth": 8})
    source = Drawn(dataset.splits["train"], sample)
    (batch,) = loader.make_loader(source, batch_size=4, seed=0, epochs=1)
    assert {name: array.shape for name, array in batch.items()} == {
        "key": (4,),
        "label": (4,),
        "mask": (4,),
        "view_ids": (4, 3),
        "view_mask": (4, 3),
        "joints": (4, 3, 12, 1, 20, 3),
        "depth": (4, 3, 8, 32, 40, 1),
    }
    assert batch["depth"].dtype == np.uint8 and batch["joints"].dtype == np.float32


def test_the_camera_looks_at_the_body():
    # A person of 1.75 m at 3 m, and the same one a step aside: the same picture.
    body = standing(bones())[:20] * (1, 1, -1) + (0, 0, 3)
    clip = body[None, None].astype(np.float32)
    seen = nw_ucla.Filmed((48, 48))({"skeleton": clip})["joints"][0, 0]
    aside = nw_ucla.Filmed((48, 48))({"skeleton": clip + np.float32([0.7, 0.2, 0.5])})
    np.testing.assert_allclose(aside["joints"][0, 0], seen, atol=1e-3)
    low, high = seen[:, :2].min(0), seen[:, :2].max(0)
    np.testing.assert_allclose((low + high) / 2, 63.5, atol=2)
    # 2.4 m fill the picture: a body of about 1.6 m between its joints two thirds.
    assert 0.55 * 128 < high[1] - low[1] < 0.75 * 128
    assert seen[INDEX["head"], 1] < seen[INDEX["left_foot"], 1]


def test_the_video_shows_the_joints(data_dir):
    view = load(data_dir, size=(64, 64)).splits["test"][0]["views"][-1]
    frame = view["depth"][np.array([2])][0, ..., 0]
    # A picture of 64 pixels shows a joint of 128 at (x + 0.5) / 2 - 0.5.
    places = np.rint((view["joints"][2, 0, :, :2] + 0.5) / 2 - 0.5).astype(int)
    inside = ((places > 0) & (places < 63)).all(1)
    assert inside.sum() > 5
    for x, y in places[inside]:
        assert frame[y - 1 : y + 2, x - 1 : x + 2].any()


def test_a_recording_is_read_for_prediction(raw_dir):
    example = nw_ucla.read_recording([file(raw_dir, KEYS[0])])
    assert sorted(example) == ["key", "view_ids", "view_mask", "views"]
    assert sorted(example["views"][0]) == ["depth", "joints", "key", "skeleton"]
    with pytest.raises(DataError, match="not the name of a clip"):
        nw_ucla.read_recording(["x.json"])
    with pytest.raises(DataError, match="one JSON file makes a clip, not 2"):
        nw_ucla.read_recording(["x.json", "y.json"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "csub"}, "the protocol cview, not 'csub'"),
        ({"size": (4, 48)}, "not 8 to 128 pixels"),
        ({"size": (48,)}, "not 8 to 128 pixels"),
    ],
)
def test_options_that_make_no_data_set_are_refused(data_dir, options, message):
    with pytest.raises(DataError, match=message):
        load(data_dir, **options)


def test_another_size_than_the_published_one_is_refused(data_dir):
    with pytest.raises(DataError, match="4 training and 2 test trials.* 1020 and 464"):
        nw_ucla.load(data_dir=data_dir)


def test_the_real_recordings_are_as_published(real_data, tmp_path):
    report = prepare("nw_ucla", raw_dir=real_data("nw_ucla"), data_dir=tmp_path)
    assert "kept 1484 of 1484" in report
    splits = nw_ucla.load(data_dir=tmp_path).splits
    assert (len(splits["train"]), len(splits["test"])) == (1020, 464)
    # Counted in the folder: 516 clips of camera 1, 504 of camera 2, one to 201 frames.
    cameras = [nw_ucla.place(row.key).camera for row in rows(splits["train"])]
    assert (cameras.count(1), cameras.count(2)) == (516, 504)
